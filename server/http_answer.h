/* SPDX-License-Identifier: MIT */
/* The writing of HTTP/1.1 answers into a buffer. */
#ifndef MUSTER_HTTP_ANSWER_H
#define MUSTER_HTTP_ANSWER_H

#include <stdbool.h>

#include "lib/buffer.h"

/* Appends a head. content_type: or NULL. length: of the body that is to follow, in bytes. headers:
 * NULL, or lines that each end with CR LF. As buffer_append(). */
int http_answer_head(struct buffer *out, int status, const char *content_type, uint64_t length,
	bool keep_alive, const char *headers) must_use;

/* Appends a whole answer of application/problem+json (RFC 9457): title from the status, a stable
 * code ("not-found") and a sentence. */
int http_answer_problem(struct buffer *out, int status, const char *code, const char *detail,
	bool keep_alive, const char *headers) must_use;

/* Cuts off the body of the answer that starts at that offset: HEAD's answer is GET's without it. */
void http_answer_cut_body(struct buffer *out, size_t start);

/* Of the answer that the buffer starts with: whether its head has that field, as it is written here;
 * and further lines into it, each with CR LF, before the others. -EBADMSG: that is no whole head. */
bool http_answer_has(const struct buffer *out, const char *field);
int http_answer_insert(struct buffer *out, const char *lines) must_use;

/* "OK"; "Unknown" for one that muster doesn't give. */
const char *http_status_text(int status);

#endif
