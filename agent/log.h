/* SPDX-License-Identifier: MIT */
/*
 * The agent's words for the journal: one line each to standard error, under systemd with its
 * priority in front (sd-daemon(3)).
 */
#ifndef MUSTER_AGENT_LOG_H
#define MUSTER_AGENT_LOG_H

#include <syslog.h>
#include <time.h>

#include "lib/base.h"

void log_say(int priority, const char *format, ...) printf_like(2);

/* Says it with strerror(-error) behind, as an error; returns error. */
int log_err(int error, const char *format, ...) printf_like(2);

/* As log_say(), for what a bad network or server can cause without end: after a burst only one line
 * every few minutes, which tells how many were left out. */
void log_seldom(int priority, const char *format, ...) printf_like(2);

/* Says a failure, but one that stays the same only when it begins and then now and then. Numbers
 * don't count: libcurl puts milliseconds into its texts. All zero: nothing has failed. */
struct log_repeat {
	char text[384];
	time_t said;
};

void log_repeated(struct log_repeat *last, int priority, const char *text);

#endif
