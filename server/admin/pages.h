/* SPDX-License-Identifier: MIT */
/*
 * The dashboard's files, as they lie in server/dashboard/, inside of the program. They hold no
 * data and need no login: what they show they ask the API for.
 *
 *   /assets/NAME   that file
 *   any other      index.html, from which the browser makes the page of that path: with 200 if the
 *                  path's first part is one of the dashboard's pages, else with 404
 *
 * Paths are compared letter by letter; nothing is decoded.
 */
#ifndef MUSTER_PAGES_H
#define MUSTER_PAGES_H

#include "../http_request.h"
#include "lib/buffer.h"

/* Made by the Makefile. */
struct pages_file {
	const char *name;
	const char *etag; /* of the bytes' SHA-256, in quotes */
	const unsigned char *data;
	size_t len;
};

extern const struct pages_file pages_files[];
extern const size_t pages_files_count;

/* Writes the whole answer to any request that is not the API's: GET and HEAD with If-None-Match;
 * 405 for other methods. headers: NULL or lines that each end with CR LF, for every answer. */
int pages_answer(const struct http_request *q, const char *headers, struct buffer *out) must_use;

#endif
