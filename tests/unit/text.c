/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/text.h"

static bool printable(const char *text)
{
	size_t len = strlen(text);
	char *copy = (char *)exactly(text, len);
	bool ret = text_printable(copy, len);

	free(copy);
	return ret;
}

static void plain_text_in_any_language_is_printable(void **state)
{
	static const char *const good[] = { "", "plain", "Gr\xc3\xbc\xc3\x9f!", "\xe2\x82\xac",
		"\xf0\x9f\x90\xa7", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xc2\xa0",
		"\xc2\xac", "\xc2\xae", "\xe2\x80\x8a", "\xe2\x80\x90", "\xe2\x80\xa7",
		"\xe2\x80\xaf", "\xe2\x81\x9f", "\xe2\x81\xb0", "\xef\xbf\xbd", "\xf3\x9f\xbf\xbf",
		"\xf3\xa1\x80\x80" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(printable(good[i]));
}

static void malformed_utf8_is_not(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(",
		"\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82", "\xe2(\xa1", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x90",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(printable(bad[i]));
}

static void characters_that_are_not_seen_are_not(void **state)
{
	static const char *const bad[] = { "\x01", "\x1b[0m", "a\n", "a\r", "\t", "\x7f",
		"\xc2\x80", "\xc2\x9f", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa",
		"\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9", "\xef\xbb\xbf", "\xc2\xad",
		"\xd8\x9c", "\xe2\x80\x8b", "\xe2\x80\x8d", "\xe2\x80\x8f", "\xe2\x81\xa0",
		"\xe2\x81\xaf", "\xef\xbf\xbb", "\xf0\x91\x82\xbd", "\xf3\xa0\x80\x80",
		"\xf3\xa0\x81\x81", "\xf3\xa0\xbf\xbf" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(printable(bad[i]));
	assert_false(text_printable("a\0b", 3));
}

static void escaping_leaves_only_printable_text(void **state)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
		{ "", "" },
		{ "web 1", "web 1" },
		{ "\x1b[2J\n", "\\x1b[2J\\x0a" },
		{ "a\xe2\x80\xae"
		  "b",
			"a\\xe2\\x80\\xae"
			"b" },
		{ "\xc3\xbc\xff", "\xc3\xbc\\xff" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *got = text_escape(cases[i].text, strlen(cases[i].text));

		assert_string_equal(got, cases[i].escaped);
		free(got);
	}
}

static void every_single_byte_can_be_escaped(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		char text[] = { (char)byte };
		char *got = text_escape(text, 1);

		assert_non_null(got);
		assert_true(text_printable(got, strlen(got)));
		free(got);
	}
	assert_null(text_escape("", SIZE_MAX / 2));
}

static char *escaped(const char *format, ...) printf_like(1);

static char *escaped(const char *format, ...)
{
	va_list values;
	char *ret;

	va_start(values, format);
	ret = text_vescape(format, values);
	va_end(values);
	return ret;
}

static void what_is_put_into_a_sentence_is_escaped(void **state)
{
	scoped(freep) char *got = escaped("'%s' is not %d", "a\x1b[2J\n", 7);

	(void)state;
	assert_string_equal(got, "'a\\x1b[2J\\x0a' is not 7");
}

static void durations_are_read_in_every_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} cases[] = { { "90s", 90 }, { "15m", 900 }, { "24h", 86400 }, { "7d", 604800 },
		{ "2w", 1209600 }, { "30", 30 }, { "0", 0 }, { "36524d", UINT64_C(3155673600) } };
	uint64_t seconds;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(text_duration(cases[i].text, &seconds), 0);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = { "", "s", "-1s", "+1s", " 1s", "1 s", "1s ", "1x", "1hh",
		"1.5h", "0x10", "36600d", "5300w", "99999999999999999999s", "18446744073709551616",
		"18446744073709551615w", "1h30m" };
	uint64_t seconds = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_duration(bad[i], &seconds), -EINVAL);
	assert_int_equal(seconds, 7);
}

static void numbers_are_read_within_their_bounds_only(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(text_number("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(text_number("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(text_number("99999999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(text_number("10", 10, 20, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(text_number("20", 10, 20, &n), 0);
	assert_int_equal(text_number("9", 10, 20, &n), -ERANGE);
	assert_int_equal(text_number("21", 10, 20, &n), -ERANGE);
	assert_int_equal(text_number("3", 0, 2, &n), -ERANGE);
	assert_int_equal(n, 20);
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "-1", "+1", " 1", "1 ", "1a", "0x1", "1.0",
		"99999999999999999999999x" };
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_number(bad[i], 0, UINT64_MAX, &n), -EINVAL);
}

static void base64_is_read_in_its_one_form_only(void **state)
{
	static const char *const bad[] = { "", "aGk", "aGk==", "aGl=", "aGk=\n",
		" aGk=", "aG k=", "a=k=", "====", "aGkx", "aA==", "aGk=aGk=", "_Gk=", "aGk\xbd" };
	char bytes[2];

	(void)state;
	assert_int_equal(text_base64("aGk=", bytes, 2), 0);
	assert_memory_equal(bytes, "hi", 2);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_base64(bad[i], bytes, 2), -EINVAL);
	for (unsigned byte = 1; byte < 256; byte++) {
		char text[] = { 'a', (char)byte, 'k', '=', '\0' };
		char alphabet[] =
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

		assert_int_equal(
			text_base64(text, bytes, 2), strchr(alphabet, (char)byte) ? 0 : -EINVAL);
	}
}

UNIT(it(plain_text_in_any_language_is_printable), it(malformed_utf8_is_not),
	it(characters_that_are_not_seen_are_not), it(escaping_leaves_only_printable_text),
	it(every_single_byte_can_be_escaped), it(what_is_put_into_a_sentence_is_escaped),
	it(durations_are_read_in_every_unit), it(what_is_no_duration_is_refused),
	it(numbers_are_read_within_their_bounds_only), it(what_is_no_number_is_refused),
	it(base64_is_read_in_its_one_form_only))
