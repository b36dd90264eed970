/* SPDX-License-Identifier: MIT */
/*
 * The store's clock: seconds since 1970 that never go back because the system's clock was put back.
 *
 * While the system's clock is behind what was told before (the high-water mark, kept in the
 * database), time goes on from the mark at half speed, so that the two meet again; what had expired
 * stays expired.
 *
 * More than CLOCK_SETBACK behind is another matter: then the mark is the mistake, left by a clock
 * that had jumped far ahead (and a store that insisted on it would stay years ahead). The store
 * follows the system's clock back, but nothing is won by that: tokens that had expired are marked
 * as lapsed for ever, tokens made in the false future keep the life they had left. A clock that
 * shows a time before CLOCK_FLOOR has not been set at all and is not followed.
 */
#ifndef MUSTER_CLOCK_H
#define MUSTER_CLOCK_H

#include <stdbool.h>

#include "lib/base.h"

#define CLOCK_SETBACK (30u * 86400u)
#define CLOCK_FLOOR   1767225600u /* 2026-01-01 */
#define CLOCK_SAVE    5u          /* seconds that the mark in the database may be behind */

/* Where the time comes from; tests have their own. */
struct clock_source {
	uint64_t (*wall)(void);    /* seconds since 1970, CLOCK_REALTIME */
	uint64_t (*elapsed)(void); /* seconds of CLOCK_BOOTTIME */
};
extern const struct clock_source clock_system;

struct clock {
	const struct clock_source *source;
	uint64_t last;   /* the latest time told */
	uint64_t saved;  /* the mark in the database */
	uint64_t anchor; /* while behind: the time at which that was seen */
	uint64_t anchor_elapsed;
	bool behind;
};

void clock_start(struct clock *c, const struct clock_source *source, uint64_t mark);
uint64_t clock_now(struct clock *c);

/* Somebody else has told that time already: this clock doesn't tell an earlier one any more. */
void clock_advance(struct clock *c, uint64_t mark);

/* True if the mark is to be given up for the system's clock, *ret_wall. */
bool clock_is_set_back(struct clock *c, uint64_t *ret_wall);
void clock_follow(struct clock *c, uint64_t wall);

#endif
