/* SPDX-License-Identifier: MIT */
/* What this machine remembers of releases: all of it or nothing, and never a guess. */
#include "tests/unit/unit.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/release.h"

#define KEY   "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
#define OTHER "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO4"
#define HASH  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct enrol e;
static struct release_seen seen;

static int enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	e = (struct enrol){ .options.release_key_text = KEY,
		.manifest = { .serial = 3,
			.version = "0.1.0",
			.count = 2,
			.files = { { .path = "linux/" MUSTER_ARCH "/muster-agent", .size = 1 },
				{ .path = "linux/" MUSTER_ARCH "/muster-enrol", .size = 2 } } } };
	memset(e.manifest.files[0].sha256, 0xa1, 32);
	memset(e.manifest.files[1].sha256, 0xe2, 32);
	e.agent = &e.manifest.files[0];
	return mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=755");
}

static int leave(void **state)
{
	(void)state;
	return umount2("/var/lib", MNT_DETACH);
}

static void raw(const char *text)
{
	assert_int_equal(place_remove(RELEASE_FILE), 0);
	assert_int_equal(place_write(RELEASE_FILE, text, strlen(text), 0644), 0);
}

static void what_is_noted_is_read(void **state)
{
	struct release_seen offered;
	struct stat st;

	(void)state;
	assert_int_equal(release_read(KEY, &seen), 0);
	assert_false(seen.known);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(release_note(&e, i == 0), 0);
		assert_int_equal(release_read(KEY, &seen), 0);
		assert_true(seen.known);
		assert_int_equal(seen.serial, e.manifest.serial);
		assert_string_equal(seen.version, "0.1.0");
		release_of(&e, &offered);
		assert_true(release_same_programs(&seen, &offered));
		offered.program[31] ^= 1;
		assert_false(release_same_programs(&seen, &offered));
		e.manifest.serial = UINT64_MAX;
	}
	assert_int_equal(lstat(RELEASE_FILE, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void one_that_is_there_is_not_made_again(void **state)
{
	(void)state;
	raw("somebody's");
	assert_int_equal(release_note(&e, true), -EEXIST);
	assert_int_equal(release_read(KEY, &seen), -EBADMSG);
}

static void a_release_of_another_key_is_none(void **state)
{
	(void)state;
	assert_int_equal(release_note(&e, true), 0);
	assert_int_equal(release_read(OTHER, &seen), 0);
	assert_false(seen.known);
	assert_int_equal(seen.serial, 0);
}

static void a_manifest_without_the_second_program_is_noted(void **state)
{
	static const uint8_t none[32];

	(void)state;
	e.manifest.count = 1;
	assert_int_equal(release_note(&e, true), 0);
	assert_int_equal(release_read(KEY, &seen), 0);
	assert_memory_equal(seen.program, none, sizeof none);
	assert_memory_equal(seen.agent, e.agent->sha256, sizeof none);
}

#define WITH(key, serial, agent, enrol)                                                            \
	"key=" key "\nserial=" serial "\nversion=1\nagent=" agent "\nenrol=" enrol "\n"

static void what_is_not_understood_is_no_release(void **state)
{
	static const char *const texts[] = { "", "\n", "key=" KEY "\n", WITH("", "3", HASH, HASH),
		WITH(KEY, "", HASH, HASH), WITH(KEY, "x", HASH, HASH), WITH(KEY, "-1", HASH, HASH),
		WITH(KEY, "18446744073709551616", HASH, HASH), WITH(KEY, "3", "", HASH),
		WITH(KEY, "3", HASH, ""), WITH(KEY, "3", HASH "0", HASH),
		WITH(KEY, "3", "00", HASH), WITH(KEY, "3", HASH, "g" HASH) };

	(void)state;
	raw(WITH(KEY, "3", HASH, HASH));
	assert_int_equal(release_read(KEY, &seen), 0);
	assert_true(seen.known);
	for (size_t i = 0; i < COUNT(texts); i++) {
		raw(texts[i]);
		assert_int_equal(release_read(KEY, &seen), -EBADMSG);
		assert_false(seen.known);
	}
}

static void only_a_small_regular_file_is_one(void **state)
{
	char long_text[4096];

	(void)state;
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	raw(long_text);
	assert_int_equal(release_read(KEY, &seen), -EBADMSG);
	assert_int_equal(unlink(RELEASE_FILE), 0);
	assert_int_equal(symlink("/etc/passwd", RELEASE_FILE), 0);
	assert_int_equal(release_read(KEY, &seen), -ELOOP);
	assert_int_equal(unlink(RELEASE_FILE), 0);
	assert_int_equal(mkfifo(RELEASE_FILE, 0600), 0);
	assert_int_equal(release_read(KEY, &seen), -EBADMSG);
	/* What is replaced is the name, not what a link leads to. */
	assert_int_equal(unlink(RELEASE_FILE), 0);
	raw("x");
	assert_int_equal(rename(RELEASE_FILE, "/var/lib/other"), 0);
	assert_int_equal(symlink("other", RELEASE_FILE), 0);
	assert_int_equal(release_note(&e, false), 0);
	assert_int_equal(release_read(KEY, &seen), 0);
	assert_int_equal(place_read("/var/lib/other", long_text, sizeof long_text), 1);
}

static void a_folder_that_others_can_change_is_no_place_for_it(void **state)
{
	(void)state;
	assert_int_equal(chmod("/var/lib", 0777), 0);
	assert_int_equal(release_note(&e, true), -EPERM);
	assert_int_equal(release_note(&e, false), -EPERM);
	assert_int_equal(release_read(KEY, &seen), -EPERM);
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, enter, leave)

UNIT(in_place(what_is_noted_is_read), in_place(one_that_is_there_is_not_made_again),
	in_place(a_release_of_another_key_is_none),
	in_place(a_manifest_without_the_second_program_is_noted),
	in_place(what_is_not_understood_is_no_release), in_place(only_a_small_regular_file_is_one),
	in_place(a_folder_that_others_can_change_is_no_place_for_it))
