/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/text.h"

struct reader reader_over(const void *data, size_t len)
{
	return (struct reader){ .at = data, .left = len };
}

const uint8_t *read_view(struct reader *r, size_t len)
{
	const uint8_t *view = r->at;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	if (len > 0)
		r->at += len;
	r->left -= len;
	return view;
}

static uint64_t read_integer(struct reader *r, size_t size)
{
	const uint8_t *at = read_view(r, size);
	uint64_t value = 0;

	for (size_t i = 0; at && i < size; i++)
		value = value << 8 | at[i];
	return value;
}

uint8_t read_u8(struct reader *r)
{
	return (uint8_t)read_integer(r, 1);
}

uint16_t read_u16(struct reader *r)
{
	return (uint16_t)read_integer(r, 2);
}

uint32_t read_u32(struct reader *r)
{
	return (uint32_t)read_integer(r, 4);
}

uint64_t read_u64(struct reader *r)
{
	return read_integer(r, 8);
}

void read_bytes(struct reader *r, void *ret, size_t len)
{
	const uint8_t *at = read_view(r, len);

	if (len == 0)
		return;
	if (at)
		memcpy(ret, at, len);
	else
		memset(ret, 0, len);
}

static void read_string(struct reader *r, size_t len, char *ret, size_t size)
{
	const char *at = (const char *)read_view(r, len);

	memset(ret, 0, size);
	if (r->failed || len == 0)
		return;
	if (len >= size || !text_printable(at, len)) {
		r->failed = true;
		return;
	}
	memcpy(ret, at, len);
}

void read_text(struct reader *r, char *ret, size_t size)
{
	read_string(r, read_u8(r), ret, size);
}

void read_text2(struct reader *r, char *ret, size_t size)
{
	read_string(r, read_u16(r), ret, size);
}

int read_end(const struct reader *r)
{
	return r->failed || r->left > 0 ? -EBADMSG : 0;
}

struct writer writer_over(void *data, size_t size)
{
	return (struct writer){ .start = data, .size = size };
}

void write_bytes(struct writer *w, const void *data, size_t len)
{
	if (w->failed || len > w->size - w->used) {
		w->failed = true;
		return;
	}
	if (len > 0)
		memcpy(w->start + w->used, data, len);
	w->used += len;
}

static void write_integer(struct writer *w, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * (size - 1 - i));
	write_bytes(w, bytes, size);
}

void write_u8(struct writer *w, uint8_t value)
{
	write_integer(w, value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
	write_integer(w, value, 2);
}

void write_u32(struct writer *w, uint32_t value)
{
	write_integer(w, value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
	write_integer(w, value, 8);
}

static void write_string(struct writer *w, const char *text, size_t head)
{
	size_t len = strlen(text);

	if (len >> 8 * head != 0 || !text_printable(text, len)) {
		w->failed = true;
		return;
	}
	write_integer(w, len, head);
	write_bytes(w, text, len);
}

void write_text(struct writer *w, const char *text)
{
	write_string(w, text, 1);
}

void write_text2(struct writer *w, const char *text)
{
	write_string(w, text, 2);
}

ssize_t write_end(const struct writer *w)
{
	return w->failed ? -EMSGSIZE : (ssize_t)w->used;
}
