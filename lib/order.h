/* SPDX-License-Identifier: MIT */
/*
 * Configuration on the wire (muster-protocol(7), "CONFIG"): the order itself, what a machine says
 * it holds, and what its answers are about. encode: bytes written, or -EMSGSIZE; decode: 0,
 * -EBADMSG or -EPROTONOSUPPORT, as in body.h.
 */
#ifndef MUSTER_ORDER_H
#define MUSTER_ORDER_H

#include <stdbool.h>

#include "cursor.h"
#include "op.h"

#define CONFIG_NAME_SIZE   65
#define CONFIG_HASH_SIZE   32                  /* SHA-256 */
#define CONFIG_CONTENT_MAX (MESSAGE_MAX - 256) /* bytes: with all around it one message */
#define HOLDINGS_MAX       64                  /* configurations of one machine */

/* 1 to 64 of a-z 0-9 . _ -, the first a letter or digit: no such name is a path, or hidden. */
bool order_name_ok(const char *name);
void config_hash(const void *content, size_t len, uint8_t ret[static CONFIG_HASH_SIZE]);

enum order_kind {
	ORDER_SET = 1,
	ORDER_REMOVE = 2,
	ORDER_RETURN = 3, /* set, and meant although it is older than what the machine holds */
};

/* CONFIG from the server. A removal has no content and a hash of zeros. */
struct config_order {
	char name[CONFIG_NAME_SIZE];
	uint64_t revision; /* from 1, counted by name */
	uint64_t number;   /* from 1, greater than that of every other order before */
	enum order_kind kind;
	uint8_t hash[CONFIG_HASH_SIZE];
	const uint8_t *content; /* lies in the body that was decoded */
	size_t len;
};

/* What a machine holds; the end of HELLO. */
struct holding {
	char name[CONFIG_NAME_SIZE];
	uint64_t revision;
	uint8_t hash[CONFIG_HASH_SIZE];
};

struct holdings {
	uint8_t count;
	struct holding of[HOLDINGS_MAX]; /* sorted by name, none twice */
};

/* NULL: it doesn't hold that. */
const struct holding *holdings_find(const struct holdings *all, const char *name);
/* Adds it, or puts it in the place of the one of its name. -E2BIG. */
int holdings_put(struct holdings *all, const struct holding *one) must_use;
void holdings_drop(struct holdings *all, const char *name);

/* What a machine's ACK or NACK of a CONFIG is about, so that the signature covers it. */
struct subject {
	uint64_t time; /* the machine's clock */
	uint64_t revision;
	enum order_kind kind;
	char name[CONFIG_NAME_SIZE]; /* "": the message is not about a configuration */
	uint8_t hash[CONFIG_HASH_SIZE];
};

ssize_t config_order_encode(const struct config_order *o, void *ret, size_t size) must_use;
int config_order_decode(const void *body, size_t len, struct config_order *ret) must_use;

/* Missing from a body when there is nothing to tell: none held, unless something follows (more); an
 * empty name. */
void holdings_write(struct writer *w, const struct holdings *all, bool more);
void holdings_read(struct reader *r, struct holdings *ret);
void subject_write(struct writer *w, const struct subject *s);
void subject_read(struct reader *r, struct subject *ret);

#endif
