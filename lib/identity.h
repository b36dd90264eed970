/* SPDX-License-Identifier: MIT */
/*
 * secp256k1 identities (muster-protocol(7), "Keys"): recipient of ECIES, signer by ECDSA (RFC 6979
 * nonces, low S, 64 bytes compact). All work on the curve is libsecp256k1's.
 */
#ifndef MUSTER_IDENTITY_H
#define MUSTER_IDENTITY_H

#include "base.h"

#define PUBLIC_KEY_SIZE     65 /* uncompressed, 04 || X || Y; no other form is taken on the wire */
#define SIGNATURE_SIZE      64
#define DIGEST_SIZE         32
#define IDENTITY_TEXT_SIZE  67 /* compressed key in 66 hex digits, with the NUL: for people */
#define CLIENT_ID_SIZE      16
#define CLIENT_ID_TEXT_SIZE 33 /* 32 lower-case hex digits, with the NUL */

struct identity; /* a secret key and its public key, in secret_alloc() memory */

int identity_generate(struct identity **ret) must_use;

/* From 32 secret bytes. -EBADMSG: zero, or not below the group's order. */
int identity_from_secret(const uint8_t secret[static 32], struct identity **ret) must_use;

/* Key files hold 64 hex digits and a newline, mode 0600. load: -EPERM others may read it; -EBADMSG
 * not a key. save: -EEXIST if there is one already. */
int identity_load(const char *path, struct identity **ret) must_use;
int identity_save(const struct identity *i, const char *path) must_use;

struct identity *identity_free(struct identity *i); /* wipes; takes NULL, returns NULL */
void identity_freep(struct identity **i);

const uint8_t *identity_public(
	const struct identity *i); /* PUBLIC_KEY_SIZE bytes, live as long as i */
const uint8_t *identity_secret(const struct identity *i); /* 32 bytes; for lib/ecies.c and tests */

/* Signs a 32-byte digest. */
int identity_sign(const struct identity *i, const uint8_t digest[static DIGEST_SIZE],
	uint8_t ret[static SIGNATURE_SIZE]) must_use;

/* 0 if the signature is low-S and verifies. -EBADMSG: the key is no point of the curve in form 04;
 * -EKEYREJECTED: the signature doesn't verify or its S is high. */
int identity_verify(const uint8_t public_key[static PUBLIC_KEY_SIZE],
	const uint8_t digest[static DIGEST_SIZE], const uint8_t signature[static SIGNATURE_SIZE])
	must_use;

/* 0 if the bytes are a point of the curve in form 04, else -EBADMSG. */
int identity_check_public(const uint8_t public_key[static PUBLIC_KEY_SIZE]) must_use;

/* Compressed hex to and from the 65 bytes. -EBADMSG. */
int identity_public_from_text(const char *text, uint8_t ret[static PUBLIC_KEY_SIZE]) must_use;
void identity_public_to_text(
	const uint8_t key[static PUBLIC_KEY_SIZE], char ret[static IDENTITY_TEXT_SIZE]);

#endif
