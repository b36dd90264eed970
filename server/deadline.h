/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of very many connections by one timer: a queue a kind, each in the order of its times.
 * Entries of a kind mostly have the same duration, so a new one belongs at the end, at no cost.
 * The clock is CLOCK_MONOTONIC.
 */
#ifndef MUSTER_DEADLINE_H
#define MUSTER_DEADLINE_H

#include <systemd/sd-event.h>

#include "lib/base.h"

enum deadline_kind { DEADLINE_HANDSHAKE, DEADLINE_REQUEST, DEADLINE_IDLE, DEADLINE_LINGER };
#define DEADLINE_KINDS 4

struct deadlines;

/* Part of what has a deadline; all zero when it has none. */
struct deadline {
	struct deadline *next, *previous;
	uint64_t at; /* microseconds */
	enum deadline_kind kind;
};

/* expired: the entry has been taken out already; may free its owner. */
int deadlines_new(sd_event *loop, void (*expired)(struct deadline *d), struct deadlines **ret)
	must_use;
struct deadlines *deadlines_free(struct deadlines *d);

/* Sets it, or sets it anew, to seconds from now. */
void deadline_set(
	struct deadlines *all, struct deadline *d, enum deadline_kind kind, uint32_t seconds);
void deadline_clear(struct deadline *d);

#endif
