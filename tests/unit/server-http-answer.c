/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/http_answer.h"

static const char *text_of(struct buffer *out)
{
	assert_int_equal(buffer_append(out, "", 1), 0);
	out->len--;
	return (const char *)out->data;
}

static void an_answer_has_its_length(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(http_answer_head(&out, 200, "text/plain", 12, true, "X-A: b\r\n"), 0);
	const char *text = text_of(&out);
	assert_memory_equal(text, "HTTP/1.1 200 OK\r\nDate: ", 23);
	assert_non_null(strstr(text, "\r\nContent-Type: text/plain\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 12\r\n"));
	assert_non_null(strstr(text, "\r\nConnection: keep-alive\r\n"));
	assert_non_null(strstr(text, "\r\nX-A: b\r\n\r\n"));
	buffer_clear(&out);
}

static void an_answer_without_content_has_none(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(http_answer_head(&out, 204, NULL, 0, false, "X-A: b\r\n"), 0);
	const char *text = text_of(&out);
	assert_null(strstr(text, "Content-"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(text, "\r\nX-A: b\r\n\r\n"));
	buffer_clear(&out);
}

static void a_problem_is_json_whatever_it_quotes(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(
		http_answer_problem(&out, 404, "not-found", "no \"x\\\x01\"", false, NULL), 0);
	const char *body = strstr(text_of(&out), "\r\n\r\n");
	assert_non_null(body);
	assert_string_equal(body + 4,
		"{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
		"\"code\":\"not-found\",\"detail\":\"no \\\"x\\\\\\u0001\\\"\"}\n");
	buffer_clear(&out);
}

static void what_has_no_room_is_not_half_written(void **state)
{
	struct buffer out = { .limit = 40 };

	(void)state;
	assert_int_equal(http_answer_head(&out, 200, NULL, 0, true, NULL), -EMSGSIZE);
	assert_int_equal(out.len, 0);
	buffer_clear(&out);
}

static void a_body_is_cut_off_and_its_head_is_not(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(buffer_printf(&out, "A\r\n\r\none"), 0);
	size_t second = out.len;
	assert_int_equal(buffer_printf(&out, "B: 3\r\n\r\ntwo\r\n\r\n"), 0);
	http_answer_cut_body(&out, second);
	assert_string_equal(text_of(&out), "A\r\n\r\noneB: 3\r\n\r\n");
	http_answer_cut_body(&out, second); /* there is none any more */
	assert_string_equal(text_of(&out), "A\r\n\r\noneB: 3\r\n\r\n");
	buffer_clear(&out);
}

static void lines_come_into_a_head_that_is_there_already(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(http_answer_insert(&out, "X: 1\r\n"), -EBADMSG);
	assert_int_equal(buffer_printf(&out, "HTTP/1.1 200 OK\r\nA: b\r\n"), 0);
	assert_int_equal(http_answer_insert(&out, "X: 1\r\n"), -EBADMSG);
	assert_int_equal(buffer_printf(&out, "\r\nbody: 1\r\n\r\n"), 0);
	assert_int_equal(http_answer_insert(&out, "X: 1\r\nY: 2\r\n"), 0);
	assert_int_equal(http_answer_insert(&out, ""), 0);
	assert_string_equal(
		text_of(&out), "HTTP/1.1 200 OK\r\nX: 1\r\nY: 2\r\nA: b\r\n\r\nbody: 1\r\n\r\n");
	buffer_clear(&out);
}

static void a_field_is_found_by_its_whole_name_in_the_head_only(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_false(http_answer_has(&out, "Date"));
	assert_int_equal(buffer_printf(&out, "HTTP/1.1 200 OK\r\nAge: x\r\nDate:y"), 0);
	assert_false(http_answer_has(&out, "Age")); /* no whole head */
	assert_int_equal(buffer_printf(&out, "\r\n\r\nETag: z\r\n\r\n"), 0);
	assert_true(http_answer_has(&out, "Age"));
	assert_true(http_answer_has(&out, "Date"));
	assert_false(http_answer_has(&out, "Dat"));
	assert_false(http_answer_has(&out, "ate"));
	assert_false(http_answer_has(&out, "ETag"));
	buffer_clear(&out);
}

UNIT(it(an_answer_has_its_length), it(an_answer_without_content_has_none),
	it(a_problem_is_json_whatever_it_quotes), it(what_has_no_room_is_not_half_written),
	it(a_body_is_cut_off_and_its_head_is_not), it(lines_come_into_a_head_that_is_there_already),
	it(a_field_is_found_by_its_whole_name_in_the_head_only))
