/* SPDX-License-Identifier: MIT */
/*
 * The release that this server offers: the machines' programs below the Clients= folder, and the
 * signed manifest of them (state folder, files manifest and manifest.minisig). Each file is opened
 * and hashed once, and served from that descriptor: replacing a file changes nothing until a
 * reload.
 */
#ifndef MUSTER_RELEASE_H
#define MUSTER_RELEASE_H

#include "config.h"
#include "keys.h"
#include "lib/manifest.h"

struct release_file {
	char path[MANIFEST_PATH_SIZE]; /* "linux/x86_64/muster-enrol" */
	int fd;
	uint64_t size;
	uint8_t sha256[32];
	unsigned users; /* the release and each download under way */
};

struct release {
	struct manifest manifest; /* serial 0: none */
	char *manifest_text;      /* NULL: nothing is offered */
	size_t manifest_len;
	uint8_t manifest_sha256[32];
	uint8_t digest[RELEASE_DIGEST_SIZE]; /* its name: manifest_digest() */
	char *signature;
	size_t signature_len;
	uint8_t signature_sha256[32];
	size_t count;
	struct release_file *files[MANIFEST_FILES_MAX]; /* those in the manifest */
};

/*
 * With the release key: makes the next manifest (serial one higher) and signs it if the files
 * differ from the present one. Without: the manifest must be there and verify; a file that doesn't
 * match it is not offered. Failures are logged; *ret is as before then.
 */
int release_load(const struct config *config, const struct keys *keys, uint64_t now,
	struct release *ret) must_use;
void release_clear(struct release *r);

/* NULL: not offered. */
struct release_file *release_find(const struct release *r, const char *path);

/* The file stays open until its last user has gone. */
struct release_file *release_file_use(struct release_file *f);
struct release_file *release_file_done(struct release_file *f); /* returns NULL */

#endif
