/* SPDX-License-Identifier: MIT */
/*
 * Argon2id beside the loop: one thread, so never more than 64 MiB at once, and a short queue. The
 * loop asks from time to time whether a job is done (api.h: step).
 */
#ifndef MUSTER_HASHER_H
#define MUSTER_HASHER_H

#include <stdbool.h>

#include "../store/admins.h"

#define HASHER_QUEUE    16
#define HASHER_MEMORY   (64u << 20) /* RFC 9106, 4: the second recommended choice */
#define HASHER_PASSES   3
#define HASHER_ASK_USEC 5000 /* how often it is worth asking */

struct hasher;
struct hashing; /* a job */

int hasher_new(struct hasher **ret) must_use;
struct hasher *hasher_free(struct hasher *h); /* waits for the job under way; takes NULL */

/* Is it the password of that hash? NULL: of nobody's, which takes as long. -EBUSY: the queue is
 * full; -ENOMEM, -EAGAIN: no thread. */
int hasher_check(struct hasher *h, const char *hash, const char *password, struct hashing **ret)
	must_use;
/* The hash of a new password. */
int hasher_make(struct hasher *h, const char *password, struct hashing **ret) must_use;

bool hashing_is_done(struct hashing *j);
/* When it's done. 0: it is the password, or the hash is made; -EACCES: it's another; -ENOMEM. */
int hashing_result(struct hashing *j, char ret_hash[static PASSWORD_HASH_SIZE]) must_use;
/* Whether it's done or not; wipes it. Takes NULL, returns NULL. */
struct hashing *hashing_free(struct hashing *j);

/* ---- passwords */

#define PASSWORD_MIN  12  /* characters */
#define PASSWORD_MAX  256 /* bytes */
#define PASSWORD_SIZE (3 * PASSWORD_MAX + 1)

/* One way of writing it (Unicode's NFC): keyboards and systems differ in what they send for the same
 * letters. -EINVAL: not UTF-8, or longer than PASSWORD_MAX. */
int password_normal(const char *password, char ret[static PASSWORD_SIZE]) must_use;
/* In characters. */
size_t password_length(const char *password);

#endif
