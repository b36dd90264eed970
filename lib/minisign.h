/* SPDX-License-Identifier: MIT */
/*
 * Signatures in minisign's formats (https://jedisct1.github.io/minisign/): Ed25519 over BLAKE2b-512
 * of the data ("ED"; the legacy form "Ed" is refused), a trusted comment under a second signature.
 * Keys without a password only (minisign -W): `minisign -S` can use a key file saved here and
 * `minisign -V` accepts what is signed here. muster-protocol(7), "Signature files".
 */
#ifndef MUSTER_MINISIGN_H
#define MUSTER_MINISIGN_H

#include "base.h"

#define MINISIGN_PUBLIC_TEXT_SIZE 57 /* 56 base64 characters, with the NUL */
#define MINISIGN_FILE_MAX         4096

struct minisign_key; /* a secret key, in secret_alloc() memory */

struct minisign_public {
	uint8_t id[8];
	uint8_t key[32];
};

int minisign_generate(struct minisign_key **ret) must_use;
/* -EPERM: others may read it; -EBADMSG: not a key; -ENOTSUP: it has a password. */
int minisign_load(const char *path, struct minisign_key **ret) must_use;
int minisign_save(const struct minisign_key *k, const char *path) must_use; /* mode 0600, -EEXIST */
struct minisign_key *minisign_free(struct minisign_key *k);
void minisign_freep(struct minisign_key **k);

void minisign_public(const struct minisign_key *k, struct minisign_public *ret);
int minisign_public_parse(const char *text, struct minisign_public *ret) must_use; /* -EINVAL */
void minisign_public_format(
	const struct minisign_public *p, char ret[static MINISIGN_PUBLIC_TEXT_SIZE]);
/* The text of a public key file, as `minisign -p` reads it. Caller frees. */
char *minisign_public_file(const struct minisign_public *p) must_use;

/* The text of a signature file over data; the trusted comment is one printable line of at most 1024
 * bytes (tabs allowed), else -EINVAL. Caller frees. */
int minisign_sign(const struct minisign_key *k, const void *data, size_t len,
	const char *trusted_comment, char **ret) must_use;

/* 0 if the signature file's text is a valid signature of data by that key.
 * -EBADMSG: not a signature file; -ENOKEY: by another key; -EKEYREJECTED: wrong. */
int minisign_verify(const struct minisign_public *p, const void *data, size_t len,
	const char *signature, size_t signature_len) must_use;

#endif
