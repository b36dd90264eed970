/* SPDX-License-Identifier: MIT */
/*
 * Where and when a machine tries again: its servers' addresses in an order of chance, and the pauses
 * between attempts.
 *
 * The order is made at the start, and anew whenever a good connection was lost, whose address comes
 * last then: so the machines of a server that is gone spread over the others. It is gone through
 * again and again, so that no address is tried a second time before all others have been.
 *
 * Between two addresses of a round the pause is short (a quarter of the base, to five of them); after
 * a round it is the back-off's, of which a round is one attempt; after a loss it is the base to six
 * times that, or the back-off's where there is no other address. All have their jitter: a server's
 * machines all lose it at once, and the others have to take them beside their own.
 */
#ifndef MUSTER_RETRY_H
#define MUSTER_RETRY_H

#include <stdbool.h>

#include "addresses.h"
#include "backoff.h"

struct retry {
	struct backoff backoff;
	uint8_t order[ADDRESSES_MAX];
	uint8_t count, at;
};

enum retry_end {
	RETRY_FAILED, /* there was no connection, or one that served for nothing */
	RETRY_BROKEN, /* one that had begun to serve, but had not lasted */
	RETRY_LOST,   /* one that had lasted: what failed before is forgotten */
};

/* count: 1 to ADDRESSES_MAX. */
void retry_begin(struct retry *r, size_t count, uint64_t base_ms, uint64_t cap_ms);

size_t retry_place(const struct retry *r); /* the address to try now, 0 to count - 1 */

/* The attempt at that place has ended so: the next place, and milliseconds until then. */
uint64_t retry_after(struct retry *r, enum retry_end end);

/* Whether the last attempt was the last of its round: none of the addresses has served. */
bool retry_is_round(const struct retry *r, enum retry_end end);

#endif
