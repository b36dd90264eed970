/* SPDX-License-Identifier: MIT */
/*
 * One transaction a turn of the loop, and no reply before its commit. A handler that writes to the
 * store calls turn_enter() first; whoever has output that depends on the store holds it with
 * turn_hold(). The turn ends when no more input is waiting (a source of the lowest priority), or
 * sooner if it grew large or old: one commit, then every held output is released. If the commit
 * fails nothing of the turn happened: the outputs are dropped and their connections closed, so no
 * peer hears of what is not durable.
 *
 * Where other processes write to the same store (turn_share()), a transaction that stayed open for
 * as long as there is input would make them wait for this one's TLS and signatures. There, what
 * writes is queued as work instead: it gathers as above, and then runs in one go between the begin
 * and the commit, with nothing else in between. While another process writes, the work waits and
 * the loop goes on.
 */
#ifndef MUSTER_TURN_H
#define MUSTER_TURN_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "store/store.h"

struct turn;

/* Part of whatever is held; all zero when it isn't. */
struct held {
	struct held *next, **previous;
	void (*release)(
		struct held *h, bool committed); /* h is unlinked already; may free its owner */
};

/* Of commits: how many took at most turn_bounds[i] microseconds, and longer than the bound before. */
#define TURN_BUCKETS 12
extern const uint32_t turn_bounds[TURN_BUCKETS - 1]; /* the last bucket has none */
struct turn_stats {
	uint64_t committed, failed;
	uint64_t commit_usec; /* of all of them together */
	uint64_t buckets[TURN_BUCKETS];
};
const struct turn_stats *turn_stats(const struct turn *t);

int turn_new(sd_event *loop, struct store *store, struct turn **ret) must_use;
struct turn *turn_free(struct turn *t); /* commits what is open first */

/* Opens the turn's transaction if it isn't. -EIO; -EBUSY: another process writes for too long. */
int turn_enter(struct turn *t) must_use;

/* Something to do in a transaction. */
struct work {
	struct work *next;
	/* 0: the transaction is open; negative: the store can't be had now, and turn_enter() will
	 * say so too. The work is unlinked already and may free itself, and queue more. */
	void (*run)(struct work *w, int error);
};

/* Other processes write to the store too, from now on. */
void turn_share(struct turn *t);
bool turn_is_shared(const struct turn *t);

/* Only where it is shared. What is queued runs in order, and once. */
void turn_queue(struct turn *t, struct work *w);
/* Its owner ends; nothing if it isn't queued. */
void turn_unqueue(struct turn *t, struct work *w);

bool turn_is_open(const struct turn *t);

/* The store has failed in this turn (-EIO, -ENOMEM): it will be rolled back instead of committed,
 * and what is held is dropped. */
void turn_fail(struct turn *t);

/* Releases h after the turn's commit; at once if no transaction is open. Holding twice is holding
 * once. */
void turn_hold(struct turn *t, struct held *h);
void turn_forget(struct held *h); /* its owner ends; nothing if it isn't held */
bool turn_is_held(const struct held *h);

#endif
