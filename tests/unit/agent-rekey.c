/* SPDX-License-Identifier: MIT */
/* New keys that muster-enrol --rekey has left: taken whole, by the client that they are for, and however often it is cut off. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/rekey.h"
#include "lib/file.h"

static const uint8_t id[CLIENT_ID_SIZE] = { 0xab, 0xcd };
#define ID "abcd0000000000000000000000000000"

struct bench {
	char folder[64];
};

static const char *at(struct bench *b, const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", b->folder, name);
	return path;
}

static void put(struct bench *b, const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(at(b, name), text, strlen(text), 0600), 0);
}

static bool has(struct bench *b, const char *name, const char *text)
{
	scoped(freep) char *found = NULL;
	size_t len;

	return file_read(at(b, name), 4096, &found, &len) == 0 && strcmp(found, text) == 0;
}

static int make(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	strcpy(b->folder, "/tmp/muster-rekey-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	put(b, "identity.key", "old identity");
	put(b, "tls.pem", "old tls");
	put(b, "client", "client=00000000000000000000000000000001\n");
	put(b, "reset", "77\n");
	assert_int_equal(mkdir(at(b, "spool"), 0700), 0);
	put(b, "spool/id", "0123456789abcdef");
	put(b, "spool/0000000000000001.log", "a message");
	put(b, "identity.key.next", "new identity");
	put(b, "tls.pem.next", "new tls");
	put(b, "client.next", "client=" ID "\nenrolled=1\n");
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", b->folder);
	assert_int_equal(system(command), 0);
	free(b);
	return 0;
}

static void expect_new(struct bench *b)
{
	assert_true(has(b, "identity.key", "new identity"));
	assert_true(has(b, "tls.pem", "new tls"));
	assert_true(has(b, "client", "client=" ID "\nenrolled=1\n"));
	assert_int_equal(access(at(b, "identity.key.next"), F_OK), -1);
	assert_int_equal(access(at(b, "spool"), F_OK), -1);
	assert_int_equal(access(at(b, "reset"), F_OK), -1);
	assert_false(rekey_is_due(b->folder, id));
}

static void keys_of_another_client_stay_where_they_are(void **state)
{
	static const char *const others[] = { "", "client=", "client=" ID, "client=" ID "0\n",
		" client=" ID "\n", "client=abcd0000000000000000000000000001\n",
		"enrolled=1\nclient=" ID "\n" };
	struct bench *b = *state;
	uint8_t other[CLIENT_ID_SIZE] = { 1 };

	assert_false(rekey_is_due(b->folder, other));
	for (size_t i = 0; i < COUNT(others); i++) {
		put(b, "client.next", others[i]);
		assert_false(rekey_is_due(b->folder, id));
	}
	assert_int_equal(unlink(at(b, "client.next")), 0);
	assert_false(rekey_is_due(b->folder, id));
	assert_int_equal(symlink("/dev/zero", at(b, "client.next")), 0);
	assert_false(rekey_is_due(b->folder, id));
}

static void all_of_it_is_taken_and_what_was_anothers_dropped(void **state)
{
	struct bench *b = *state;

	assert_true(rekey_is_due(b->folder, id));
	assert_int_equal(rekey_finish(b->folder), 0);
	expect_new(b);
}

static void cut_off_anywhere_the_rest_is_done_later(void **state)
{
	struct bench *b = *state;
	char from[128];

	for (int done = 0; done < 4; done++) {
		void *again = NULL;

		if (done > 0) {
			end((void **)&b);
			make(&again);
			b = again;
			*state = b;
		}
		if (done > 0)
			assert_int_equal(unlink(at(b, "spool/id")), 0);
		if (done > 1) {
			snprintf(from, sizeof from, "%s/identity.key.next", b->folder);
			assert_int_equal(rename(from, at(b, "identity.key")), 0);
		}
		if (done > 2) {
			snprintf(from, sizeof from, "%s/tls.pem.next", b->folder);
			assert_int_equal(rename(from, at(b, "tls.pem")), 0);
		}
		assert_true(rekey_is_due(b->folder, id));
		assert_int_equal(rekey_finish(b->folder), 0);
		expect_new(b);
	}
}

static void a_spool_that_is_none_stops_it_before_any_key_is_taken(void **state)
{
	struct bench *b = *state;
	char from[128];

	snprintf(from, sizeof from, "%s/spool", b->folder);
	assert_int_equal(rename(from, at(b, "elsewhere")), 0);
	assert_int_equal(symlink("elsewhere", at(b, "spool")), 0);
	assert_true(rekey_finish(b->folder) < 0);
	assert_true(has(b, "identity.key", "old identity"));
	assert_true(has(b, "elsewhere/id", "0123456789abcdef"));
	assert_true(rekey_is_due(b->folder, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, make, end)
		T(keys_of_another_client_stay_where_they_are),
		T(all_of_it_is_taken_and_what_was_anothers_dropped),
		T(cut_off_anywhere_the_rest_is_done_later),
		T(a_spool_that_is_none_stops_it_before_any_key_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
