/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "enrol/journal.h"
#include "enrol/paths.h"
#include "enrol/place.h"

/* The journal's place is fixed, so each test has a file system of its own over it. */
static int enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755");
}

static int leave(void **state)
{
	(void)state;
	return umount2("/var/lib", MNT_DETACH);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void raw(const char *text)
{
	assert_int_equal(place_mkdir(JOURNAL_FOLDER, 0700), 0);
	assert_int_equal(place_write(JOURNAL_FILE, text, strlen(text), 0600), 0);
}

static void the_folder_is_made_only_on_demand_and_removed(void **state)
{
	struct journal j;
	struct stat st;

	(void)state;
	assert_int_equal(journal_open(&j, false), -ENOENT);
	assert_false(journal_is_held(&j));
	assert_false(is_there(JOURNAL_FOLDER));
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(lstat(JOURNAL_FOLDER, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(journal_note_now(&j, "enrol", JOURNAL_SENT, "a b"), 0);
	assert_int_equal(journal_end(&j), 0);
	assert_false(is_there(JOURNAL_FOLDER));
	assert_false(journal_is_held(&j));
	assert_int_equal(journal_end(&j), 0);
}

static void two_can_not_hold_it(void **state)
{
	struct journal a, b;

	(void)state;
	assert_int_equal(journal_open(&a, true), 0);
	assert_int_equal(journal_open(&b, true), -EBUSY);
	assert_int_equal(journal_open(&b, false), -EBUSY);
	journal_close(&a);
	assert_int_equal(journal_open(&b, false), 0);
	assert_int_equal(journal_end(&b), 0);
}

static void something_else_in_its_place_is_refused(void **state)
{
	struct journal j;

	(void)state;
	assert_int_equal(symlink("other", JOURNAL_FOLDER), 0);
	assert_int_equal(journal_open(&j, true), -ENOTDIR);
	assert_int_equal(mkdir("/var/lib/other", 0700), 0);
	assert_int_equal(journal_open(&j, true), -ENOTDIR);
	assert_int_equal(unlink(JOURNAL_FOLDER), 0);
	assert_int_equal(mkfifo(JOURNAL_FOLDER, 0600), 0);
	assert_int_equal(journal_open(&j, true), -ENOTDIR);
	assert_int_equal(unlink(JOURNAL_FOLDER), 0);
	assert_int_equal(mkdir(JOURNAL_FOLDER, 0700), 0);
	assert_int_equal(chown(JOURNAL_FOLDER, 65534, 65534), 0);
	assert_int_equal(journal_open(&j, true), -EPERM);
}

static void what_was_synced_is_there_for_the_next_run(void **state)
{
	struct journal j;

	(void)state;
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/a b"), 0);
	assert_int_equal(journal_note(&j, "enrol", JOURNAL_CLIENT, "00ff"), 0);
	assert_int_equal(journal_sync(&j), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/never"), 0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(j.count, 2);
	assert_string_equal(j.entries[0].step, "install");
	assert_int_equal(j.entries[0].kind, JOURNAL_FILE_MADE);
	assert_string_equal(j.entries[0].value, "/var/lib/a b");
	assert_string_equal(journal_find(&j, JOURNAL_CLIENT), "00ff");
	assert_null(journal_find(&j, JOURNAL_READY));
	assert_int_equal(journal_note_now(&j, "install", JOURNAL_READY, "-"), 0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(j.count, 3);
	assert_int_equal(journal_end(&j), 0);
}

static void a_torn_last_line_was_never_synced(void **state)
{
	struct journal j;

	(void)state;
	raw("install file /var/lib/a\ninstall file /var/l");
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(j.count, 1);
	assert_int_equal(journal_end(&j), 0);
}

/* A run that goes on where that one was cut off writes behind what is whole. */
static void what_comes_after_a_torn_line_is_read_by_the_next_run(void **state)
{
	struct journal j;

	(void)state;
	raw("install ready -\nstart uni");
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(journal_note_now(&j, "start", JOURNAL_FILE_MADE, "/var/lib/a"), 0);
	assert_int_equal(journal_note_now(&j, "start", JOURNAL_FILE_MADE, "/var/lib/b"), 0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(j.count, 3);
	assert_string_equal(journal_find(&j, JOURNAL_READY), "-");
	assert_string_equal(j.entries[1].value, "/var/lib/a");
	assert_string_equal(j.entries[2].value, "/var/lib/b");
	assert_int_equal(journal_end(&j), 0);
}

static void a_journal_that_makes_no_sense_is_not_undone(void **state)
{
	static const char *const texts[] = { "\n", "install\n", "install file\n",
		"install dance /var/lib/a\n", "party file /var/lib/a\n",
		"install  file /var/lib/a\n", "install file /var/lib/a\nx\n" };
	struct journal j;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		raw(texts[i]);
		assert_int_equal(journal_open(&j, false), -EBADMSG);
		assert_false(journal_is_held(&j));
		assert_int_equal(place_remove_tree(JOURNAL_FOLDER), 0);
	}
}

static void a_step_is_undone_from_its_end_and_again_without_harm(void **state)
{
	const char *failed = "";
	struct journal j;

	(void)state;
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FOLDER_MADE, "/var/lib/folder"), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/folder/a"), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_KEY_MADE, "/var/lib/folder/key"), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/folder/no"), 0);
	assert_int_equal(journal_note(&j, "fetch", JOURNAL_TREE_MADE, "/var/lib/stage"), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_READY, "-"), 0);
	assert_int_equal(journal_sync(&j), 0);
	assert_int_equal(mkdir("/var/lib/folder", 0700), 0);
	assert_int_equal(place_write("/var/lib/folder/a", "x", 1, 0600), 0);
	assert_int_equal(place_write("/var/lib/folder/key", "x", 1, 0600), 0);
	assert_int_equal(mkdir("/var/lib/stage", 0700), 0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, false), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(journal_undo(&j, "install", &failed), 4);
		assert_false(is_there("/var/lib/folder"));
	}
	assert_true(is_there("/var/lib/stage"));
	assert_int_equal(journal_undo(&j, "fetch", &failed), 1);
	assert_false(is_there("/var/lib/stage"));
	assert_int_equal(journal_undo(&j, "start", &failed), 0);
	assert_int_equal(journal_end(&j), 0);
}

