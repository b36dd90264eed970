/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes with a bound. All zero is an empty buffer, which holds no memory; a buffer
 * that becomes empty by buffer_consume() gives its memory back, so an idle connection costs
 * nothing.
 */
#ifndef MUSTER_BUFFER_H
#define MUSTER_BUFFER_H

#include "base.h"

struct buffer {
	uint8_t *data; /* owned */
	size_t len;
	size_t capacity;
	size_t limit; /* most bytes it may hold; 0: BUFFER_LIMIT */
};

#define BUFFER_LIMIT (2u << 20)

/* Room for at least len more bytes at the end, to be written and then counted by buffer_grew().
 * NULL: the limit or memory doesn't allow it; the buffer is as before. */
uint8_t *buffer_reserve(struct buffer *b, size_t len) must_use;
void buffer_grew(struct buffer *b, size_t len);

/* Appends. -EMSGSIZE: beyond the limit; -ENOMEM; the buffer is as before then. */
int buffer_append(struct buffer *b, const void *data, size_t len) must_use;
int buffer_printf(struct buffer *b, const char *format, ...) must_use printf_like(2);

/* Drops len bytes (at most b->len) from the front. */
void buffer_consume(struct buffer *b, size_t len);

/* Wipes and frees what it holds; the limit stays. */
void buffer_clear(struct buffer *b);

#endif
