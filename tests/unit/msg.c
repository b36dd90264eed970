/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/msg.h"
#include "lib/op.h"

CODEC(msg);

static const struct msg a_msg = { { 1, 2 }, 3, 1795305600, "backup.done", "größe 3\n\x1b[0m", 13 };

static ssize_t encoded(struct msg m, uint8_t *ret, size_t size)
{
	return msg_encode(&m, ret, size);
}

static void a_message_is_taken_whole_or_not_at_all(void **state)
{
	(void)state;
	check_codec(&msg_codec, &a_msg);
}

static void its_fields_come_back(void **state)
{
	uint8_t bytes[256];
	ssize_t len = msg_encode(&a_msg, bytes, sizeof bytes);
	struct msg m;

	(void)state;
	assert_int_equal(msg_decode(bytes, (size_t)len, &m), 0);
	assert_memory_equal(m.spool, a_msg.spool, sizeof m.spool);
	assert_int_equal(m.number, 3);
	assert_int_equal(m.time, 1795305600);
	assert_string_equal(m.type, "backup.done");
	assert_int_equal(m.len, a_msg.len);
	assert_memory_equal(m.text, a_msg.text, m.len);
}

static void another_version_is_told_apart(void **state)
{
	uint8_t bytes[256];
	ssize_t len = msg_encode(&a_msg, bytes, sizeof bytes);
	struct msg m;

	(void)state;
	bytes[0] = 2;
	assert_int_equal(msg_decode(bytes, (size_t)len, &m), -EPROTONOSUPPORT);
	assert_int_equal(msg_decode(bytes, 1, &m), -EPROTONOSUPPORT);
	assert_int_equal(msg_decode(bytes, 0, &m), -EBADMSG);
}

static void types_are_of_few_characters(void **state)
{
	char longest[MSG_TYPE_SIZE + 1];

	(void)state;
	memset(longest, 'x', sizeof longest);
	longest[MSG_TYPE_SIZE] = '\0';
	assert_false(msg_type_ok(longest));
	longest[MSG_TYPE_SIZE - 1] = '\0';
	assert_true(msg_type_ok(longest));
	assert_false(msg_type_ok(""));
	for (unsigned c = 1; c < 256; c++) {
		char type[] = { 'a', (char)c, '\0' };
		bool ok = strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", (int)c) != NULL;

		assert_int_equal(msg_type_ok(type), ok);
	}
}

static void texts_are_utf8_without_nul(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool ok;
	} texts[] = { { "x", 1, true }, { "", 0, false }, { "a\0b", 3, false },
		{ "\n\t\x1b\x7f", 4, true }, { "\xc3\xa9", 2, true }, { "\xc3", 1, false },
		{ "\xff", 1, false }, { "\xed\xa0\x80", 3, false }, { "\xc0\x80", 2, false } };
	uint8_t bytes[256];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct msg m = a_msg;

		m.text = texts[i].text;
		m.len = texts[i].len;
		assert_int_equal(msg_text_ok(m.text, m.len), texts[i].ok);
		assert_int_equal(encoded(m, bytes, sizeof bytes) > 0, texts[i].ok);
	}
}

static void what_is_out_of_bounds_is_refused(void **state)
{
	char *text = malloc(MSG_TEXT_MAX + 1);
	uint8_t *bytes = malloc(MSG_BODY_MAX + 64);
	struct msg m = a_msg, none = a_msg;
	ssize_t len;

	(void)state;
	assert_non_null(text);
	assert_non_null(bytes);
	memset(text, 'x', MSG_TEXT_MAX + 1);
	memset(m.type, 'x', MSG_TYPE_SIZE - 1);
	m.text = text;
	m.len = MSG_TEXT_MAX;
	len = encoded(m, bytes, MSG_BODY_MAX + 64);
	assert_int_equal(len, MSG_BODY_MAX);
	assert_int_equal(op_find(OP_MSG)->largest, MSG_BODY_MAX);
	assert_int_equal(decode_exactly(&msg_codec, bytes, (size_t)len), 0);
	m.len++;
	assert_int_equal(encoded(m, bytes, MSG_BODY_MAX + 64), -EMSGSIZE);
	none.number = 0;
	assert_int_equal(encoded(none, bytes, MSG_BODY_MAX), -EMSGSIZE);
	len = msg_encode(&a_msg, bytes, MSG_BODY_MAX);
	bytes[17] = 0x80; /* the number's first byte */
	assert_int_equal(decode_exactly(&msg_codec, bytes, (size_t)len), -EBADMSG);
	free(text);
	free(bytes);
}

UNIT(it(a_message_is_taken_whole_or_not_at_all), it(its_fields_come_back),
	it(another_version_is_told_apart), it(types_are_of_few_characters),
	it(texts_are_utf8_without_nul), it(what_is_out_of_bounds_is_refused))
