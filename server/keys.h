/* SPDX-License-Identifier: MIT */
/*
 * The server's keys, files of mode 0600 in the state folder (0700):
 *
 *	identity.key   secp256k1, 64 hex digits         tls.pem      P-256 key and certificate
 *	release.key    minisign secret key; may be absent when release.pub is there (offline)
 *	release.pub    minisign public key              token.key    32 bytes, 64 hex digits
 *
 * Each is made if it is missing, but only as long as there is no database: with one, machines may
 * know the missing key, and a new one would lock them out without a word.
 */
#ifndef MUSTER_KEYS_H
#define MUSTER_KEYS_H

#include "lib/identity.h"
#include "lib/minisign.h"
#include "lib/tlskey.h"

#define DATABASE_NAME "muster.db"
#define CLAIM_NAME    "claimed" /* stands for a database that is elsewhere */

struct keys {
	struct identity *identity;
	struct tlskey tls;
	struct minisign_key *release; /* NULL: offline */
	struct minisign_public release_public;
	uint8_t *token_key; /* TOKEN_KEY_SIZE bytes, secret_alloc() */
};

/* Makes the state folder, makes missing keys, loads all. Failures are logged: what to do as well.
 */
int keys_load(const char *state, struct keys *ret) must_use;
/* They are now those of a database elsewhere: none of them may be made anew. Failures are logged. */
int keys_claimed(const char *state) must_use;
void keys_clear(struct keys *k);

#endif
