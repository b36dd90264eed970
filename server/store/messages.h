/* SPDX-License-Identifier: MIT */
/*
 * The machines' messages: each stored once, in the order in which it came. As store.h says: what
 * writes does so in the turn's transaction, and the errors are the same.
 */
#ifndef MUSTER_STORE_MESSAGES_H
#define MUSTER_STORE_MESSAGES_H

#include "lib/msg.h"
#include "store.h"

#define MESSAGE_COST   256 /* bytes that a message counts for besides its text */
#define MESSAGE_SPOOLS 16  /* of one client that are remembered: the latest used */

/* What one client may have here; beyond that its oldest messages go. */
struct message_limits {
	uint64_t messages;
	uint64_t bytes; /* of texts, and MESSAGE_COST each */
};

struct message_record {
	uint64_t seq; /* from 1; never used twice */
	uint8_t client[CLIENT_ID_SIZE];
	uint64_t number;   /* in the machine's spool */
	uint64_t sent;     /* by the machine's clock */
	uint64_t received; /* by the store's */
	const char *type, *hostname,
		*text; /* valid during the visit; hostname "": client unknown */
};

/* 0: stored; 1: was stored before, nothing has changed. */
int store_message_add(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const struct msg *m, const struct message_limits *limits) must_use;

struct message_filter {
	const uint8_t *client; /* NULL: all */
	const char *type;      /* NULL: all */
	uint64_t after;        /* only seqs above it */
	uint64_t last;         /* 0, or: start so many before the end (of the client's, else of the
				  type's); after still counts */
	uint32_t scan;         /* most rows looked at */
};
typedef int (*message_visitor)(void *userdata, const struct message_record *m);
/* By seq. ret_next: the last row looked at if scan ended the visit, else 0. A visitor's stop (not
 * 0) is returned. */
int store_message_each(struct store *s, const struct message_filter *f, message_visitor visit,
	void *userdata, uint64_t *ret_next) must_use;
/* One, by its seq: visits it. -ENOENT. */
int store_message_get(struct store *s, uint64_t seq, message_visitor visit, void *userdata)
	must_use;

/* The seq given last. */
int store_message_head(struct store *s, uint64_t *ret) must_use;

/* Takes out messages received before that time, the oldest first, at most so many. */
int store_message_expire(struct store *s, uint64_t before, uint32_t limit, uint32_t *ret_count)
	must_use;

/* Up to which seq the outlet has taken them. */
int store_outlet_get(struct store *s, uint64_t *ret) must_use;
int store_outlet_set(struct store *s, uint64_t seq) must_use;

#endif
