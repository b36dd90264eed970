/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/token.h"

static const uint8_t expected[TOKEN_SIZE] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

static int parse(const char *text, uint8_t ret[static TOKEN_SIZE])
{
	char *copy = (char *)exactly(text, strlen(text) + 1);
	int r = token_parse(copy, ret);

	free(copy);
	return r;
}

static void a_token_is_taken_as_people_paste_it(void **state)
{
	static const char *const good[] = { "0123456789abcdef", "0123456789ABCDEF",
		"0123-4567-89ab-cdef", "0123 4567 89AB CDEF", "  0123456789abcdef\n",
		"\t0123-4567 89ab-cdef\r\n", "0-1-2-3-4-5-6-7-8-9-a-b-c-d-e-f",
		"0123 - 4567 -- 89ab\tcdef", "\n\n0123456789abcdef" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		uint8_t token[TOKEN_SIZE] = {};

		assert_int_equal(parse(good[i], token), 0);
		assert_memory_equal(token, expected, TOKEN_SIZE);
	}
}

static void what_is_no_token_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "\n", "0123456789abcde", "0123456789abcdef0",
		"0123456789abcdeg", "0123456789abcdef-", "-0123456789abcdef", "0123\n456789abcdef",
		"0123456789abcdef x", "0123_4567_89ab_cdef", "0x0123456789abcdef",
		"0123456789abcde\xc3\xa9", "\xef\xbb\xbf 0123456789abcdef", "0123;4567;89ab;cdef",
		"----------------", "$(reboot)", "0123456789abcdef 0123456789abcdef" };
	uint8_t token[TOKEN_SIZE] = { 7 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(parse(bad[i], token), -EINVAL);
	assert_int_equal(token[0], 7);
}

static void every_truncation_is_refused(void **state)
{
	static const char text[] = "0123-4567-89ab-cdef";
	uint8_t token[TOKEN_SIZE];

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		char *cut = strndup(text, len);

		assert_int_equal(token_parse(cut, token), -EINVAL);
		free(cut);
	}
}

static void what_is_formatted_parses_to_the_same(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		uint8_t token[TOKEN_SIZE], again[TOKEN_SIZE];
		char text[TOKEN_TEXT_SIZE];

		random_bytes(token, sizeof token);
		token_format(token, text);
		assert_int_equal(strlen(text), 16);
		assert_int_equal(token_parse(text, again), 0);
		assert_memory_equal(token, again, sizeof token);
	}
}

UNIT(it(a_token_is_taken_as_people_paste_it), it(what_is_no_token_is_refused),
	it(every_truncation_is_refused), it(what_is_formatted_parses_to_the_same))
