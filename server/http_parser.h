/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 requests by llhttp (strict), for the client port, the dashboard and the control socket:
 * bytes in, one request at a time out. It knows no sockets. Limits: request line and headers 8 KiB
 * together, HTTP_FIELDS_MAX headers, body as the user sets (0: none allowed). Anything beyond,
 * Transfer-Encoding, two Content-Lengths, obs-fold, a missing or second Host: refused with a
 * status, then closed.
 */
#ifndef MUSTER_HTTP_PARSER_H
#define MUSTER_HTTP_PARSER_H

#include "http_request.h"
#include "lib/base.h"

struct http_parser;

/* body_limit: bytes. -ENOMEM. */
int http_parser_new(size_t body_limit, struct http_parser **ret) must_use;
struct http_parser *http_parser_free(struct http_parser *p); /* takes NULL, returns NULL */

/* One more header whose value is kept; it may not come twice either. name: valid as long as the
 * parser is; NULL: none. */
void http_parser_watch(struct http_parser *p, const char *name);

/* Called when a request's head is there, before its body: returns the most that the body may have,
 * the limit of http_parser_new() at most. The texts are valid during the call only. */
void http_parser_on_head(struct http_parser *p,
	size_t (*limit)(void *userdata, const struct http_request *head), void *userdata);

/* Feeds bytes. *ret_used of them were taken. 1: a whole request is at http_parser_request(), and
 * nothing more is taken until http_parser_next(); 0: more bytes are needed; a negative HTTP status
 * (-400, -413, -431, -414, -501, -505, ...): answer with that and close. */
int http_parser_feed(struct http_parser *p, const void *data, size_t len, size_t *ret_used)
	must_use;

/* After 0, once: whoever asks waits for "100 Continue" before the body is sent (RFC 9110, 10.1.1). */
bool http_parser_expects(struct http_parser *p);

/* Its texts are valid until next() or free(). */
const struct http_request *http_parser_request(const struct http_parser *p);
void http_parser_next(struct http_parser *p);

#endif