static void what_others_had_is_left(void **state)
{
	const char *failed = "";
	struct journal j;

	(void)state;
	assert_int_equal(mkdir("/var/lib/full", 0700), 0);
	assert_int_equal(place_write("/var/lib/full/theirs", "x", 1, 0600), 0);
	assert_int_equal(place_write("/var/lib/before", "x", 1, 0600), 0);
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FOLDER_MADE, "/var/lib/full"), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/before"), 0);
	assert_int_equal(journal_note_now(&j, "install", JOURNAL_FOLDER_KEPT, "/var/lib/gone"), 0);
	journal_take_back(&j, "/var/lib/before");
	assert_true(journal_undo(&j, "install", &failed) >= 0);
	assert_true(is_there("/var/lib/full/theirs"));
	assert_true(is_there("/var/lib/before"));
	assert_true(is_there("/var/lib/gone"));
	assert_int_equal(journal_end(&j), 0);
}

static void the_first_failure_is_told_and_the_rest_is_undone(void **state)
{
	const char *failed = "";
	struct journal j;

	(void)state;
	assert_int_equal(mkdir("/var/lib/folder", 0700), 0);
	assert_int_equal(place_write("/var/lib/file", "x", 1, 0600), 0);
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(journal_note(&j, "install", JOURNAL_FILE_MADE, "/var/lib/file"), 0);
	assert_int_equal(journal_note_now(&j, "install", JOURNAL_FILE_MADE, "/var/lib/folder"), 0);
	assert_int_equal(journal_undo(&j, "install", &failed), -EISDIR);
	assert_string_equal(failed, "/var/lib/folder");
	assert_false(is_there("/var/lib/file"));
	assert_int_equal(journal_end(&j), 0);
}

