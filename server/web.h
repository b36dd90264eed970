/* SPDX-License-Identifier: MIT */
/*
 * The client port's HTTP: one table of routes. Paths are compared as they are, nothing is decoded:
 * whatever is not in the table, letter by letter, is 404. A connection is served request after
 * request until one of them turns it into a channel (channel.h).
 */
#ifndef MUSTER_WEB_H
#define MUSTER_WEB_H

#include "download.h"
#include "http_parser.h"
#include "stream.h"

struct web {
	struct stream *stream;
	struct http_parser *parser;
	struct buffer in; /* has come, but belongs to a later request */
	struct download download;
	bool keep_alive; /* of the request under way */
};

/* From the end of the TLS handshake on. */
int web_start(struct stream *s) must_use;

#endif
