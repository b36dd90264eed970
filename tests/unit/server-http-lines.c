/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/http_lines.h"

#define LIT(s) s, sizeof(s) - 1

/* What a whole request does with them, see server-http-parser.c. */
static int check(const char *text, size_t len, size_t *ret_used)
{
	uint8_t *copy = exactly(text, len);
	struct http_lines l = {};
	int r = http_lines_check(&l, (const char *)copy, len, ret_used);

	free(copy);
	return r;
}

static void a_head_ends_with_its_empty_line(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char body[] = "\n\0 anything";
	char both[sizeof(head) + sizeof(body)];
	size_t used;

	(void)state;
	memcpy(both, head, sizeof(head) - 1);
	memcpy(both + sizeof(head) - 1, body, sizeof(body));
	assert_int_equal(check(both, sizeof(head) - 1 + sizeof(body), &used), 0);
	assert_int_equal(used, sizeof(head) - 1);
}

static void the_start_of_a_head_is_taken_whole(void **state)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost:\ta\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < sizeof(head); len++) {
		size_t used;

		assert_int_equal(check(head, len, &used), 0);
		assert_int_equal(used, len);
	}
}

static void lines_that_others_read_differently_are_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ LIT("\r\nGET / HTTP/1.1\r\n") },
		{ LIT(" GET / HTTP/1.1\r\n") },
		{ LIT("GET  / HTTP/1.1\r\n") },
		{ LIT("GET / HTTP/1.1\n") },
		{ LIT("GET / HTTP/1.1\rX") },
		{ LIT("GET /\xc3\xa4 HTTP/1.1\r\n") },
		{ LIT("GET / RTSP/1.0\r\n") },
		{ LIT("GET / HTTP/1.10\r\n") },
		{ LIT("GET /\r\n") },
		{ LIT("X\r\n") },
		{ LIT("GET / HTTP/1.1\r\n Host: a\r\n") },
		{ LIT("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n") },
		{ LIT("GET / HTTP/1.1\r\nHost: a\r\r\n") },
		{ LIT("GET / HTTP/1.1\r\nHost: a\n") },
		{ LIT("GET / HTTP/1.1\r\nHost: \0\r\n") },
		{ LIT("GET / HTTP/1.1\r\nHost: \x7f\r\n") },
		{ LIT("GET / HTTP/1.1\r\n\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_lines l = {};
		size_t used;
		int r = 0;

		assert_int_equal(check(bad[i].text, bad[i].len, &used), -EBADMSG);
		for (size_t k = 0; k < bad[i].len && r == 0; k++)
			r = http_lines_check(&l, bad[i].text + k, 1, &used);
		assert_int_equal(r, -EBADMSG);
	}
}

UNIT(it(a_head_ends_with_its_empty_line), it(the_start_of_a_head_is_taken_whole),
	it(lines_that_others_read_differently_are_refused))
