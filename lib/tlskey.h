/* SPDX-License-Identifier: MIT */
/* TLS keys and the minimal self-signed certificates around them; what counts is the key, by its
 * pin. */
#ifndef MUSTER_TLSKEY_H
#define MUSTER_TLSKEY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "pin.h"

enum tlskey_kind { TLSKEY_P256, TLSKEY_ED25519 };

struct tlskey {
	EVP_PKEY *key;
	X509 *certificate; /* X.509 v3, valid from 1970 to 9999: muster judges keys, not dates (RFC
			      5280, 4.1.2.5) */
	uint8_t pin[PIN_SIZE];
};

int tlskey_generate(enum tlskey_kind kind, const char *common_name, struct tlskey *ret) must_use;

/* PEM: PKCS#8 key, then certificate. load: as file_read_secret(), -EBADMSG if they don't belong
 * together. */
int tlskey_load(const char *path, struct tlskey *ret) must_use;
int tlskey_save(const struct tlskey *k, const char *path) must_use; /* mode 0600, -EEXIST */

/* The PEM text for libcurl's blobs, in secret_alloc() memory, NUL-terminated. */
int tlskey_pem(const struct tlskey *k, char **ret_key, char **ret_certificate) must_use;

void tlskey_clear(struct tlskey *k);

#endif
