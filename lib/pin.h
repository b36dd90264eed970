/* SPDX-License-Identifier: MIT */
/* Pins: SHA-256 of a TLS key's SubjectPublicKeyInfo (SPKI, RFC 7469 section 2.4), as curl and wget
 * take them. */
#ifndef MUSTER_PIN_H
#define MUSTER_PIN_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "base.h"

#define PIN_SIZE      32
#define PIN_TEXT_SIZE 53 /* "sha256//" and 44 base64 characters, with the NUL */
#define PINS_MAX      8

#define PINS_TEXT_SIZE (PINS_MAX * PIN_TEXT_SIZE)

int pin_of_certificate(X509 *certificate, uint8_t ret[static PIN_SIZE]) must_use;
int pin_of_key(EVP_PKEY *key, uint8_t ret[static PIN_SIZE]) must_use;

/* -EINVAL: not "sha256//" and the base64 of 32 bytes. */
int pin_parse(const char *text, uint8_t ret[static PIN_SIZE]) must_use;
void pin_format(const uint8_t pin[static PIN_SIZE], char ret[static PIN_TEXT_SIZE]);

/* The pins of one server, any of which its key may have. All zero: none. */
struct pins {
	size_t count;
	uint8_t at[PINS_MAX][PIN_SIZE];
};

/* Adds those of "PIN;PIN". -EINVAL: one is malformed, they are more than PINS_MAX, or there is none
 * yet; *p may have some of them then. */
int pins_add(struct pins *p, const char *text) must_use;
void pins_format(const struct pins *p, char ret[static PINS_TEXT_SIZE]); /* "PIN;PIN" */
/* Against all of them, without telling by the time which it is. */
bool pins_fit(const struct pins *p, X509 *certificate);

#endif
