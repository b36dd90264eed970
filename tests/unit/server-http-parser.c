/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "lib/buffer.h"
#include "server/http_parser.h"

/* A request whole, in an allocation of its exact size, to a fresh parser. */
static int feed(
	const char *text, size_t len, size_t body_limit, struct http_parser **ret, size_t *ret_used)
{
	char *exact = malloc(len > 0 ? len : 1);

	assert_non_null(exact);
	memcpy(exact, text, len);
	assert_int_equal(http_parser_new(body_limit, ret), 0);
	int r = http_parser_feed(*ret, exact, len, ret_used);
	free(exact);
	return r;
}

static int verdict(const char *text, size_t len, size_t body_limit)
{
	struct http_parser *p;
	size_t used;
	int r = feed(text, len, body_limit, &p, &used);

	http_parser_free(p);
	return r;
}

static void a_request_is_taken_apart(void **state)
{
	static const char text[] = "GET /clients/linux?x=1 HTTP/1.1\r\nHost: a.example:8443\r\n"
				   "Range: bytes=0-1\r\nIf-None-Match: \"x\"\r\nX-Other: y\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(feed(text, strlen(text), 0, &p, &used), 1);
	assert_int_equal(used, strlen(text));
	const struct http_request *r = http_parser_request(p);
	assert_int_equal(r->method, HTTP_METHOD_GET);
	assert_string_equal(r->path, "/clients/linux");
	assert_string_equal(r->query, "x=1");
	assert_string_equal(r->host, "a.example:8443");
	assert_string_equal(r->range, "bytes=0-1");
	assert_string_equal(r->if_none_match, "\"x\"");
	assert_null(r->cookie);
	assert_int_equal(r->body_len, 0);
	assert_true(r->keep_alive);
	assert_false(r->upgrades);
	http_parser_free(p);
}

static void a_request_in_single_bytes_is_the_same(void **state)
{
	static const char text[] = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
				   "Content-Type: application/json\r\n\r\nhello";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(http_parser_new(100, &p), 0);
	for (size_t i = 0; i < strlen(text); i++) {
		int r = http_parser_feed(p, text + i, 1, &used);
		assert_int_equal(r, i + 1 == strlen(text));
		assert_int_equal(used, 1);
	}
	const struct http_request *r = http_parser_request(p);
	assert_int_equal(r->body_len, 5);
	assert_string_equal(r->body, "hello");
	assert_string_equal(r->content_type, "application/json");
	http_parser_free(p);
}

static bool asks_to_be_told(const char *text)
{
	struct http_parser *p;
	size_t used;

	(void)feed(text, strlen(text), 100, &p, &used);
	bool asks = http_parser_expects(p);
	assert_false(http_parser_expects(p));
	http_parser_free(p);
	return asks;
}

#define EXPECTS "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"

