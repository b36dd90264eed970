/* SPDX-License-Identifier: MIT */
/*
 * Bounded reading and writing of the wire's fields. The first failure sticks: every later step does
 * nothing and gives zeros, and read_end() or write_end() tells. Integers are big-endian. A string
 * is its length in one byte (read_text) or two (read_text2), then that many bytes of printable
 * UTF-8 (text_printable() in lib/text.h).
 */
#ifndef MUSTER_CURSOR_H
#define MUSTER_CURSOR_H

#include <stdbool.h>

#include "base.h"

struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

struct reader reader_over(const void *data, size_t len);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
void read_bytes(struct reader *r, void *ret, size_t len); /* zeros on failure */
/* A view of len bytes inside the input, or NULL. */
const uint8_t *read_view(struct reader *r, size_t len);
/* A string of at most size - 1 bytes, NUL-terminated in ret, the rest of which is zeros. Longer, or
 * not text_printable(): failed. */
void read_text(struct reader *r, char *ret, size_t size);
void read_text2(struct reader *r, char *ret, size_t size);
/* 0, or -EBADMSG if a step failed or a byte is left over. */
int read_end(const struct reader *r) must_use;

struct writer {
	uint8_t *start;
	size_t used;
	size_t size;
	bool failed;
};

struct writer writer_over(void *data, size_t size);
void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, const void *data, size_t len);
/* At most 255 and 65535 bytes; longer, or not text_printable(): failed. */
void write_text(struct writer *w, const char *text);
void write_text2(struct writer *w, const char *text);
/* The bytes written, or -EMSGSIZE if a step failed. */
ssize_t write_end(const struct writer *w) must_use;

#endif
