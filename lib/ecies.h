/* SPDX-License-Identifier: MIT */
/*
 * ECIES exactly as eciesjs and eciesgo do by default (https://ecies.org/): secp256k1, uncompressed
 * ephemeral key, HKDF-SHA256 over ephemeral key || shared point without salt or info, AES-256-GCM
 * with a 16-byte nonce. muster-protocol(7), "Packets".
 *
 *	sealed = ephemeral public key (65) || nonce (16) || tag (16) || ciphertext (len(plaintext))
 *
 * One ephemeral key, and so one derived key, may serve many packets of a session: a sender keeps
 * its key, a receiver remembers the last one it derived, and each side spends one ECDH. A sender is
 * 168 bytes and a receiver 112; the cipher's contexts are shared by the whole process, so all of
 * this belongs to one thread.
 */
#ifndef MUSTER_ECIES_H
#define MUSTER_ECIES_H

#include "identity.h"

#define ECIES_NONCE_SIZE 16
#define ECIES_TAG_SIZE   16
#define ECIES_OVERHEAD   (PUBLIC_KEY_SIZE + ECIES_NONCE_SIZE + ECIES_TAG_SIZE) /* 97 */

/* Packets under one derived key; then the sender makes a new ephemeral key. */
#define ECIES_SENDER_MAX (1u << 20)

struct ecies_sender;
struct ecies_receiver;

/* A sender to one receiver's key. -EBADMSG: not a key. The ephemeral key is made here. */
int ecies_sender_new(const uint8_t to[static PUBLIC_KEY_SIZE], struct ecies_sender **ret) must_use;
struct ecies_sender *ecies_sender_free(struct ecies_sender *s);

/* Seals len > 0 bytes into ret, len + ECIES_OVERHEAD bytes. -EINVAL: len is 0. */
int ecies_seal(struct ecies_sender *s, const void *plain, size_t len, uint8_t *ret) must_use;

/* self must outlive the receiver. */
int ecies_receiver_new(const struct identity *self, struct ecies_receiver **ret) must_use;
struct ecies_receiver *ecies_receiver_free(struct ecies_receiver *r);

/* Opens len bytes into ret, len - ECIES_OVERHEAD bytes. -EBADMSG: too short, empty, no key in form
 * 04, or the tag doesn't fit; nothing is written then but zeros. */
int ecies_open(struct ecies_receiver *r, const uint8_t *sealed, size_t len, uint8_t *ret) must_use;

/* The derived key itself, for test vectors: HKDF-SHA256(sender public || shared point). */
int ecies_derive(const struct identity *self, const uint8_t peer[static PUBLIC_KEY_SIZE],
	const uint8_t ephemeral[static PUBLIC_KEY_SIZE], uint8_t ret[static 32]) must_use;

#endif
