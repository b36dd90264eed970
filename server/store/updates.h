/* SPDX-License-Identifier: MIT */
/*
 * Updates of machines by roll-outs (rollouts.h): who is asked, and what came of it. Of each client
 * its last one is known. The manner and the errors are store.h's.
 */
#ifndef MUSTER_STORE_UPDATES_H
#define MUSTER_STORE_UPDATES_H

#include "rollouts.h"

enum update_state {
	UPDATE_SENT,    /* under way: asked, and not answered yet */
	UPDATE_DONE,    /* it runs that release, proved */
	UPDATE_REFUSED, /* it failed there */
	UPDATE_LOST,    /* it fell silent; what it answers later counts */
};
#define UPDATE_STATES 4
const char *update_state_name(enum update_state state); /* "under-way", "done", "failed", "lost" */

/* The last that a client was asked. */
struct update_record {
	uint8_t client[CLIENT_ID_SIZE];
	uint64_t rollout;
	uint8_t release[RELEASE_DIGEST_SIZE]; /* the roll-out's */
	uint64_t number; /* of the order (muster-protocol(7), "Numbers of orders") */
	enum update_state state;
	uint64_t sent;     /* when it was asked; anew, if it had been lost */
	uint64_t answered; /* or when it was found lost; 0 while under way */
	uint16_t code;     /* refused: enum nack_code, and the machine's words */
	char text[513];
};

enum update_taken {
	UPDATE_NOTHING, /* nothing for it in this roll-out, unless its labels change */
	UPDATE_WAITS,   /* there is, but not now: no place is free, or the roll-out is halted, or of
			   another release than the server offers */
	UPDATE_TAKEN,   /* *ret is to be sent */
};

/* Is this machine to be asked now, by a server that offers that release? What is under way is sent
 * again and takes no other place, whatever its roll-out has become. A lost one takes a place again,
 * under the number that it had. enum update_taken, or negative. */
int store_update_take(struct store *s, const struct client_record *client,
	const uint8_t offered[static RELEASE_DIGEST_SIZE], struct update_record *ret) must_use;

/* The same by reading only: UPDATE_TAKEN: it is under way; UPDATE_WAITS: it is to be asked, now or
 * later. */
int store_update_look(struct store *s, const struct client_record *client,
	const uint8_t offered[static RELEASE_DIGEST_SIZE]) must_use;

/* -ENOENT: it was never asked. */
int store_update_get(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	struct update_record *ret) must_use;

/* The machine has answered: code 0, it's done. Audited. 1: written down; 0: that one isn't waited
 * for. */
int store_update_answer(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t number, uint16_t code, const char *text) must_use;

#define UPDATE_BATCH 50

/* Who is under way, but was asked before heard and has not been heard of since then, or was asked
 * before asked: UPDATE_BATCH of them at most. Times are seconds since 1970. */
int store_update_overdue(struct store *s, uint64_t heard, uint64_t asked,
	uint8_t ret[UPDATE_BATCH][CLIENT_ID_SIZE], size_t *ret_count) must_use;
/* Gives it up, audited; why: in words for people. 1: its place is free; 0: it isn't under way (any
 * more). */
int store_update_lost(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *why)
	must_use;

typedef int (*update_visitor)(void *userdata, const struct update_record *u);
/* Those of a roll-out whose clients are above after (NULL: all), by client. state: enum
 * update_state, or -1: any. */
int store_update_each(struct store *s, uint64_t rollout, int state, const uint8_t *after,
	uint32_t limit, update_visitor visit, void *userdata) must_use;
/* The same of all for whom this roll-out doesn't wait: those that it has asked, and those that have
 * had its release by a former one. */
int store_update_settled(struct store *s, const struct rollout_record *rollout,
	const uint8_t *after, uint32_t limit, update_visitor visit, void *userdata) must_use;

#endif
