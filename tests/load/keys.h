/* SPDX-License-Identifier: MIT */
/*
 * The keys of simulated agents, made once and kept in a file, so that their making is not measured.
 * The file is an array of struct member and is mapped shared: what one process of the swarm learns
 * at its enrolment, a later run knows.
 */
#ifndef MUSTER_LOAD_KEYS_H
#define MUSTER_LOAD_KEYS_H

#include "lib/identity.h"
#include "lib/tlskey.h"

struct member {
	uint8_t secret[32]; /* identity */
	uint8_t public_key[PUBLIC_KEY_SIZE];
	uint8_t client_id[CLIENT_ID_SIZE]; /* zero before enrolment */
	uint8_t pin[PIN_SIZE];             /* of the TLS key */
	uint16_t key_len, certificate_len;
	uint8_t key[64]; /* DER */
	uint8_t certificate[512];
};

/* Writes count members to a new file, unless there is one with as many. */
int keys_make(const char *path, size_t count) must_use;

/* -ERANGE: the file has fewer than count members. They stay mapped until the process ends. */
int keys_map(const char *path, size_t count, struct member **ret) must_use;

int member_tls(const struct member *m, struct tlskey *ret) must_use;

/* identity.key and tls.pem in a folder, as muster-agent has them. */
int member_save(const struct member *m, const char *folder) must_use;

#endif
