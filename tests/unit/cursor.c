/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/cursor.h"

static const uint8_t sample[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
	0x0c, 0x0d, 0x0e, 0x0f, 2, 'h', 'i', 0, 3, 0xe2, 0x82, 0xac, 0xff };

struct everything {
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	char text[3], text2[4];
	uint8_t byte[1];
};

static int everything_decode(const void *bytes, size_t len, struct everything *ret)
{
	struct reader r = reader_over(bytes, len);

	ret->a = read_u8(&r);
	ret->b = read_u16(&r);
	ret->c = read_u32(&r);
	ret->d = read_u64(&r);
	read_text(&r, ret->text, sizeof ret->text);
	read_text2(&r, ret->text2, sizeof ret->text2);
	read_bytes(&r, ret->byte, sizeof ret->byte);
	return read_end(&r);
}

static ssize_t everything_encode(const struct everything *e, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, e->a);
	write_u16(&w, e->b);
	write_u32(&w, e->c);
	write_u64(&w, e->d);
	write_text(&w, e->text);
	write_text2(&w, e->text2);
	write_bytes(&w, e->byte, sizeof e->byte);
	return write_end(&w);
}

CODEC(everything);

static void integers_are_big_endian(void **state)
{
	struct everything e;

	(void)state;
	assert_int_equal(everything_decode(sample, sizeof sample, &e), 0);
	assert_int_equal(e.a, 0x01);
	assert_int_equal(e.b, 0x0203);
	assert_int_equal(e.c, 0x04050607);
	assert_int_equal(e.d, UINT64_C(0x08090a0b0c0d0e0f));
	assert_string_equal(e.text, "hi");
	assert_string_equal(e.text2, "\xe2\x82\xac");
	assert_int_equal(e.byte[0], 0xff);
}

static void everything_read_is_written_the_same_and_nothing_less(void **state)
{
	struct everything e;

	(void)state;
	assert_int_equal(everything_decode(sample, sizeof sample, &e), 0);
	check_codec(&everything_codec, &e);
}

static void the_first_failure_sticks_and_later_steps_give_zeros(void **state)
{
	struct reader r = reader_over("\x01\x02\x03", 3);
	char text[4] = "abc";
	uint8_t bytes[2] = { 7, 7 };

	(void)state;
	assert_int_equal(read_u32(&r), 0);
	assert_int_equal(read_u8(&r), 0);
	assert_int_equal(read_u64(&r), 0);
	assert_null(read_view(&r, 0));
	read_text(&r, text, sizeof text);
	assert_memory_equal(text, "\0\0\0\0", 4);
	read_bytes(&r, bytes, sizeof bytes);
	assert_memory_equal(bytes, "\0\0", 2);
	assert_int_equal(read_end(&r), -EBADMSG);
}

static void a_byte_left_over_is_an_error(void **state)
{
	struct reader r = reader_over("\x01\x02", 2);

	(void)state;
	assert_int_equal(read_u8(&r), 1);
	assert_int_equal(read_end(&r), -EBADMSG);
	assert_int_equal(read_u8(&r), 2);
	assert_int_equal(read_end(&r), 0);
}

static void a_huge_length_does_not_wrap(void **state)
{
	struct reader r = reader_over("abc", 3);
	uint8_t place[3];
	struct writer w = writer_over(place, sizeof place);

	(void)state;
	assert_non_null(read_view(&r, 1));
	assert_null(read_view(&r, SIZE_MAX));
	write_u8(&w, 1);
	write_bytes(&w, "x", SIZE_MAX);
	assert_int_equal(write_end(&w), -EMSGSIZE);
}

static int read_one(const char *text, size_t len, size_t size)
{
	uint8_t bytes[600] = { (uint8_t)len };
	char ret[600];
	struct reader r = reader_over(bytes, len + 1);

	memcpy(bytes + 1, text, len);
	memset(ret, 'x', sizeof ret);
	read_text(&r, ret, size);
	if (read_end(&r) < 0)
		for (size_t i = 0; i < size; i++)
			assert_int_equal(ret[i], 0);
	return read_end(&r);
}

static void a_string_that_is_no_text_is_refused(void **state)
{
	static const char *const bad[] = { "\x1b[2J", "a\nb", "\t", "\x7f", "\xc2\x85", "\x80",
		"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xe2\x80\xae",
		"\xe2\x81\xa6", "\xef\xbb\xbf" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(read_one(bad[i], strlen(bad[i]), 100), -EBADMSG);
	assert_int_equal(read_one("a\0b", 3, 100), -EBADMSG);
	assert_int_equal(read_one("", 0, 1), 0);
	assert_int_equal(read_one("Z\xc3\xbcrich", 7, 8), 0);
}

static void a_string_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	assert_int_equal(read_one("12345678", 8, 9), 0);
	assert_int_equal(read_one("12345678", 8, 8), -EBADMSG);
	assert_int_equal(read_one("1", 1, 1), -EBADMSG);
}

static void a_string_too_long_for_its_length_is_not_written(void **state)
{
	char text[65537], place[66000];
	struct writer w = writer_over(place, sizeof place);

	(void)state;
	memset(text, 'a', sizeof text);
	text[255] = '\0';
	write_text(&w, text);
	assert_int_equal(write_end(&w), 256);
	text[255] = 'a';
	text[256] = '\0';
	write_text(&w, text);
	assert_int_equal(write_end(&w), -EMSGSIZE);
	w = writer_over(place, sizeof place);
	text[256] = 'a';
	text[65536] = '\0';
	write_text2(&w, text);
	assert_int_equal(write_end(&w), -EMSGSIZE);
}

static void what_a_reader_would_refuse_is_not_written(void **state)
{
	char place[10];
	struct writer w = writer_over(place, sizeof place);

	(void)state;
	write_text(&w, "a\nb");
	assert_int_equal(write_end(&w), -EMSGSIZE);
}

UNIT(it(integers_are_big_endian), it(everything_read_is_written_the_same_and_nothing_less),
	it(the_first_failure_sticks_and_later_steps_give_zeros), it(a_byte_left_over_is_an_error),
	it(a_huge_length_does_not_wrap), it(a_string_that_is_no_text_is_refused),
	it(a_string_that_does_not_fit_is_refused),
	it(a_string_too_long_for_its_length_is_not_written),
	it(what_a_reader_would_refuse_is_not_written))
