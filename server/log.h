/* SPDX-License-Identifier: MIT */
/*
 * The programs' log: journal fields under systemd, plain lines on stderr otherwise. Only programs
 * log, never lib/. Everything is escaped (text_escape), and each kind of message that a peer can
 * cause is rate-limited.
 */
#ifndef MUSTER_LOG_H
#define MUSTER_LOG_H

#include <syslog.h>

#include "lib/base.h"

void log_open(const char *program, int max_priority);
void log_at(int priority, const char *format, ...) printf_like(2);

/* Logs "MESSAGE: reason of the error" and returns the error, so that a function can end with it. */
int log_errno(int priority, int error, const char *format, ...) printf_like(3);

/* With up to eight journal fields: NAME, value, NAME, value, ..., NULL. */
void log_fields(int priority, const char *message, ...) __attribute__((sentinel));

/* For what a peer can cause: at most LOG_LIMITED messages of a kind a minute, then their number.
 * Each kind has a static struct log_rate. */
#define LOG_LIMITED 10
struct log_rate {
	uint64_t since; /* seconds, monotonic */
	uint32_t told, untold;
};
void log_limited(struct log_rate *rate, int priority, const char *format, ...) printf_like(3);

#define log_err(error, ...) log_errno(LOG_ERR, error, __VA_ARGS__)
#define log_info(...)       log_at(LOG_INFO, __VA_ARGS__)
#define log_warning(...)    log_at(LOG_WARNING, __VA_ARGS__)

#endif
