/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/http_fields.h"

/* One line more into the text, and from there to the fields. */
static int take(struct http_fields *f, struct buffer *text, const char *name, const char *value)
{
	size_t at = text->len;

	assert_int_equal(buffer_append(text, name, strlen(name) + 1), 0);
	assert_int_equal(buffer_append(text, value, strlen(value) + 1), 0);
	return http_fields_take(f, text, at, at + strlen(name) + 1);
}

static void begin(struct http_fields *f, struct buffer *text)
{
	*f = (struct http_fields){};
	buffer_clear(text);
	assert_int_equal(buffer_append(text, "/", 2), 0);
}

static void what_is_read_may_not_come_twice(void **state)
{
	static const char *const once[] = { "host", "Range", "COOKIE", "authorization",
		"transfer-encoding", "expect", "x-muster-csrf", "if-match" };
	struct buffer text = {};
	struct http_fields f;

	(void)state;
	for (size_t i = 0; i < COUNT(once); i++) {
		begin(&f, &text);
		assert_int_equal(take(&f, &text, once[i], "a"), 0);
		assert_int_equal(take(&f, &text, "x-other", "a"), 0);
		assert_int_equal(take(&f, &text, "x-other", "b"), 0);
		assert_int_equal(take(&f, &text, once[i], ""), 400);
	}
	buffer_clear(&text);
}

static void a_list_that_grows_beyond_the_limit_is_refused(void **state)
{
	struct buffer text = { .limit = 100 };
	struct http_fields f;

	(void)state;
	begin(&f, &text);
	assert_int_equal(take(&f, &text, "forwarded", "0123456789"), 0);
	assert_int_equal(take(&f, &text, "forwarded", "0123456789"), 0);
	assert_int_equal(take(&f, &text, "forwarded", "01"), 431);
	buffer_clear(&text);
}

static void lines_are_counted_whoever_reads_them(void **state)
{
	struct buffer text = {};
	struct http_fields f;

	(void)state;
	begin(&f, &text);
	for (unsigned i = 0; i < HTTP_FIELDS_MAX; i++)
		assert_int_equal(take(&f, &text, "x-other", ""), 0);
	assert_int_equal(take(&f, &text, "x-other", ""), 431);
	buffer_clear(&text);
}

static void values_are_where_the_request_points(void **state)
{
	struct buffer text = {};
	struct http_request r = { .cookie = "former" };
	struct http_fields f;

	(void)state;
	begin(&f, &text);
	f.watched = "X-User";
	assert_int_equal(take(&f, &text, "Host", "a"), 0);
	assert_int_equal(take(&f, &text, "x-user", ""), 0);
	assert_int_equal(take(&f, &text, "Forwarded", "for=b"), 0);
	assert_int_equal(take(&f, &text, "X_Forwarded_For", "z"), 0);
	assert_int_equal(take(&f, &text, "forwarded", "for=c"), 0);
	http_fields_point(&f, &text, &r);
	assert_string_equal(r.host, "a");
	assert_string_equal(r.watched, "");
	assert_string_equal(r.forwarded, "for=b,for=c");
	assert_null(r.x_forwarded_for);
	assert_null(r.cookie);
	assert_null(http_fields_value(&f, &text, HTTP_FIELD_EXPECT));
	buffer_clear(&text);
}

static void a_name_is_a_token(void **state)
{
	(void)state;
	assert_true(http_field_name_ok("X-a_b.1!"));
	assert_false(http_field_name_ok(""));
	assert_false(http_field_name_ok("a "));
	assert_false(http_field_name_ok("a(b)"));
	assert_false(http_field_name_ok("\xc3\xa4"));
}

static void a_name_that_means_something_is_taken(void **state)
{
	static const char *const taken[] = { "Host", "cookie", "X-FORWARDED-FOR", "upgrade",
		"content-length", "Via", "expect" };

	(void)state;
	for (size_t i = 0; i < COUNT(taken); i++)
		assert_true(http_field_taken(taken[i]));
	assert_false(http_field_taken("X-Remote-User"));
	assert_false(http_field_taken(""));
}

UNIT(it(what_is_read_may_not_come_twice), it(a_list_that_grows_beyond_the_limit_is_refused),
	it(lines_are_counted_whoever_reads_them), it(values_are_where_the_request_points),
	it(a_name_is_a_token), it(a_name_that_means_something_is_taken))
