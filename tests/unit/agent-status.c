/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "agent/status.h"
#include "lib/file.h"

static char folder[] = "/tmp/agent-status-XXXXXX";

static int read_text(const char *text, size_t len, struct status *ret)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/status", folder);
	assert_int_equal(file_write_atomic(path, text, len, 0644), 0);
	return status_read(folder, ret);
}

static void what_is_written_is_read(void **state)
{
	struct status in = { .state = WAITING,
		.since = 1795305600,
		.hello = 7,
		.next = 1795305700,
		.server = "a:1",
		.client = "00",
		.detail = "b\xc3\xa9=c" },
		      out;

	(void)state;
	assert_int_equal(status_write(&in, folder), 0);
	assert_int_equal(status_read(folder, &out), 0);
	assert_int_equal(out.state, WAITING);
	assert_int_equal(out.since, in.since);
	assert_int_equal(out.hello, in.hello);
	assert_int_equal(out.next, in.next);
	assert_string_equal(out.server, in.server);
	assert_string_equal(out.client, in.client);
	assert_string_equal(out.detail, in.detail);
}

static void keys_of_later_versions_are_passed_over(void **state)
{
	static const char text[] = "colour=red\nstate=connected\n";
	struct status s;

	(void)state;
	assert_int_equal(read_text(text, strlen(text), &s), 0);
	assert_int_equal(s.state, CONNECTED);
}

static void other_files_are_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
		{ "", 0 },
		{ "\n", 1 },
		{ "state=connected", 15 },
		{ "state=asleep\n", 13 },
		{ "since=1\n", 8 },
		{ "state=connected\nsince=-1\n", 25 },
		{ "state=connected\nsince=1x\n", 25 },
		{ "state=connected\ndetail=\x1b\n", 25 },
		{ "state=connected\n\0\n", 18 },
		{ "state=connected\nclient=000102030405060708090a0b0c0d0e0f0\n", 57 },
	};
	struct status s = { .hello = 77 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (read_text(bad[i].text, bad[i].len, &s) != -EBADMSG)
			fail_msg("row %zu", i);
	assert_int_equal(s.hello, 77);
}

static void a_link_is_not_followed(void **state)
{
	char path[64], other[64];
	struct status s;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/status", folder);
	(void)snprintf(other, sizeof other, "%s/other", folder);
	assert_int_equal(file_write_atomic(other, "state=connected\n", 16, 0644), 0);
	(void)unlink(path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(status_read(folder, &s), -ELOOP);
	(void)unlink(path);
	(void)unlink(other);
	assert_int_equal(status_read(folder, &s), -ENOENT);
}

static void every_state_has_a_sentence(void **state)
{
	(void)state;
	for (enum state n = STARTING; n <= REVOKED; n++) {
		struct status s = { .state = n, .since = 1, .server = "muster.example.org:8443" };
		char text[1024] = "";

		status_sentence(&s, text, sizeof text);
		assert_true(strlen(text) > 5);
		assert_true(strlen(status_name(n)) > 5);
	}
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { it(what_is_written_is_read),
		it(keys_of_later_versions_are_passed_over), it(other_files_are_refused),
		it(a_link_is_not_followed), it(every_state_has_a_sentence) };

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
