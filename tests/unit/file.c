/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/file.h"

/* Each test has a folder of its own and stands in it. */
static int enter(void **state)
{
	static char folder[32];

	strcpy(folder, "/tmp/unit-file-XXXXXX");
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	DIR *d = opendir(".");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove(e->d_name);
	closedir(d);
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static int names(void)
{
	DIR *d = opendir(".");
	int count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count - 2;
}

static void put(const char *path, const char *text, mode_t mode)
{
	assert_int_equal(file_write_atomic(path, text, strlen(text), mode), 0);
}

static int get(const char *path, size_t limit, bool secret)
{
	char *text = NULL;
	size_t len = 0;
	int r = secret ? file_read_secret(path, limit, &text, &len)
		       : file_read(path, limit, &text, &len);

	if (r < 0)
		assert_null(text);
	else
		assert_int_equal(text[len], '\0');
	if (secret)
		secret_free(text);
	else
		free(text);
	return r < 0 ? r : (int)len;
}

static void a_file_of_up_to_the_limit_is_read(void **state)
{
	(void)state;
	put("a", "12345", 0600);
	put("empty", "", 0600);
	for (int secret = 0; secret < 2; secret++) {
		assert_int_equal(get("a", 5, secret), 5);
		assert_int_equal(get("a", 6, secret), 5);
		assert_int_equal(get("a", 4, secret), -EFBIG);
		assert_int_equal(get("empty", 0, secret), 0);
	}
}

static void what_is_no_regular_file_is_refused(void **state)
{
	(void)state;
	put("a", "12345", 0600);
	assert_int_equal(symlink("a", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	for (int secret = 0; secret < 2; secret++) {
		assert_int_equal(get("link", 10, secret), -ELOOP);
		assert_int_equal(get("fifo", 10, secret), -EINVAL);
		assert_int_equal(get("folder", 10, secret), -EINVAL);
		assert_int_equal(get("none", 10, secret), -ENOENT);
	}
}

static void a_secret_that_others_may_touch_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0666, 0777 };

	(void)state;
	put("a", "secret", 0600);
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(chmod("a", modes[i]), 0);
		assert_int_equal(get("a", 10, true), -EPERM);
		assert_int_equal(get("a", 10, false), 6);
	}
	assert_int_equal(chmod("a", 0400), 0);
	assert_int_equal(get("a", 10, true), 6);
}

static void a_secret_of_another_user_is_refused(void **state)
{
	(void)state;
	put("a", "secret", 0600);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown("a", 65534, 65534), 0);
	assert_int_equal(get("a", 10, true), -EPERM);
}

static void a_written_file_has_its_mode_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 077, 0777 };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < COUNT(masks); i++) {
		mode_t before = umask(masks[i]);

		put("a", "x", 0640);
		umask(before);
		assert_int_equal(stat("a", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
	}
	assert_int_equal(names(), 1);
}

static void a_link_is_replaced_and_not_followed(void **state)
{
	struct stat st;

	(void)state;
	put("target", "untouched", 0600);
	assert_int_equal(symlink("target", "a"), 0);
	put("a", "new", 0600);
	assert_int_equal(get("target", 100, false), 9);
	assert_int_equal(lstat("a", &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void creating_refuses_whatever_is_there(void **state)
{
	(void)state;
	assert_int_equal(file_create("a", "first", 5, 0600), 0);
	assert_int_equal(file_create("a", "second!", 7, 0600), -EEXIST);
	assert_int_equal(get("a", 100, false), 5);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(file_create("dangling", "x", 1, 0600), -EEXIST);
	assert_int_equal(names(), 2);
}

static void a_failure_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(file_write_atomic("folder", "x", 1, 0600), -EISDIR);
	assert_int_equal(file_write_atomic("none/a", "x", 1, 0600), -ENOENT);
	assert_int_equal(file_write_atomic("folder/", "x", 1, 0600), -EISDIR);
	assert_int_equal(names(), 1);
}

static void paths_with_and_without_folders_work(void **state)
{
	char path[100];

	assert_int_equal(mkdir("folder", 0700), 0);
	put("folder/a", "1", 0600);
	snprintf(path, sizeof path, "%s/b", (char *)*state);
	put(path, "22", 0600);
	assert_int_equal(get("folder/a", 10, false), 1);
	assert_int_equal(get("b", 10, false), 2);
	assert_int_equal(remove("folder/a"), 0);
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, enter, leave)

UNIT(in_folder(a_file_of_up_to_the_limit_is_read), in_folder(what_is_no_regular_file_is_refused),
	in_folder(a_secret_that_others_may_touch_is_refused),
	in_folder(a_secret_of_another_user_is_refused),
	in_folder(a_written_file_has_its_mode_whatever_the_umask),
	in_folder(a_link_is_replaced_and_not_followed),
	in_folder(creating_refuses_whatever_is_there), in_folder(a_failure_leaves_nothing_behind),
	in_folder(paths_with_and_without_folders_work))
