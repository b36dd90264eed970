/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 request as those see it who answer it. Whoever made it (http_parser.h) has checked
 * its form; what the texts say is for the reader to judge.
 */
#ifndef MUSTER_HTTP_REQUEST_H
#define MUSTER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum http_method {
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_PUT,
	HTTP_METHOD_PATCH,
	HTTP_METHOD_OTHER
};

/* The texts are the parser's. Those of header fields are NULL where the field is absent. */
struct http_request {
	enum http_method method;
	const char *path;  /* decoded nowhere, without the query; starts with '/' */
	const char *query; /* after '?', "" if none */
	const char *host;
	const char *if_none_match, *range, *content_type, *upgrade;
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

#endif
