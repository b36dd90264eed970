/* SPDX-License-Identifier: MIT */
/*
 * The manifest of a release (muster-protocol(7), "Manifest"): what to install, by size and SHA-256.
 * Plain text, one field a line, in this order, signed beside it by the release key:
 *
 *	muster-manifest 1
 *	serial 3
 *	version 0.1.0
 *	issued 1795305600
 *	file linux/x86_64/muster-agent 3145728 SHA-256-IN-HEX
 *
 * A manifest whose serial is below one already seen is an old one and refused.
 */
#ifndef MUSTER_MANIFEST_H
#define MUSTER_MANIFEST_H

#include <stdbool.h>

#include "buffer.h"

#define MANIFEST_MAX       16384 /* bytes */
#define MANIFEST_FILES_MAX 32

/* Paths are of a-z A-Z 0-9 . _ - in parts between slashes; no part is "." or "..". */
#define MANIFEST_PATH_SIZE 64

#define VERSION_SIZE        33
#define RELEASE_DIGEST_SIZE 32 /* SHA-256 */

struct manifest_file {
	char path[MANIFEST_PATH_SIZE];
	uint64_t size;
	uint8_t sha256[32];
};

struct manifest {
	uint64_t serial;
	uint64_t issued; /* seconds since 1970 */
	char version[VERSION_SIZE];
	size_t count;
	struct manifest_file files[MANIFEST_FILES_MAX];
};

/* -EBADMSG: not a manifest; -EPROTONOSUPPORT: of another format version. Call only with verified
 * text. */
int manifest_parse(const char *text, size_t len, struct manifest *ret) must_use;

/* Appends the text. -EINVAL: it would not parse; out is as before then, as on any error. */
int manifest_print(const struct manifest *m, struct buffer *out) must_use;
const struct manifest_file *manifest_find(
	const struct manifest *m, const char *path); /* NULL: not in it */

/* The name of the release, whatever serial it has here or there: SHA-256 of the text without the
 * lines "muster-manifest", "serial" and "issued". Errors as of manifest_print(). */
int manifest_digest(const struct manifest *m, uint8_t ret[static RELEASE_DIGEST_SIZE]) must_use;

/* 1 to 32 of A-Z a-z 0-9 . + ~ - */
bool manifest_version_ok(const char *version);

#endif
