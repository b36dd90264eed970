/* SPDX-License-Identifier: MIT */
/* What every unit test includes first: cmocka and a few helpers. */
#ifndef MUSTER_UNIT_H
#define MUSTER_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sodium.h>

#include "lib/base.h"
#include "lib/secret.h"

#define it(function) cmocka_unit_test(function)

/* The main() of a test program. */
#define UNIT(...)                                                                                  \
	int main(void)                                                                             \
	{                                                                                          \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                                 \
                                                                                                   \
		if (secret_init() < 0)                                                             \
			return 1;                                                                  \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

/* The bytes in an allocation of exactly their size, so that a sanitizer sees one byte too far. */
static inline uint8_t *exactly(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len); /* of no bytes: not even the first may be read */

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

/* Hex digits to bytes; the number of bytes. */
static inline size_t from_hex(const char *hex, void *ret, size_t size)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(ret, size, hex, strlen(hex), " \n\t", &len, NULL), 0);
	return len;
}

/* One pair of codec functions, and what must hold of any of them. */
struct codec {
	int (*decode)(const void *bytes, size_t len, void *ret);
	ssize_t (*encode)(const void *value, void *ret, size_t size);
	size_t value_size;
};

#define CODEC(type)                                                                                \
	static int type##_decode_any(const void *bytes, size_t len, void *ret)                     \
	{                                                                                          \
		return type##_decode(bytes, len, ret);                                             \
	}                                                                                          \
	static ssize_t type##_encode_any(const void *value, void *ret, size_t size)                \
	{                                                                                          \
		return type##_encode(value, ret, size);                                            \
	}                                                                                          \
	static const struct codec type##_codec = { type##_decode_any, type##_encode_any,           \
		sizeof(struct type) }

/* Decodes an exactly sized copy; what decodes must encode to the same bytes. */
static inline int decode_exactly(const struct codec *c, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = exactly(bytes, len), *again = malloc(len + 1);
	void *value = calloc(1, c->value_size);
	int r = c->decode(copy, len, value);

	assert_non_null(again);
	if (r == 0) {
		assert_int_equal(c->encode(value, again, len), len);
		assert_memory_equal(again, bytes, len);
	}
	free(copy);
	free(again);
	free(value);
	return r;
}

static inline void check_codec(const struct codec *c, const void *value)
{
	uint8_t bytes[16384], longer[sizeof bytes + 1];
	ssize_t len = c->encode(value, bytes, sizeof bytes);

	assert_true(len > 0);
	assert_int_equal(decode_exactly(c, bytes, (size_t)len), 0);
	for (size_t size = 0; size < (size_t)len; size++) {
		uint8_t *small = exactly(bytes, size);

		assert_int_equal(decode_exactly(c, bytes, size), -EBADMSG);
		assert_int_equal(c->encode(value, small, size), -EMSGSIZE);
		free(small);
	}
	memcpy(longer, bytes, (size_t)len);
	longer[len] = 0;
	assert_int_equal(decode_exactly(c, longer, (size_t)len + 1), -EBADMSG);
	for (size_t bit = 0; bit < 8 * (size_t)len; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)!decode_exactly(c, bytes, (size_t)len);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

#endif
