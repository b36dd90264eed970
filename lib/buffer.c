/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "lib/buffer.h"

#define FIRST_CAPACITY 256u

static size_t limit_of(const struct buffer *b)
{
	return b->limit ? b->limit : BUFFER_LIMIT;
}

static void release(struct buffer *b)
{
	if (b->data)
		sodium_memzero(b->data, b->capacity);
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->capacity = 0;
}

/* Not by realloc(), which would leave an unwiped copy behind. */
static bool grow(struct buffer *b, size_t capacity)
{
	uint8_t *data = malloc(capacity);
	size_t len = b->len;

	if (!data)
		return false;
	if (len > 0)
		memcpy(data, b->data, len);
	release(b);
	b->data = data;
	b->len = len;
	b->capacity = capacity;
	return true;
}

static int reserve(struct buffer *b, size_t len)
{
	size_t limit = limit_of(b);
	size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;

	if (b->len > limit || len > limit - b->len)
		return -EMSGSIZE;
	if (b->data && len <= b->capacity - b->len)
		return 0;
	while (capacity < b->len + len)
		capacity *= 2;
	return grow(b, capacity) ? 0 : -ENOMEM;
}

uint8_t *buffer_reserve(struct buffer *b, size_t len)
{
	return reserve(b, len) < 0 ? NULL : b->data + b->len;
}

void buffer_grew(struct buffer *b, size_t len)
{
	b->len += len;
}

int buffer_append(struct buffer *b, const void *data, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = reserve(b, len);
	if (r < 0)
		return r;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return -EINVAL;
	/* vsnprintf() writes a NUL beyond the text; it needs room but doesn't count. */
	if ((size_t)len > limit_of(b) || b->len > limit_of(b) - (size_t)len)
		return -EMSGSIZE;
	if (b->capacity - b->len <= (size_t)len && !grow(b, (b->len + (size_t)len + 1) * 2))
		return -ENOMEM;
	va_start(args, format);
	vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
	return 0;
}

void buffer_consume(struct buffer *b, size_t len)
{
	if (len >= b->len) {
		release(b);
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

void buffer_clear(struct buffer *b)
{
	release(b);
}
