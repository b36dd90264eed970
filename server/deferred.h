/* SPDX-License-Identifier: MIT */
/*
 * Messages of channels that wait for a transaction. Where other processes write to the store too
 * (turn.h), a message is opened and verified when it comes, and taken with others later, so that
 * nobody holds the store while he does cryptography. A channel's messages keep their order.
 */
#ifndef MUSTER_DEFERRED_H
#define MUSTER_DEFERRED_H

#include "lib/session.h"

/* Of one channel it reads no more while so many wait. */
#define DEFERRED_MAX 64

struct channel;
struct deferred;

/* Part of a channel. */
struct deferrals {
	struct deferred *first, **last;
	size_t count;
};

void deferred_init(struct deferrals *all);

/* Copies the message; take is called in the turn's transaction, or without one if the store can't
 * be had, which turn_enter() tells. It may end the channel. -ENOMEM. */
int deferred_add(struct channel *c, const struct message *m,
	void (*take)(struct channel *c, const struct message *m)) must_use;

/* The channel ends: they are not taken any more. */
void deferred_drop(struct deferrals *all);

#endif
