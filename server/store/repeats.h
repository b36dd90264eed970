/* SPDX-License-Identifier: MIT */
/*
 * What was done under an Idempotency-Key: for a day, so that asking again does nothing again. Written
 * in the transaction of what was done. Errors as in store.h.
 */
#ifndef MUSTER_STORE_REPEATS_H
#define MUSTER_STORE_REPEATS_H

#include "lib/buffer.h"
#include "store.h"

#define REPEAT_KEY_SIZE  129
#define REPEAT_HASH_SIZE 32
#define REPEAT_SECONDS   86400
#define REPEATS_MAX      10000

/* Which request: under the token key, which lies outside of the database, because a body may have
 * something secret in it. Of the parts in this order, each with its length. */
struct repeat_part {
	const void *data;
	size_t len;
};
void store_repeat_hash(struct store *s, const struct repeat_part *parts, size_t count,
	uint8_t ret[static REPEAT_HASH_SIZE]);

struct repeat_record {
	uint8_t hash[REPEAT_HASH_SIZE];
	uint64_t time;
	int status;
	bool secret; /* the answer had a secret: what is kept is the id of what was made */
};

/* What actor has done under that key. The answer is appended. -ENOENT. */
int store_repeat_get(struct store *s, const char *actor, const char *key, struct repeat_record *ret,
	struct buffer *ret_answer) must_use;
/* Also forgets what is older. -E2BIG: there are REPEATS_MAX. */
int store_repeat_add(struct store *s, const char *actor, const char *key,
	const struct repeat_record *r, const char *answer) must_use;

#endif
