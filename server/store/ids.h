/* SPDX-License-Identifier: MIT */
/* Public ids of what people make, and the hashes by which the store knows the secrets to them. */
#ifndef MUSTER_STORE_IDS_H
#define MUSTER_STORE_IDS_H

#include "store.h"

#define ID_SIZE        13 /* a letter for the kind, "-", 10 digits of Crockford's base32, the NUL */
#define ID_SECRET_SIZE 32
#define ID_HASH_SIZE   32

/* Draws one: 50 random bits, enough that an id names one thing for ever. */
void id_make(char kind, char ret[static ID_SIZE]);

/* What somebody has typed, an id or its beginning: in lower case, and with the kind, which may be
 * left out. -ENOENT: no id begins so. */
int id_complete(char kind, const char *text, char ret[static ID_SIZE]) must_use;

/* Under the token key, so that it is worthless to whoever has the database only. domain: what the
 * secret is for. */
void id_secret_hash(const struct store *s, const char *domain,
	const uint8_t secret[static ID_SECRET_SIZE], uint8_t ret[static ID_HASH_SIZE]);

#endif
