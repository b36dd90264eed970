/* SPDX-License-Identifier: MIT */
/*
 * The lines of a request's head, byte by byte. llhttp forgives what somebody in front of it may have
 * read in another way (RFC 9112, 2.2 and 11.2), so this comes first: lines end with CR LF and nothing
 * else, hold no control characters but tabs, and don't start with a blank (obs-fold); the first isn't
 * empty, has single blanks and no byte beyond ASCII, and ends with HTTP/ and a version.
 */
#ifndef MUSTER_HTTP_LINES_H
#define MUSTER_HTTP_LINES_H

#include "lib/base.h"

/* All zero: before the first byte. */
struct http_lines {
	char last;    /* byte */
	size_t len;   /* of the line under way */
	size_t whole; /* lines that have ended */
	char tail[8]; /* the first line's last bytes: the protocol and version */
};

/* Takes what belongs to the head, up to and with the empty line at its end: *ret_used bytes.
 * -EBADMSG: one of them is not in order. */
int http_lines_check(struct http_lines *l, const char *data, size_t len, size_t *ret_used) must_use;

#endif
