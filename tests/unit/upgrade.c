/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/upgrade.h"

#define GOOD                                                                                       \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"                              \
	"Upgrade: muster-packet/1\r\n\r\n"
#define PROBLEM                                                                                    \
	"HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"                     \
	"Content-Length: %zu\r\n\r\n%s"

static int answer(const char *text, bool closed, struct upgrade_answer *ret)
{
	size_t len = strlen(text);
	uint8_t *copy = exactly(text, len);
	int r = upgrade_answer(copy, len, closed, ret);

	free(copy);
	return r;
}

/* A refusal with that body, length bytes long as it says; nothing follows. */
static int refusal(const char *body, size_t length, struct upgrade_answer *ret)
{
	char text[2 * UPGRADE_BODY_MAX];

	(void)snprintf(text, sizeof text, PROBLEM, length, body);
	return answer(text, true, ret);
}

static void the_request_is_what_the_protocol_page_says(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(upgrade_request("muster.example.org:8443", &out), 0);
	assert_int_equal(buffer_append(&out, "", 1), 0);
	assert_string_equal((char *)out.data,
		"GET /v1/channel HTTP/1.1\r\nHost: muster.example.org:8443\r\n"
		"User-Agent: muster/" MUSTER_VERSION "\r\nConnection: Upgrade\r\n"
		"Upgrade: muster-packet/1\r\n\r\n");
	buffer_clear(&out);
}

static void a_101_ends_where_the_channel_begins(void **state)
{
	struct upgrade_answer a;

	(void)state;
	assert_int_equal(answer(GOOD "\x01\x02", false, &a), 1);
	assert_int_equal(a.status, 101);
	assert_int_equal(a.len, strlen(GOOD));
}

static void every_part_of_an_answer_waits_for_the_rest(void **state)
{
	static const char problem[] =
		"HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"
		"Content-Length: 12\r\n\r\n{\"code\":\"x\"}";
	const char *whole[] = { GOOD, problem };

	(void)state;
	for (size_t w = 0; w < COUNT(whole); w++) {
		for (size_t len = 0; len < strlen(whole[w]); len++) {
			char *part = strndup(whole[w], len);
			struct upgrade_answer a;

			assert_int_equal(answer(part, false, &a), 0);
			if (!strstr(part, "\r\n\r\n"))
				assert_int_equal(answer(part, true, &a), -EBADMSG);
			free(part);
		}
	}
}

static void what_is_no_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/2 101\r\n\r\n",
		"HTTP/1.1 1O1 x\r\n\r\n",
		"HTTP/1.1 1011 x\r\n\r\n",
		"HTTP/1.1  101 x\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 102 Processing\r\n\r\n",
		"HTTP/1.1 600 x\r\n\r\n",
		"HTTP/1.1 000 x\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: close\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n"
		"Upgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n"
		"Upgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n"
		"Content-Length: 0\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection : upgrade\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\n Upgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\rUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\n: x\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 x\r\nx\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 101 \x1b[2J\r\nConnection: upgrade\r\nUpgrade: muster-packet/1\r\n\r\n",
		"HTTP/1.1 404 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 404 x\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 404 x\r\nContent-Length: 0x1\r\n\r\n",
		"HTTP/1.1 404 x\r\nContent-Length:\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct upgrade_answer a = { .status = 77 };
		int r = answer(bad[i], false, &a);

		if (r != -EBADMSG)
			fail_msg("%s: %d", bad[i], r);
		assert_int_equal(a.status, 77);
	}
}

static void a_nul_in_the_head_is_refused(void **state)
{
	static const char text[] = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nX: \0\r\n"
				   "Upgrade: muster-packet/1\r\n\r\n";
	struct upgrade_answer a;

	(void)state;
	assert_int_equal(upgrade_answer(text, sizeof text - 1, false, &a), -EBADMSG);
}

static void garbage_is_refused_at_its_first_byte(void **state)
{
	struct upgrade_answer a;

	(void)state;
	assert_int_equal(answer("X", false, &a), -EBADMSG);
	assert_int_equal(answer("HTTP/2", false, &a), -EBADMSG);
}

static void a_head_without_end_is_refused(void **state)
{
	char text[UPGRADE_HEAD_MAX + 1];
	struct upgrade_answer a;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "HTTP/1.1 101 ", 13);
	text[UPGRADE_HEAD_MAX - 1] = '\0';
	assert_int_equal(answer(text, false, &a), 0);
	text[UPGRADE_HEAD_MAX - 1] = 'x';
	text[UPGRADE_HEAD_MAX] = '\0';
	assert_int_equal(answer(text, false, &a), -EMSGSIZE);
}

static void a_refusal_tells_code_and_detail(void **state)
{
	static const char body[] =
		"{ \"detail\" : \"key not known\", \"status\":403, \"code\":\"not-enrolled\"}";
	struct upgrade_answer a;

	(void)state;
	assert_int_equal(refusal(body, strlen(body), &a), 1);
	assert_int_equal(a.status, 403);
	assert_string_equal(a.code, "not-enrolled");
	assert_string_equal(a.detail, "key not known");
}

/* Hostile bodies: what is inside other values doesn't count, nothing unprintable comes out. */
static void a_problem_is_read_with_care(void **state)
{
	static const struct {
		const char *text, *code, *detail;
	} rows[] = {
		{ "{\"x\":{\"code\":\"no\"},\"code\":\"yes\"}", "yes", "" },
		{ "{\"x\":\"code\",\"y\":\"no\"}    ", "", "" },
		{ "[\"code\",\"no\"]", "", "" },
		{ "{\"detail\":\"a\\u001b[2J\\n\\\"b\"}", "", "a?[2J \"b" },
		{ "{\"detail\":\"\x1b\xe2\x80\xae\"}", "", "????" },
		{ "{\"detail\":\"open\\", "", "open" },
		{ "{\"detail\":\"x\\u1\"}", "", "x?" },
		{ "{\"code\":", "", "" },
		{ "", "", "" },
		{ "{\"code\":\"long\"}", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct upgrade_answer a = {};
		size_t len = i + 1 < COUNT(rows) ? strlen(rows[i].text) : UPGRADE_BODY_MAX + 1;
		int r = refusal(rows[i].text, len, &a);

		if (r != 1 || strcmp(a.code, rows[i].code) || strcmp(a.detail, rows[i].detail))
			fail_msg("row %zu: %d '%s' '%s'", i, r, a.code, a.detail);
	}
}

static void a_long_code_does_not_pass_for_a_shorter_one(void **state)
{
	static const char body[] = "{\"code\":\"0123456789012345678901234567890123456789\"}";
	struct upgrade_answer a;

	(void)state;
	assert_int_equal(refusal(body, strlen(body), &a), 1);
	assert_int_equal(strlen(a.code), sizeof a.code - 1);
}

UNIT(it(the_request_is_what_the_protocol_page_says), it(a_101_ends_where_the_channel_begins),
	it(every_part_of_an_answer_waits_for_the_rest), it(what_is_no_answer_is_refused),
	it(a_nul_in_the_head_is_refused), it(garbage_is_refused_at_its_first_byte),
	it(a_head_without_end_is_refused), it(a_refusal_tells_code_and_detail),
	it(a_problem_is_read_with_care), it(a_long_code_does_not_pass_for_a_shorter_one))
