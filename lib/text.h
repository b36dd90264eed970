/* SPDX-License-Identifier: MIT */
/* Text from elsewhere, before a person or a terminal sees it. */
#ifndef MUSTER_TEXT_H
#define MUSTER_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "base.h"

/* Valid UTF-8 of len bytes without control characters (C0, DEL, C1), line and paragraph separators,
 * or format characters: what is not seen itself but turns, joins or hides what is beside it. */
bool text_printable(const char *text, size_t len);

/* Valid UTF-8 of len bytes without NUL; every other character may be in it. */
bool text_utf8(const char *text, size_t len);

/* A copy in which everything that text_printable() refuses is written as \xNN; for a person's
 * terminal or a log. Caller frees. NULL: no memory. */
char *text_escape(const char *text, size_t len) must_use;
/* The same with what vprintf(3) would print. */
char *text_vescape(const char *format, va_list values) must_use
	__attribute__((format(printf, 1, 0)));

/* "90s", "15m", "24h", "7d", "2w" or plain seconds. -EINVAL: none of these, or more than 100 years.
 */
int text_duration(const char *text, uint64_t *ret_seconds) must_use;

/* "65536", "64K", "16M", "2G" (of 1024): bytes, from min to max. -EINVAL, -ERANGE. */
int text_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret) must_use;

/* A decimal number without sign or blanks, from min to max. -EINVAL, -ERANGE. */
int text_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret) must_use;

/* Exactly size bytes from the base64 in text (RFC 4648, section 4): padded, canonical, nothing
 * else around. -EINVAL; ret may be written then. */
int text_base64(const char *text, void *ret, size_t size) must_use;

#endif