static void holds(const char *path, const char *text)
{
	char is[64];

	assert_int_equal(place_read(path, is, sizeof is), strlen(text));
	assert_string_equal(is, text);
}

static void a_former_file_is_put_back_however_far_it_came(void **state)
{
	static const char note[] = "/var/lib/stage/a.former /var/lib/a";
	const char *failed = "";
	struct journal j;

	(void)state;
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(mkdir("/var/lib/stage", 0700), 0);
	assert_int_equal(place_write("/var/lib/a", "former", 6, 0755), 0);
	assert_int_equal(journal_note_now(&j, "install", JOURNAL_REPLACED, note), 0);
	/* Before anything was kept; then kept, and not replaced; then replaced; then put back already. */
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			assert_int_equal(place_link("/var/lib/a", "/var/lib/stage/a.former"), 0);
		if (i == 2) {
			assert_int_equal(place_write("/var/lib/stage/a", "newer", 5, 0755), 0);
			assert_int_equal(place_replace("/var/lib/stage/a", "/var/lib/a"), 0);
			holds("/var/lib/a", "newer");
		}
		journal_close(&j);
		assert_int_equal(journal_open(&j, false), 0);
		assert_int_equal(journal_undo(&j, "install", &failed), 1);
		holds("/var/lib/a", "former");
	}
	assert_false(is_there("/var/lib/stage/a.former"));
	assert_int_equal(journal_end(&j), 0);
}

static void what_tells_no_place_is_not_put_back(void **state)
{
	static const char *const notes[] = { "/var/lib/a", "/var/lib/a ", "/var/lib/a b" };
	const char *failed = "";
	struct journal j;

	(void)state;
	assert_int_equal(place_write("/var/lib/a", "x", 1, 0600), 0);
	for (size_t i = 0; i < COUNT(notes); i++) {
		assert_int_equal(journal_open(&j, true), 0);
		assert_int_equal(journal_note_now(&j, "install", JOURNAL_REPLACED, notes[i]), 0);
		assert_int_equal(journal_undo(&j, "install", &failed), -EINVAL);
		assert_int_equal(journal_end(&j), 0);
	}
	holds("/var/lib/a", "x");
}

static void keys_outlive_a_new_start_but_not_the_end(void **state)
{
	struct journal j;

	(void)state;
	assert_int_equal(journal_open(&j, true), 0);
	assert_int_equal(journal_note_now(&j, "enrol", JOURNAL_SENT, "a b"), 0);
	assert_int_equal(place_write(JOURNAL_FOLDER "/" IDENTITY_NAME, "x", 1, 0600), 0);
	assert_int_equal(journal_restart(&j), 0);
	assert_int_equal(j.count, 0);
	assert_true(is_there(JOURNAL_FOLDER "/" IDENTITY_NAME));
	assert_int_equal(journal_note_now(&j, "enrol", JOURNAL_SENT, "c d"), 0);
	journal_close(&j);
	assert_int_equal(journal_open(&j, false), 0);
	assert_int_equal(j.count, 1);
	assert_string_equal(journal_find(&j, JOURNAL_SENT), "c d");
	assert_int_equal(journal_end(&j), 0);
	assert_false(is_there(JOURNAL_FOLDER));
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, enter, leave)

UNIT(in_place(the_folder_is_made_only_on_demand_and_removed), in_place(two_can_not_hold_it),
	in_place(something_else_in_its_place_is_refused),
	in_place(what_was_synced_is_there_for_the_next_run),
	in_place(a_torn_last_line_was_never_synced),
	in_place(what_comes_after_a_torn_line_is_read_by_the_next_run),
	in_place(a_journal_that_makes_no_sense_is_not_undone),
	in_place(a_step_is_undone_from_its_end_and_again_without_harm),
	in_place(what_others_had_is_left),
	in_place(the_first_failure_is_told_and_the_rest_is_undone),
	in_place(a_former_file_is_put_back_however_far_it_came),
	in_place(what_tells_no_place_is_not_put_back),
	in_place(keys_outlive_a_new_start_but_not_the_end))
