/* SPDX-License-Identifier: MIT */
/*
 * The header fields that somebody reads: which there are, and where in the text of a request each
 * has its value. None of them may come twice, for two readers may go by different ones of them; but
 * those that are lists are joined (RFC 9110, 5.3).
 */
#ifndef MUSTER_HTTP_FIELDS_H
#define MUSTER_HTTP_FIELDS_H

#include "http_request.h"
#include "lib/buffer.h"

#define HTTP_FIELDS_MAX 64 /* lines in a request, also of fields that nobody reads */

enum http_field {
	HTTP_FIELD_HOST,
	HTTP_FIELD_IF_NONE_MATCH,
	HTTP_FIELD_RANGE,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_ACCEPT,
	HTTP_FIELD_IF_MATCH,
	HTTP_FIELD_IF_RANGE,
	HTTP_FIELD_ORIGIN,
	HTTP_FIELD_COOKIE,
	HTTP_FIELD_AUTHORIZATION,
	HTTP_FIELD_IDEMPOTENCY_KEY,
	HTTP_FIELD_LAST_EVENT_ID,
	HTTP_FIELD_CSRF,
	HTTP_FIELD_SEC_FETCH_SITE,
	HTTP_FIELD_X_FORWARDED_FOR,
	HTTP_FIELD_X_FORWARDED_PROTO,
	HTTP_FIELD_X_FORWARDED_HOST,
	HTTP_FIELD_FORWARDED,
	HTTP_FIELD_WATCHED, /* its name is struct http_fields' */
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_COUNT
};

/* Of one request; all zero: none yet. */
struct http_fields {
	const char *watched; /* one more name to look for, or NULL; not owned */
	unsigned lines;
	size_t at
		[HTTP_FIELD_COUNT]; /* offsets into the text, where nothing starts at 0; 0: absent */
};

/* A token (RFC 9110, 5.6.2). llhttp takes a blank before the colon for a part of the name. */
bool http_field_name_ok(const char *name);

/* Takes one field line, whose name and value are at these offsets of the text, each with a NUL
 * behind it. A list's joined value is appended to the text. 0, or the HTTP status to refuse the
 * request with: 400, 431. */
int http_fields_take(struct http_fields *f, struct buffer *text, size_t name, size_t value)
	must_use;

/* The value, or NULL. */
const char *http_fields_value(
	const struct http_fields *f, const struct buffer *text, enum http_field field);

/* Sets the request's pointers into the text. */
void http_fields_point(
	const struct http_fields *f, const struct buffer *text, struct http_request *r);

/* Whether muster, a proxy or a browser means something by a field of that name already. */
bool http_field_taken(const char *name);

#endif
