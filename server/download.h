/* SPDX-License-Identifier: MIT */
/*
 * Answers with a body that may be asked for in part (RFC 9110, sections 8.8.3, 13 and 14): strong
 * ETags from the SHA-256, If-None-Match, a single Range, If-Range. Files go out slice by slice.
 */
#ifndef MUSTER_DOWNLOAD_H
#define MUSTER_DOWNLOAD_H

#include "http_request.h"
#include "lib/buffer.h"
#include "release.h"

/* A file's bytes on their way; all zero: none. */
struct download {
	struct release_file *file;
	uint64_t at, end;
};

struct download_body {
	const char *content_type;
	const uint8_t *sha256;
	uint64_t size;
	struct release_file *file; /* or NULL and: */
	const void *data;
};

/* Writes the answer's head, and data's bytes; for a file *d is set to what is still to be sent. */
int download_answer(const struct http_request *r, const struct download_body *body, bool keep_alive,
	struct buffer *out, struct download *d) must_use;

/* Appends the next slice to out. 1: there are more; 0: that was all, *d is over. -EIO: the file
 * has become shorter. */
int download_slice(struct download *d, struct buffer *out) must_use;
void download_end(struct download *d);

/* One range of a body of that size. 0: *ret_from and *ret_to (exclusive); -ERANGE: lies outside;
 * -EINVAL: something else that is to be ignored. */
int range_parse(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_to) must_use;

#endif
