/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "enrol/place.h"
#include "lib/file.h"

#define OTHER 65534 /* a user and group who aren't root */

/* Root's folder in root's folders, unlike anything below /tmp. Each test stands in one of its own.
 */
static char top[64];

static int enter(void **state)
{
	(void)state;
	strcpy(top, "/root/unit-place-XXXXXX");
	return mkdtemp(top) && chdir(top) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	return chdir("/") == 0 ? place_remove_tree(top) : -1;
}

static const char *at(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % COUNT(paths)];

	snprintf(path, sizeof paths[0], "%s/%s", top, name);
	return path;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(place_write(at(name), text, strlen(text), 0644), 0);
}

static void holds(const char *name, const char *text)
{
	char is[64];

	assert_int_equal(place_read(at(name), is, sizeof is), strlen(text));
	assert_string_equal(is, text);
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static void a_file_is_written_with_its_mode(void **state)
{
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(place_write(at("a"), "text", 4, 0600), 0);
	assert_int_equal(place_look(at("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	holds("a", "text");
	umask(077);
	assert_int_equal(place_write(at("b"), "", 0, 0755), 0);
	assert_int_equal(place_look(at("b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void nothing_that_is_there_is_written_over(void **state)
{
	(void)state;
	put("file", "before");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(symlink("/root/unit-place-target", "dangling"), 0);
	assert_int_equal(symlink("file", "link"), 0);
	for (const char *const *name =
			(const char *const[]){ "file", "fifo", "folder", "dangling", "link", NULL };
		*name; name++) {
		assert_int_equal(place_write(at(*name), "x", 1, 0600), -EEXIST);
		assert_int_equal(place_create(at(*name), 0600), -EEXIST);
		assert_int_equal(place_mkdir(at(*name), 0700), -EEXIST);
		assert_int_equal(place_symlink(at(*name), "x"), -EEXIST);
	}
	put("other", "x");
	assert_int_equal(place_move(at("other"), at("file")), -EEXIST);
	assert_int_equal(place_move(at("other"), at("dangling")), -EEXIST);
	holds("file", "before");
	holds("other", "x");
	assert_false(is_there("/root/unit-place-target"));
}

static void a_folder_that_others_can_change_is_refused(void **state)
{
	static const struct {
		mode_t mode;
		uid_t user;
		gid_t group;
	} folders[] = { { 0777, 0, 0 }, { 01777, 0, 0 }, { 0775, 0, OTHER }, { 0755, OTHER, 0 },
		{ 0700, OTHER, OTHER } };

	(void)state;
	assert_int_equal(mkdir("outer", 0755), 0);
	assert_int_equal(mkdir("outer/inner", 0755), 0);
	put("outer/inner/file", "before");
	for (size_t i = 0; i < COUNT(folders); i++) {
		struct stat st;

		assert_int_equal(chown("outer", folders[i].user, folders[i].group), 0);
		assert_int_equal(chmod("outer", folders[i].mode), 0);
		assert_int_equal(place_folder(at("outer")), -EPERM);
		assert_int_equal(place_folder(at("outer/inner")), -EPERM);
		assert_int_equal(place_look(at("outer/file"), &st), -EPERM);
		assert_int_equal(place_write(at("outer/file"), "x", 1, 0600), -EPERM);
		assert_int_equal(place_write(at("outer/inner/new"), "x", 1, 0600), -EPERM);
		assert_int_equal(place_mkdir(at("outer/folder"), 0700), -EPERM);
		assert_int_equal(place_symlink(at("outer/link"), "x"), -EPERM);
		assert_int_equal(place_open(at("outer/inner/file")), -EPERM);
		assert_int_equal(place_replace(at("outer/inner/file"), at("new")), -EPERM);
		assert_int_equal(place_replace(at("new"), at("outer/inner/file")), -EPERM);
		assert_int_equal(place_link(at("outer/inner/file"), at("new")), -EPERM);
		assert_int_equal(place_link(at("new"), at("outer/inner/new")), -EPERM);
		assert_int_equal(place_look_in(at("outer/inner"), "file", &st), -EPERM);
		assert_int_equal(place_remove(at("outer/inner/file")), -EPERM);
		assert_int_equal(place_remove_tree(at("outer/inner")), -EPERM);
		assert_int_equal(place_wipe_in(at("outer/inner"), "file"), -EPERM);
	}
	assert_int_equal(chown("outer", 0, 0), 0);
	assert_int_equal(chmod("outer", 0775), 0);
	holds("outer/inner/file", "before");
	assert_false(is_there("outer/file"));
}

static void a_link_in_the_way_is_followed_where_root_alone_made_it(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir("real", 0755), 0);
	assert_int_equal(symlink("real", "relative"), 0);
	assert_int_equal(symlink(at("relative/../relative"), "absolute"), 0);
	assert_int_equal(place_write(at("absolute/file"), "x", 1, 0600), 0);
	assert_true(is_there("real/file"));
	assert_int_equal(mkdir("open", 0777), 0);
	assert_int_equal(chmod("open", 0777), 0);
	assert_int_equal(symlink("../real", "open/link"), 0);
	assert_int_equal(place_write(at("open/link/other"), "x", 1, 0600), -EPERM);
	assert_int_equal(symlink("open/link", "through"), 0);
	assert_int_equal(place_write(at("through/other"), "x", 1, 0600), -EPERM);
	assert_false(is_there("real/other"));
	assert_int_equal(symlink("round", "round"), 0);
	assert_int_equal(place_folder(at("round")), -ELOOP);
	fd = place_folder("/");
	assert_true(fd >= 0);
	close(fd);
}

static void only_regular_files_are_read_and_whole(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("file", "link"), 0);
	put("file", "1234567");
	put("long", "12345678");
	assert_int_equal(place_read(at("file"), text, sizeof text), 7);
	assert_int_equal(place_read(at("long"), text, sizeof text), -EFBIG);
	assert_int_equal(place_read(at("fifo"), text, sizeof text), -EINVAL);
	assert_int_equal(place_read(at("link"), text, sizeof text), -ELOOP);
	assert_int_equal(place_read(at("none"), text, sizeof text), -ENOENT);
	assert_int_equal(place_read("/root", text, sizeof text), -EINVAL);
}

static void what_is_copied_is_the_same(void **state)
{
	int fd;

	(void)state;
	put("from", "text");
	fd = open("from", O_RDONLY);
	assert_int_equal(place_copy(at("to"), fd, 0755), 0);
	assert_int_equal(place_copy(at("to"), fd, 0755), -EEXIST);
	close(fd);
	holds("to", "text");
	assert_int_equal(place_move(at("to"), at("there")), 0);
	holds("there", "text");
	assert_false(is_there("to"));
}

static void a_file_is_replaced_by_a_rename_and_kept_under_another_name(void **state)
{
	int fd;

	(void)state;
	put("former", "former");
	put("newer", "newer");
	assert_int_equal(place_link(at("former"), at("kept")), 0);
	assert_int_equal(place_link(at("former"), at("newer")), -EEXIST);
	assert_int_equal(place_link(at("none"), at("other")), -ENOENT);
	assert_int_equal(place_replace(at("newer"), at("former")), 0);
	assert_false(is_there("newer"));
	holds("former", "newer");
	holds("kept", "former");
	assert_int_equal(place_replace(at("kept"), at("former")), 0);
	holds("former", "former");
	assert_int_equal(place_replace(at("none"), at("former")), -ENOENT);
	/* A link isn't followed, at either end. */
	assert_int_equal(symlink("former", "link"), 0);
	put("newer", "newer");
	assert_int_equal(place_link(at("link"), at("kept")), 0);
	assert_int_equal(place_open(at("kept")), -ELOOP);
	assert_int_equal(place_replace(at("newer"), at("link")), 0);
	holds("former", "former");
	holds("link", "newer");
	fd = place_open(at("former"));
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(place_open(at("fifo")), -EINVAL);
	assert_int_equal(place_open(at("none")), -ENOENT);
}

static void removing_what_is_not_there_is_fine(void **state)
{
	(void)state;
	assert_int_equal(place_remove(at("none")), 0);
	assert_int_equal(place_remove(at("none/none")), 0);
	assert_int_equal(place_remove_folder(at("none")), 0);
	assert_int_equal(place_remove_tree(at("none")), 0);
	assert_int_equal(place_remove_tree(at("none/none")), 0);
	assert_int_equal(place_wipe_in(at("none"), "none"), 0);
	assert_int_equal(place_wipe_in(at("."), "none"), 0);
}

static void a_tree_is_removed_but_nothing_that_links_in_it_lead_to(void **state)
{
	(void)state;
	put("outside", "before");
	assert_int_equal(mkdir("far", 0755), 0);
	put("far/file", "before");
	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(mkdir("tree/deep", 0700), 0);
	put("tree/deep/file", "x");
	assert_int_equal(mkfifo("tree/fifo", 0600), 0);
	assert_int_equal(symlink("../outside", "tree/link"), 0);
	assert_int_equal(symlink("../far", "tree/folder"), 0);
	assert_int_equal(link("outside", "tree/hard"), 0);
	assert_int_equal(chown("tree", OTHER, OTHER), 0);
	assert_int_equal(place_remove_folder(at("tree")), -ENOTEMPTY);
	assert_int_equal(place_remove_tree(at("tree")), 0);
	assert_false(is_there("tree"));
	holds("outside", "before");
	holds("far/file", "before");
	assert_int_equal(symlink("far", "link"), 0);
	assert_int_equal(place_remove_tree(at("link")), 0);
	assert_false(is_there("link"));
	holds("far/file", "before");
}

static void wiping_zeroes_the_file_and_no_other(void **state)
{
	int fd;
	char text[8] = "";

	(void)state;
	assert_int_equal(mkdir("state", 0700), 0);
	put("state/key", "secret");
	put("mine", "before");
	fd = open("state/key", O_RDONLY);
	assert_int_equal(symlink("../mine", "state/link"), 0);
	assert_int_equal(link("mine", "state/hard"), 0);
	assert_int_equal(chown("state", OTHER, OTHER), 0);
	assert_int_equal(place_wipe_in(at("state"), "key"), 0);
	assert_int_equal(place_wipe_in(at("state"), "link"), 0);
	assert_int_equal(place_wipe_in(at("state"), "hard"), 0);
	assert_int_equal(read(fd, text, sizeof text), 6);
	assert_memory_equal(text, "\0\0\0\0\0\0", 6);
	close(fd);
	assert_false(is_there("state/key") || is_there("state/link") || is_there("state/hard"));
	holds("mine", "before");
}

/* A file without content that is as long as its owner likes: the disk isn't filled with zeros. */
static void wiping_ends_also_with_a_file_that_seems_endless(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(mkdir("state", 0700), 0);
	fd = open("state/key", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(chown("state", OTHER, OTHER), 0);
	assert_int_equal(place_wipe_in(at("state"), "key"), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 <= 1 << 20);
	close(fd);
	assert_false(is_there("state/key"));
}

static void a_file_in_anothers_folder_is_written_for_its_owner_and_nowhere_else(void **state)
{
	struct stat st;

	(void)state;
	put("mine", "before");
	assert_int_equal(mkdir("state", 0700), 0);
	assert_int_equal(symlink("../mine", "state/link"), 0);
	assert_int_equal(symlink("state", "link"), 0);
	assert_int_equal(chown("state", OTHER, OTHER), 0);
	assert_int_equal(place_write_in(at("state"), "key", "x", 1, 0600), 0);
	assert_int_equal(lstat("state/key", &st), 0);
	assert_int_equal(st.st_uid, OTHER);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(place_write_in(at("state"), "link", "x", 1, 0600), -EEXIST);
	assert_int_equal(place_write_in(at("state"), "key", "y", 1, 0600), -EEXIST);
	assert_true(place_write_in(at("link"), "other", "x", 1, 0600) < 0);
	assert_false(is_there("state/other"));
	holds("mine", "before");
}

static void a_key_is_claimed_but_no_other_file_through_it(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir("state", 0700), 0);
	put("state/key", "x");
	put("mine", "x");
	assert_int_equal(chown("state/key", OTHER, OTHER), 0);
	assert_int_equal(chown("mine", OTHER, OTHER), 0);
	assert_int_equal(symlink("../mine", "state/link"), 0);
	assert_int_equal(link("mine", "state/hard"), 0);
	assert_int_equal(mkfifo("state/fifo", 0600), 0);
	assert_int_equal(chown("state", OTHER, OTHER), 0);
	assert_int_equal(place_claim_in(at("state"), "key"), 0);
	assert_int_equal(lstat("state/key", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(place_claim_in(at("state"), "link"), -ELOOP);
	assert_int_equal(place_claim_in(at("state"), "hard"), -EMLINK);
	assert_int_equal(place_claim_in(at("state"), "fifo"), -EINVAL);
	assert_int_equal(place_claim_in(at("state"), "none"), -ENOENT);
	assert_int_equal(lstat("mine", &st), 0);
	assert_int_equal(st.st_uid, OTHER);
}

static void a_path_that_is_none_is_refused(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(place_folder("relative"), -EINVAL);
	assert_int_equal(place_look("", &st), -EINVAL);
	assert_int_equal(place_look("/root/", &st), -EINVAL);
	put("file", "x");
	assert_int_equal(place_folder(at("file")), -ENOTDIR);
	assert_int_equal(place_look(at("file/x"), &st), -ENOTDIR);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, enter, leave)

UNIT(in_folder(a_file_is_written_with_its_mode), in_folder(nothing_that_is_there_is_written_over),
	in_folder(a_folder_that_others_can_change_is_refused),
	in_folder(a_link_in_the_way_is_followed_where_root_alone_made_it),
	in_folder(only_regular_files_are_read_and_whole), in_folder(what_is_copied_is_the_same),
	in_folder(a_file_is_replaced_by_a_rename_and_kept_under_another_name),
	in_folder(removing_what_is_not_there_is_fine),
	in_folder(a_tree_is_removed_but_nothing_that_links_in_it_lead_to),
	in_folder(wiping_zeroes_the_file_and_no_other),
	in_folder(wiping_ends_also_with_a_file_that_seems_endless),
	in_folder(a_file_in_anothers_folder_is_written_for_its_owner_and_nowhere_else),
	in_folder(a_key_is_claimed_but_no_other_file_through_it),
	in_folder(a_path_that_is_none_is_refused))
