/* SPDX-License-Identifier: MIT */
/*
 * What came of an update that the server has ordered, by the order's number: a file that root's
 * part writes (renewal.h), for itself and for the agent, which answers the server by it.
 */
#ifndef MUSTER_AGENT_OUTCOME_H
#define MUSTER_AGENT_OUTCOME_H

#include <stdbool.h>

#include "agent/newest.h"
#include "lib/body.h"

#define OUTCOME_FILE "/run/muster-update/result" /* the agent's copy */
#define OUTCOME_TEXT 513                         /* as long as a NACK's */

struct outcome {
	uint64_t number;
	uint8_t giver[GIVER_SIZE];
	uint16_t code;           /* 0: done; else enum nack_code */
	char text[OUTCOME_TEXT]; /* printable, one line */
};

int outcome_write(const char *path, const struct outcome *o) must_use;
int outcome_read(const char *path, struct outcome *ret) must_use; /* -ENOENT, -EBADMSG, ... */

/* Of that very order. */
bool outcome_is_of(const struct outcome *o, uint64_t number, const uint8_t giver[static GIVER_SIZE])
	must_use;

#endif
