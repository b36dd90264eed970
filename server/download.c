/* SPDX-License-Identifier: MIT */
#include "download.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "etag.h"
#include "http_answer.h"
#include "lib/text.h"
#include "stream.h"

#define ETAG_SIZE 67 /* 64 hex digits in quotes, with the NUL */

/* Digits up to the end; more than fit in 18 digits is further than any file reaches. */
static int read_position(const char *text, size_t len, uint64_t *ret)
{
	char digits[19];

	if (len == 0 || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return text_number(digits, 0, UINT64_MAX, ret) < 0 ? -EINVAL : 0;
}

int range_parse(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t from = 0, last = UINT64_MAX;

	if (strncasecmp(text, "bytes=", 6) != 0)
		return -EINVAL;
	text += 6;
	const char *dash = strchr(text, '-');
	if (dash == NULL)
		return -EINVAL;
	size_t before = (size_t)(dash - text), after = strlen(dash + 1);
	if (before > 0 && read_position(text, before, &from) < 0)
		return -EINVAL;
	if (after > 0 && read_position(dash + 1, after, &last) < 0)
		return -EINVAL;
	if (before == 0) { /* the last so many bytes */
		if (after == 0)
			return -EINVAL;
		if (last == 0 || size == 0)
			return -ERANGE;
		*ret_from = last < size ? size - last : 0;
		*ret_to = size;
		return 0;
	}
	if (last < from)
		return -EINVAL;
	if (from >= size)
		return -ERANGE;
	*ret_from = from;
	*ret_to = last < size ? last + 1 : size;
	return 0;
}

static void etag_of(const uint8_t sha256[static 32], char ret[static ETAG_SIZE])
{
	ret[0] = '"';
	sodium_bin2hex(ret + 1, ETAG_SIZE - 1, sha256, 32);
	strcpy(ret + 65, "\"");
}

/* The part that is asked for and may be given: a Range, unless If-Range names other bytes. */
static int wanted_part(const struct http_request *r, const char *etag, uint64_t size,
	uint64_t *ret_from, uint64_t *ret_to)
{
	if (r->method != HTTP_METHOD_GET || r->range == NULL ||
		(r->if_range != NULL && strcmp(r->if_range, etag) != 0))
		return -EINVAL;
	return range_parse(r->range, size, ret_from, ret_to);
}

static int append_body(const struct download_body *body, uint64_t from, uint64_t to,
	struct buffer *out, struct download *d)
{
	if (body->file == NULL)
		return buffer_append(out, (const char *)body->data + from, (size_t)(to - from));
	if (from < to) {
		d->file = release_file_use(body->file);
		d->at = from;
		d->end = to;
	}
	return 0;
}

int download_answer(const struct http_request *r, const struct download_body *body, bool keep_alive,
	struct buffer *out, struct download *d)
{
	char etag[ETAG_SIZE], headers[256];
	uint64_t from = 0, to = body->size;
	int status = 200;

	etag_of(body->sha256, etag);
	int used = snprintf(headers, sizeof(headers),
		"ETag: %s\r\nCache-Control: no-cache\r\nAccept-Ranges: bytes\r\n", etag);
	if (r->if_none_match != NULL && etag_listed(r->if_none_match, etag, ETAG_WEAK))
		return http_answer_head(out, 304, NULL, body->size, keep_alive, headers);
	int error = wanted_part(r, etag, body->size, &from, &to);
	if (error == -ERANGE) {
		snprintf(headers + used, sizeof(headers) - (size_t)used,
			"Content-Range: bytes */%" PRIu64 "\r\n", body->size);
		return http_answer_problem(
			out, 416, "range", "The file has no such bytes.", keep_alive, headers);
	}
	if (error == 0) {
		status = 206;
		snprintf(headers + used, sizeof(headers) - (size_t)used,
			"Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", from,
			to - 1, body->size);
	}
	error = http_answer_head(out, status, body->content_type, to - from, keep_alive, headers);
	if (error < 0 || r->method == HTTP_METHOD_HEAD)
		return error;
	return append_body(body, from, to, out, d);
}

int download_slice(struct download *d, struct buffer *out)
{
	uint64_t left = d->end - d->at;
	size_t part = left < STREAM_SLICE ? (size_t)left : STREAM_SLICE;
	uint8_t *room = buffer_reserve(out, part);

	if (room == NULL)
		return -ENOMEM;
	ssize_t n = pread(d->file->fd, room, part, (off_t)d->at);
	if (n <= 0)
		return -EIO;
	buffer_grew(out, (size_t)n);
	d->at += (uint64_t)n;
	if (d->at < d->end)
		return 1;
	download_end(d);
	return 0;
}

void download_end(struct download *d)
{
	release_file_done(d->file);
	*d = (struct download){};
}
