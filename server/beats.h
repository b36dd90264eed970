/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats: the HELLOs of machines that are connected already. Nobody waits for their answers, so
 * they wait for one another, a moment, and are written by one commit; a commit for each would cost
 * more than all the rest of it.
 */
#ifndef MUSTER_BEATS_H
#define MUSTER_BEATS_H

#include <systemd/sd-event.h>

#include "lib/body.h"

#define BEATS_MAX  64     /* then they don't wait any longer */
#define BEATS_USEC 40000u /* and not longer than this */

struct channel;
struct beats;
struct turn;

/* A HELLO that waits; its place is in struct beats. */
struct beat {
	struct channel *channel; /* NULL: it has ended */
	uint64_t sequence;
	struct hello hello;
};

/* due: its time has come; the channel's beat is NULL already. May end any channel. */
int beats_new(sd_event *loop, void (*due)(struct channel *c, const struct beat *b),
	struct beats **ret) must_use;
struct beats *beats_free(struct beats *all);
/* The store is shared (turn.h): what is due waits for its turn as other work does. */
void beats_share(struct beats *all, struct turn *turn);

/* Of a channel that has none waiting. */
void beats_add(struct beats *all, struct channel *c, uint64_t sequence, const struct hello *hello);
/* All that wait are due now. */
void beats_flush(struct beats *all);
/* The channel ends; nothing if it has none waiting. */
void beats_forget(struct channel *c);

#endif
