/* SPDX-License-Identifier: MIT */
/*
 * The request that turns an HTTPS connection into a channel, and the server's answer to it
 * (muster-protocol(7), "Channel"; RFC 9110 section 7.8, RFC 9457). Strict and bounded: what is not
 * exactly such an answer is refused, never repaired.
 */
#ifndef MUSTER_UPGRADE_H
#define MUSTER_UPGRADE_H

#include <stdbool.h>

#include "buffer.h"

#define UPGRADE_HEAD_MAX 4096 /* status line and headers, bytes */
#define UPGRADE_BODY_MAX 4096 /* of a refusal; of a longer one only the status is told */

struct upgrade_answer {
	unsigned status;  /* 101: the channel stands; otherwise a refusal, 200..599 */
	size_t len;       /* of the answer; what follows it belongs to the channel */
	char code[32];    /* of a refusal's problem+json, or empty */
	char detail[192]; /* the same, for people; printable ASCII */
};

/* Appends the request to out. -EMSGSIZE, -ENOMEM. */
int upgrade_request(const char *server, struct buffer *out) must_use;

/* Looks at all that has come so far; closed: nothing more will. 1: *ret is the answer; 0: more
 * bytes are needed; -EBADMSG: that is no answer of a muster server; -EMSGSIZE: the head is too
 * long. */
int upgrade_answer(const void *data, size_t len, bool closed, struct upgrade_answer *ret) must_use;

#endif
