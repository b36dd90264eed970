/* SPDX-License-Identifier: MIT */
/*
 * The webhooks at work: each sends the audit entries that it is for to its URL, in their order, one at
 * a time and each at least once. An attempt that fails is made again, after a while that grows and is
 * never the same; one that has failed for WEBHOOKS_PATIENCE, or is told that it's for ever, is
 * disabled. How far a hook has come is in the store, so it goes on where it was after a restart.
 */
#ifndef MUSTER_WEBHOOKS_H
#define MUSTER_WEBHOOKS_H

#include "delivery.h"
#include "store/webhooks.h"

#define WEBHOOKS_PATIENCE (5u * 86400u) /* seconds */

struct server;
struct webhooks;

int webhooks_start(struct server *s) must_use; /* failures are logged */
void webhooks_stop(struct server *s);          /* may be called twice */

/* The table of them is another one, after this turn's commit. */
void webhooks_changed(struct server *s);

/* What they may do, as the configuration says. */
struct delivery_rules webhooks_rules(const struct server *s);

/* One message of type "webhook.test", now. */
int webhooks_test(struct server *s, const struct webhook_record *w, delivery_done done,
	void *userdata, struct delivery **ret) must_use;

/* For metrics.h. */
struct webhooks_stats {
	uint64_t delivered, failed; /* attempts */
	uint64_t hooks, failing, disabled;
	uint64_t waiting; /* entries that the hook that is farthest behind has not come to */
};
int webhooks_stats(struct server *s, struct webhooks_stats *ret) must_use;

#endif
