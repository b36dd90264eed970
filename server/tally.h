/* SPDX-License-Identifier: MIT */
/*
 * The counters of all processes of a server (workers.h): each puts its own where all can read them,
 * once a second, and one that is started in another's place goes on with what that one had counted.
 */
#ifndef MUSTER_TALLY_H
#define MUSTER_TALLY_H

#include <stdatomic.h>

#include "metrics.h"
#include "turn.h"

struct server;

/* Nothing in it but uint64_t. */
struct tally {
	struct metrics metrics;
	struct turn_stats turns;
	uint64_t connections; /* open now */
};
#define TALLY_WORDS (sizeof(struct tally) / sizeof(uint64_t))
typedef _Atomic uint64_t tally_slot[TALLY_WORDS]; /* one process's, in shared memory */

int tally_start(struct server *s) must_use; /* failures are logged */
void tally_stop(struct server *s);

/* This process's now, and what the others have put down. */
void tally_sum(const struct server *s, struct tally *ret);

#endif
