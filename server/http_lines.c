/* SPDX-License-Identifier: MIT */
#include "http_lines.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool byte_ok(const struct http_lines *l, char c)
{
	bool first = l->whole == 0;
	bool blank = c == ' ' || c == '\t';

	if ((l->last == '\r') != (c == '\n'))
		return false;
	if (blank && (l->len == 0 || (first && l->last == ' ')))
		return false;
	if (first && ((c == '\n' && l->len == 0) || (c & 0x80) != 0))
		return false;
	return !iscntrl((unsigned char)c) || c == '\r' || c == '\n' || c == '\t';
}

static void keep_tail(struct http_lines *l, char c)
{
	memmove(l->tail, l->tail + 1, sizeof(l->tail) - 1);
	l->tail[sizeof(l->tail) - 1] = c;
}

static int end_line(struct http_lines *l)
{
	/* llhttp speaks other protocols too. */
	if (l->whole == 0 && memcmp(l->tail, "HTTP/", 5) != 0)
		return -EBADMSG;
	l->len = 0;
	l->whole++;
	return 0;
}

int http_lines_check(struct http_lines *l, const char *data, size_t len, size_t *ret_used)
{
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (!byte_ok(l, c))
			return -EBADMSG;
		l->last = c;
		if (c == '\n') {
			if (l->len == 0) {
				*ret_used = i + 1;
				return 0;
			}
			if (end_line(l) < 0)
				return -EBADMSG;
		} else if (c != '\r') {
			l->len++;
			if (l->whole == 0)
				keep_tail(l, c);
		}
	}
	*ret_used = len;
	return 0;
}
