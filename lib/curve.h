/* SPDX-License-Identifier: MIT */
/*
 * What identity and ecies need of libsecp256k1: one context, blinded once, and points in the one
 * form that the wire knows. Inside lib/ only.
 */
#ifndef MUSTER_CURVE_H
#define MUSTER_CURVE_H

#include <secp256k1.h>

#include "lib/identity.h"

#define SECRET_KEY_SIZE 32

const secp256k1_context *curve_context(void);

/* A point of the curve from 04 || X || Y. libsecp256k1 would take the hybrid forms 06 and 07 too;
 * they are refused here. -EBADMSG. */
int curve_parse(const uint8_t key[static PUBLIC_KEY_SIZE], secp256k1_pubkey *ret) must_use;

/* secret * G as 04 || X || Y. -EBADMSG: the secret is zero or not below the group's order. */
int curve_public(const uint8_t secret[static SECRET_KEY_SIZE], uint8_t ret[static PUBLIC_KEY_SIZE])
	must_use;

/* A new secret key and its public one. */
int curve_generate(uint8_t ret_secret[static SECRET_KEY_SIZE],
	uint8_t ret_public[static PUBLIC_KEY_SIZE]) must_use;

/* The whole shared point, 04 || X || Y. -EBADMSG: peer is no key. */
int curve_share(const uint8_t secret[static SECRET_KEY_SIZE],
	const uint8_t peer[static PUBLIC_KEY_SIZE], uint8_t ret[static PUBLIC_KEY_SIZE]) must_use;

#endif
