/* SPDX-License-Identifier: MIT */
/*
 * Delays between attempts: exponential with full jitter and a cap, the jitter never clamped away at
 * the cap. Attempt n (from 0) waits a uniformly random time between base and min(cap, base * 2^n *
 * 3).
 */
#ifndef MUSTER_BACKOFF_H
#define MUSTER_BACKOFF_H

#include "base.h"

struct backoff {
	uint64_t base_ms;
	uint64_t cap_ms;
	unsigned attempt;
};

uint64_t backoff_next(struct backoff *b); /* milliseconds */
void backoff_reset(struct backoff *b);

#endif
