/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 requests by llhttp (strict), for both the client port and the control socket: bytes in,
 * one request at a time out; and the writing of answers. It knows no sockets. Limits: request line
 * and headers 8 KiB together, 64 headers, body as the user sets (0: none allowed). Anything beyond,
 * Transfer-Encoding together with Content-Length, two Content-Lengths, obs-fold, a missing or
 * second Host: refused with a status, then closed.
 */
#ifndef MUSTER_HTTP_H
#define MUSTER_HTTP_H

#include <stdbool.h>

#include "lib/buffer.h"

enum http_method {
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_PUT,
	HTTP_METHOD_PATCH,
	HTTP_METHOD_OTHER
};

struct http_request {
	enum http_method method;
	const char *path;  /* decoded nowhere, without the query; starts with '/' */
	const char *query; /* after '?', "" if none */
	const char *host;
	const char *if_none_match, *range, *content_type, *upgrade; /* NULL: absent */
	const char *accept, *if_match, *if_range, *origin, *cookie, *authorization,
		*idempotency_key, *last_event_id;
	const char *csrf, *sec_fetch_site;
	/* Lists: those given several times are joined by commas, in their order. */
	const char *x_forwarded_for, *x_forwarded_proto, *x_forwarded_host, *forwarded;
	const char *watched; /* http_parser_watch() */
	const char *body;    /* NUL after its end */
	size_t body_len;
	bool keep_alive;
	bool upgrades; /* Connection: upgrade with an Upgrade header */
};

struct http_parser;

int http_parser_new(size_t body_limit, struct http_parser **ret) must_use;
struct http_parser *http_parser_free(struct http_parser *p);

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
const struct http_request *http_parser_request(
	const struct http_parser *p); /* valid until next() or free() */
void http_parser_next(struct http_parser *p);

/* Answers. headers: NULL or lines that each end with CR LF. length: of the body that follows. */
int http_answer_head(struct buffer *out, int status, const char *content_type, uint64_t length,
	bool keep_alive, const char *headers) must_use;
/* A whole answer of application/problem+json: title from the status, a stable code ("not-found")
 * and a sentence. */
int http_answer_problem(struct buffer *out, int status, const char *code, const char *detail,
	bool keep_alive, const char *headers) must_use;
const char *http_status_text(int status);

/* Whether the parser or a browser means something by that header already. */
bool http_header_known(const char *name);

#endif
