/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/newest.h"
#include "lib/file.h"
#include "tests/unit/folder.h"

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/.order-%s", folder, name);
	return path;
}

static struct newest order(uint64_t number, uint8_t content)
{
	return (struct newest){ .number = number, .hash = { content }, .giver = { 9 } };
}

static int take(const char *name, uint64_t number, uint8_t content)
{
	struct newest n = order(number, content);
	uint64_t last;

	return newest_take(folder, name, &n, &last);
}

static void assert_refused(const char *name, uint64_t number, uint8_t content, uint64_t expected)
{
	struct newest n = order(number, content);
	uint64_t last = 0;

	assert_int_equal(newest_take(folder, name, &n, &last), -ESTALE);
	assert_int_equal(last, expected);
}

static void an_older_order_is_refused(void **state)
{
	(void)state;
	begin();
	assert_int_equal(take("a", 1795305600000, 1), 0);
	assert_refused("a", 1795305599999, 1, 1795305600000);
	assert_refused("a", 1795305599999, 2, 1795305600000);
	assert_refused("a", 1, 1, 1795305600000);
	assert_refused("a", 0, 1, 1795305600000);
	/* Nothing has changed by that. */
	assert_int_equal(take("a", 1795305600000, 1), 0);
	end();
}

static void the_newest_may_be_given_again_but_no_other_of_its_number(void **state)
{
	(void)state;
	begin();
	assert_int_equal(take("a", 5, 1), 0);
	assert_int_equal(take("a", 5, 1), 0);
	assert_refused("a", 5, 2, 5);
	assert_refused("a", 5, 0, 5); /* a removal */
	assert_int_equal(take("a", 5, 1), 0);
	assert_int_equal(take("a", 6, 0), 0);
	assert_int_equal(take("a", 6, 0), 0);
	assert_refused("a", 6, 1, 6);
	end();
}

static void a_newer_one_is_taken_whatever_it_says(void **state)
{
	(void)state;
	begin();
	assert_int_equal(take("a", 5, 1), 0);
	assert_int_equal(take("a", 6, 2), 0);
	assert_int_equal(take("a", 1795305600000, 1), 0);
	assert_int_equal(take("a", UINT64_MAX, 1), 0);
	assert_int_equal(take("a", UINT64_MAX, 1), 0);
	assert_refused("a", UINT64_MAX - 1, 1, UINT64_MAX);
	end();
}

static void names_have_nothing_to_do_with_each_other(void **state)
{
	char name[CONFIG_NAME_SIZE] = "";

	(void)state;
	begin();
	memset(name, 'x', sizeof name - 1);
	assert_int_equal(take("new", 9, 1), 0);
	assert_int_equal(take("new.x", 3, 1), 0);
	assert_int_equal(take(name, 2, 1), 0);
	assert_refused("new", 8, 1, 9);
	assert_refused("new.x", 2, 1, 3);
	assert_refused(name, 1, 1, 2);
	end();
}

static void of_another_enrolment_all_is_new(void **state)
{
	static const uint8_t keys[2][PUBLIC_KEY_SIZE] = { { 4, 1 }, { 4, 2 } };
	static const uint8_t clients[2][CLIENT_ID_SIZE] = { { 1 }, { 2 } };
	struct newest first = { .number = 9 }, other = { .number = 1 };
	uint64_t last;

	(void)state;
	begin();
	newest_giver(keys[0], clients[0], first.giver);
	assert_int_equal(newest_take(folder, "a", &first, &last), 0);
	newest_giver(keys[0], clients[0], other.giver);
	assert_int_equal(newest_take(folder, "a", &other, &last), -ESTALE);
	newest_giver(keys[0], clients[1], other.giver);
	assert_int_equal(newest_take(folder, "a", &other, &last), 0);
	newest_giver(keys[1], clients[1], other.giver);
	assert_int_equal(newest_take(folder, "a", &other, &last), 0);
	end();
}

static void only_its_owner_reads_or_writes_it(void **state)
{
	struct stat st;

	(void)state;
	begin();
	umask(0);
	assert_int_equal(take("a", 5, 1), 0);
	assert_int_equal(lstat(path_of("a"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	end();
}

static void assert_damaged(const void *text, size_t len)
{
	char *now;
	size_t now_len;

	assert_int_equal(file_write_atomic(path_of("a"), text, len, 0600), 0);
	assert_int_equal(take("a", UINT64_MAX, 1), -EBADMSG);
	/* It is as it was, for people to look at. */
	assert_int_equal(file_read(path_of("a"), 4096, &now, &now_len), 0);
	assert_int_equal(now_len, len);
	assert_memory_equal(now, text, len);
	free(now);
}

/* A changed digit is another number or hash, which no more can be found out. */
static void a_damaged_record_refuses_all(void **state)
{
	char *text, long_text[1024];
	size_t len;

	(void)state;
	begin();
	assert_int_equal(take("a", 1795305600000, 1), 0);
	assert_int_equal(file_read(path_of("a"), 4096, &text, &len), 0);
	for (size_t size = 0; size < len; size++)
		assert_damaged(text, size);
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		text[i] = '\0';
		assert_damaged(text, len);
		text[i] = 'x';
		assert_damaged(text, len);
		text[i] = was;
	}
	memcpy(long_text, text, len);
	memset(long_text + len, '\n', sizeof long_text - len);
	assert_damaged(long_text, len + 1);
	assert_damaged(long_text, sizeof long_text);
	free(text);
	assert_damaged("muster-order 2\n1 0 0\n", 21);
	end();
}

static void what_is_no_file_of_its_own_is_not_used(void **state)
{
	char target[96];

	(void)state;
	begin();
	snprintf(target, sizeof target, "%s/target", folder);
	assert_int_equal(file_write_atomic(target, "", 0, 0600), 0);
	assert_int_equal(symlink(target, path_of("a")), 0);
	assert_int_equal(take("a", 1, 1), -ELOOP);
	assert_int_equal(mkdir(path_of("b"), 0700), 0);
	assert_int_equal(take("b", 1, 1), -EINVAL);
	assert_int_equal(mkfifo(path_of("c"), 0600), 0);
	assert_int_equal(take("c", 1, 1), -EINVAL);
	end();
}

static void what_can_not_be_written_down_is_not_taken(void **state)
{
	struct newest n = order(1, 1);
	char longer[300], file[96];
	uint64_t last;

	(void)state;
	begin();
	snprintf(file, sizeof file, "%s/file", folder);
	assert_int_equal(newest_take(file, "a", &n, &last), -ENOENT);
	assert_int_equal(file_write_atomic(file, "", 0, 0600), 0);
	assert_int_equal(newest_take(file, "a", &n, &last), -ENOTDIR);
	memset(longer, '/', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(newest_take(longer, "a", &n, &last), -ENAMETOOLONG);
	/* A folder where nothing can be made, even by root. */
	assert_int_equal(newest_take("/proc/self", "a", &n, &last), -ENOENT);
	end();
}

UNIT(it(an_older_order_is_refused), it(the_newest_may_be_given_again_but_no_other_of_its_number),
	it(a_newer_one_is_taken_whatever_it_says), it(names_have_nothing_to_do_with_each_other),
	it(of_another_enrolment_all_is_new), it(only_its_owner_reads_or_writes_it),
	it(a_damaged_record_refuses_all), it(what_is_no_file_of_its_own_is_not_used),
	it(what_can_not_be_written_down_is_not_taken))