static void a_body_is_asked_for_once_and_only_while_it_is_missing(void **state)
{
	(void)state;
	assert_true(asks_to_be_told(EXPECTS "Content-Length: 5\r\n\r\n"));
	assert_false(asks_to_be_told(EXPECTS "Content-Length: 5\r\n\r"));
	assert_false(asks_to_be_told(EXPECTS "Content-Length: 5\r\n\r\nh"));
	assert_false(asks_to_be_told(EXPECTS "Content-Length: 5\r\n\r\nhello"));
	assert_false(asks_to_be_told(EXPECTS "Content-Length: 0\r\n\r\n"));
	assert_false(asks_to_be_told(EXPECTS "\r\n"));
	assert_false(asks_to_be_told(EXPECTS "Content-Length: 101\r\n\r\n")); /* too long */
	assert_false(asks_to_be_told("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"));
	assert_false(asks_to_be_told(
		"POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
}

static void pipelined_requests_come_one_at_a_time(void **state)
{
	static const char text[] = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
				   "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
				   "GET /3 HTTP/1.1\r\n";
	struct http_parser *p;
	size_t used, at = 0;

	(void)state;
	assert_int_equal(http_parser_new(10, &p), 0);
	assert_int_equal(http_parser_feed(p, text, strlen(text), &used), 1);
	assert_string_equal(http_parser_request(p)->path, "/1");
	assert_string_equal(http_parser_request(p)->body, "abc");
	at += used;
	assert_int_equal(http_parser_feed(p, text + at, strlen(text) - at, &used), 1);
	assert_int_equal(used, 0); /* nothing more before next() */
	http_parser_next(p);
	assert_int_equal(http_parser_feed(p, text + at, strlen(text) - at, &used), 1);
	assert_string_equal(http_parser_request(p)->path, "/2");
	assert_false(http_parser_request(p)->keep_alive);
	at += used;
	http_parser_next(p);
	assert_int_equal(http_parser_feed(p, text + at, strlen(text) - at, &used), 0);
	assert_int_equal(at + used, strlen(text));
	http_parser_free(p);
}

static void an_upgrade_stops_at_its_last_byte(void **state)
{
	static const char text[] = "GET /v1/channel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
				   "Upgrade: muster-packet/1\r\n\r\n\x01\x02\x03";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(feed(text, sizeof(text) - 1, 0, &p, &used), 1);
	assert_int_equal(used, sizeof(text) - 1 - 3);
	assert_true(http_parser_request(p)->upgrades);
	assert_string_equal(http_parser_request(p)->upgrade, "muster-packet/1");
	http_parser_free(p);
}

static void an_upgrade_header_without_connection_is_none(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: muster-packet/1\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(feed(text, strlen(text), 0, &p, &used), 1);
	assert_false(http_parser_request(p)->upgrades);
	http_parser_free(p);
}

#define ANY -1 /* some 4xx or 5xx: which, depends on how the bytes come */
static bool as_expected(int r, int expected)
{
	return expected == ANY ? r <= -400 : r == expected;
}

#define LIT(s) s, sizeof(s) - 1
static const struct {
	const char *why, *text;
	size_t len;
	int expected;
} refused[] = {
	{ "transfer encoding xchunked",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
		-501 },
	{ "transfer encoding chunked",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		-501 },
	{ "chunked with a blank and a tab",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tchunked\r\n\r\n"), -501 },
	{ "chunked, identity",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"),
		-400 },
	{ "content length, then transfer encoding",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		-400 },
	{ "transfer encoding, then content length",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		    "Content-Length: 5\r\n\r\n0\r\n\r\n"),
		-400 },
	{ "two content lengths",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
		    "hello"),
		-400 },
	{ "two equal content lengths",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"
		    "hello"),
		-400 },
	{ "a list of content lengths",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"), -400 },
	{ "content length +5", LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
		-400 },
	{ "content length -1", LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello"),
		-400 },
	{ "content length 0x5",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"), -400 },
	{ "content length of 2^64",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
		-400 },
	{ "empty content length", LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
		-400 },
	{ "blank before the colon", LIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), -400 },
	{ "blank before the colon of another", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n"),
		-400 },
	{ "tab before the colon", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A\t: b\r\n\r\n"), -400 },
	{ "NUL in a value", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n"), -400 },
	{ "NUL in a name", LIT("GET / HTTP/1.1\r\nHost: a\r\nX\0A: b\r\n\r\n"), -400 },
	{ "NUL in the path", LIT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "ESC in a value", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: \033[1m\r\n\r\n"), -400 },
	{ "folded header", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n"), -400 },
	{ "folded by a tab", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc\r\n\r\n"), -400 },
	{ "first header folded", LIT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), -400 },
	{ "bare LF", LIT("GET / HTTP/1.1\nHost: a\n\n"), -400 },
	{ "bare LF at the end", LIT("GET / HTTP/1.1\r\nHost: a\r\n\n"), -400 },
	{ "bare LF in a value", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\nX-C: d\r\n\r\n"), -400 },
	{ "bare CR in a value", LIT("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-C: d\r\n\r\n"), -400 },
	{ "CR CR LF", LIT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), -400 },
	{ "no host", LIT("GET / HTTP/1.1\r\nX-A: b\r\n\r\n"), -400 },
	{ "two hosts", LIT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), -400 },
	{ "empty host", LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), -400 },
	{ "host with a path", LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), -400 },
	{ "two ranges headers",
		LIT("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\nRange: bytes=1-\r\n\r\n"),
		-400 },
	{ "header without a colon", LIT("GET / HTTP/1.1\r\nHost: a\r\nrubbish\r\n\r\n"), -400 },
	{ "header without a name", LIT("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), -400 },
	{ "absolute form", LIT("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "asterisk form", LIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "authority form", LIT("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "a fragment", LIT("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "two blanks after the method", LIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "tab after the method", LIT("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "blank after the version", LIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), ANY },
	{ "two blanks before the version", LIT("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "blank in the path", LIT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "eighth bit in the path", LIT("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "lower case method", LIT("get / HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "unknown method", LIT("STEAL / HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "HTTP/0.9", LIT("GET /\r\n\r\n"), ANY },
	{ "HTTP/2.0", LIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), -505 },
	{ "HTTP/1.2", LIT("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), -505 },
	{ "HTTP/1.10", LIT("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), ANY },
	{ "http in lower case", LIT("GET / http/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "another protocol", LIT("GET / RTSP/1.0\r\nHost: a\r\n\r\n"), -400 },
	{ "empty line before", LIT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), -400 },
	{ "a TLS hello", LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), -400 },
	{ "another expectation",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\n"),
		-417 },
	{ "an expectation and more",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
		    "Expect: 100-continue, x\r\n\r\n"),
		-417 },
	{ "two expectations",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
		    "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
		-400 },
	{ "body too long",
		LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"), -413 },
};

static void what_a_proxy_might_read_differently_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		int r = verdict(refused[i].text, refused[i].len, 10);
		if (!as_expected(r, refused[i].expected))
			fail_msg("%s: %d, not %d", refused[i].why, r, refused[i].expected);
	}
}

static void it_is_refused_in_single_bytes_as_well(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct http_parser *p;
		size_t used;
		int r = 0;

		assert_int_equal(http_parser_new(10, &p), 0);
		for (size_t k = 0; k < refused[i].len && r == 0; k++)
			r = http_parser_feed(p, refused[i].text + k, 1, &used);
		if (!as_expected(r, refused[i].expected))
			fail_msg("%s: %d, not %d", refused[i].why, r, refused[i].expected);
		assert_int_equal(http_parser_feed(p, "G", 1, &used), r); /* and stays so */
		http_parser_free(p);
	}
}

static void a_truncated_request_is_never_whole(void **state)
{
	static const char text[] = "POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
				   "X-A: b\r\n\r\nhello";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(verdict(text, len, 10), 0);
	assert_int_equal(verdict(text, strlen(text), 10), 1);
}

static void old_clients_without_a_host_are_served_once(void **state)
{
	static const char text[] = "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(feed(text, strlen(text), 0, &p, &used), 1);
	assert_null(http_parser_request(p)->host);
	assert_false(http_parser_request(p)->keep_alive);
	http_parser_free(p);
}

static int with_headers(unsigned count, size_t value_len)
{
	struct buffer text = {};

	assert_int_equal(buffer_printf(&text, "GET / HTTP/1.1\r\nHost: a\r\n"), 0);
	for (unsigned i = 1; i < count; i++)
		assert_int_equal(buffer_printf(&text, "X-%u: %0*d\r\n", i, (int)value_len, 0), 0);
	assert_int_equal(buffer_append(&text, "\r\n", 2), 0);
	int r = verdict((const char *)text.data, text.len, 0);
	buffer_clear(&text);
	return r;
}

static void the_head_is_bounded(void **state)
{
	char path[9000];

	(void)state;
	assert_int_equal(with_headers(64, 1), 1);
	assert_int_equal(with_headers(65, 1), -431);
	assert_int_equal(with_headers(2, 8000), 1);
	assert_int_equal(with_headers(2, 8192), -431);
	assert_int_equal(with_headers(40, 1000), -431);
	memset(path, 'a', sizeof(path));
	memcpy(path, "GET /", 5);
	assert_int_equal(verdict(path, sizeof(path), 0), -414);
}

static void a_client_port_takes_no_body(void **state)
{
	(void)state;
	assert_int_equal(
		verdict(LIT("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 0), -413);
	assert_int_equal(
		verdict(LIT("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 0), 1);
}

static void a_list_in_several_lines_is_one_in_their_order(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nX-Forwarded-For: a, b\r\nHost: h\r\n"
				   "x-forwarded-FOR: c\r\nX-Forwarded-For:\r\n"
				   "X-Forwarded-For: d\r\nForwarded: for=e\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(feed(text, strlen(text), 0, &p, &used), 1);
	assert_string_equal(http_parser_request(p)->x_forwarded_for, "a, b,c,,d");
	assert_string_equal(http_parser_request(p)->forwarded, "for=e");
	assert_string_equal(http_parser_request(p)->host, "h");
	assert_null(http_parser_request(p)->x_forwarded_proto);
	http_parser_free(p);
}

static void a_name_with_underscores_is_another_name(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: a\r\n"
				   "X-Forwarded_For: a\r\nX_Remote_User: root\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(http_parser_new(0, &p), 0);
	http_parser_watch(p, "X-Remote-User");
	assert_int_equal(http_parser_feed(p, text, strlen(text), &used), 1);
	assert_null(http_parser_request(p)->x_forwarded_for);
	assert_null(http_parser_request(p)->watched);
	http_parser_free(p);
}

static void a_watched_header_is_kept_and_comes_once(void **state)
{
	static const char one[] = "GET / HTTP/1.1\r\nHost: h\r\nx-remote-user: ann\r\n\r\n";
	static const char two[] = "GET / HTTP/1.1\r\nHost: h\r\nX-Remote-User: ann\r\n"
				  "X-REMOTE-USER: root\r\n\r\n";
	struct http_parser *p;
	size_t used;

	(void)state;
	assert_int_equal(http_parser_new(0, &p), 0);
	http_parser_watch(p, "X-Remote-User");
	assert_int_equal(http_parser_feed(p, one, strlen(one), &used), 1);
	assert_string_equal(http_parser_request(p)->watched, "ann");
	http_parser_next(p);
	assert_int_equal(http_parser_feed(p, two, strlen(two), &used), -400);
	http_parser_free(p);
}

static size_t limit_of(void *userdata, const struct http_request *head)
{
	unsigned *calls = userdata;

	++*calls;
	assert_int_equal(head->method, HTTP_METHOD_POST);
	assert_string_equal(head->query, "q?");
	assert_string_equal(head->host, "h");
	return strcmp(head->path, "/large") == 0 ? 1000 : 3;
}

static void the_head_decides_how_long_the_body_may_be(void **state)
{
	static const char small[] =
		"POST /small?q? HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
	static const char large[] =
		"POST /large?q? HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd";
	static const char beyond[] =
		"POST /large?q? HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n";
	struct http_parser *p;
	unsigned calls = 0;
	size_t used;

	(void)state;
	assert_int_equal(http_parser_new(10, &p), 0);
	http_parser_on_head(p, limit_of, &calls);
	for (size_t i = 0; i < strlen(large); i++)
		assert_int_equal(http_parser_feed(p, large + i, 1, &used), i + 1 == strlen(large));
	assert_int_equal(calls, 1);
	assert_string_equal(http_parser_request(p)->path, "/large");
	assert_string_equal(http_parser_request(p)->query, "q?");
	assert_string_equal(http_parser_request(p)->body, "abcd");
	http_parser_next(p);
	assert_int_equal(http_parser_feed(p, small, strlen(small), &used), -413);
	http_parser_next(p);
	assert_int_equal(http_parser_feed(p, beyond, strlen(beyond), &used), -413);
	assert_int_equal(calls, 3);
	http_parser_free(p);
}

UNIT(it(a_request_is_taken_apart), it(a_request_in_single_bytes_is_the_same),
	it(a_body_is_asked_for_once_and_only_while_it_is_missing),
	it(pipelined_requests_come_one_at_a_time), it(an_upgrade_stops_at_its_last_byte),
	it(an_upgrade_header_without_connection_is_none),
	it(what_a_proxy_might_read_differently_is_refused),
	it(it_is_refused_in_single_bytes_as_well), it(a_truncated_request_is_never_whole),
	it(old_clients_without_a_host_are_served_once), it(the_head_is_bounded),
	it(a_client_port_takes_no_body), it(a_list_in_several_lines_is_one_in_their_order),
	it(a_name_with_underscores_is_another_name), it(a_watched_header_is_kept_and_comes_once),
	it(the_head_decides_how_long_the_body_may_be))
