/* SPDX-License-Identifier: MIT */
/*
 * Who alters what people or other programs look at tells it here, and who wants to know watches:
 * a change is given out after the commit of the turn in which it was told, and not at all if that
 * fails. What is told twice in a turn is given out once; many of one topic become one entry without
 * an id, so a watcher gets a short list however much happens. Watchers get hints, not contents:
 * they read the store again. While nobody watches, telling costs nothing and nothing is kept.
 */
#ifndef MUSTER_CHANGES_H
#define MUSTER_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

struct server;
struct changes;

enum change_topic {
	CHANGE_STATUS,   /* a machine has connected or gone; id: the client's */
	CHANGE_TOKENS,   /* id: the token's */
	CHANGE_CLIENTS,  /* a client's record or state; id: the client's */
	CHANGE_CONFIGS,  /* a revision was made; id: the configuration's name */
	CHANGE_RECEIPTS, /* a machine has answered to a configuration; id: "NAME CLIENT" */
	CHANGE_MESSAGES, /* id: the client's who sent them */
	CHANGE_AUDIT,    /* entries were added; never an id. The store tells it by itself. */
	CHANGE_ACCESS,   /* administrators, API tokens, webhooks; id: what they are called by */
	CHANGE_DATABASE, /* it can't be reached any more, or can again (dblink.h); never an id. Of
			    this process alone: nobody passes it on. */
	CHANGE_ROLLOUTS, /* a roll-out, or how far it is; id: its number */
};
#define CHANGE_TOPICS 10
const char *change_topic_name(enum change_topic topic); /* "status", "tokens", ... */

#define CHANGE_ID_SIZE 128
#define CHANGES_EACH   16 /* entries with an id of one topic in one turn; beyond that: one without */

struct change {
	enum change_topic topic;
	char id[CHANGE_ID_SIZE]; /* "": any, look at all of the topic */
};

/* What has been told and not given out yet: each once, and many of one topic as one. All zero is
 * empty. */
struct change_list {
	size_t count, each[CHANGE_TOPICS]; /* entries; of each topic */
	struct change of[CHANGE_TOPICS * CHANGES_EACH];
};
void change_list_add(struct change_list *l, enum change_topic topic, const char *id);

/* Part of whatever watches; all zero when it doesn't. */
struct watcher {
	struct watcher *next, **previous;
	/* May watch, unwatch (itself and others) and open the next turn. */
	void (*changed)(struct watcher *w, const struct change *changes, size_t count);
};

/* Fills in s->changes; needs loop, store and turn. Failures are logged. */
int changes_start(struct server *s) must_use;
/* Takes a server whose turn has ended. Nobody may watch any more. */
void changes_stop(struct server *s);

/* id: see above; NULL: any. Without an open turn it is given out when the loop is idle. */
void changes_tell(struct server *s, enum change_topic topic, const char *id);
/* The same with a client's id as it is. */
void changes_tell_client(struct server *s, enum change_topic topic, const uint8_t *client);

/* What has changed at another process: given out at once to all watchers but that one. */
void changes_pass_on(
	struct server *s, const struct watcher *but, const struct change *changes, size_t count);

/* Whether telling leads to anything: to spare the work of making an id. */
bool changes_watched(const struct server *s);
void changes_watch(struct server *s, struct watcher *w);
void changes_unwatch(struct server *s, struct watcher *w); /* nothing if it doesn't */

#endif
