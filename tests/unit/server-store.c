/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "server/store/schema.h"

static void the_files_are_for_their_owner_only(void **state)
{
	struct fixture *f = *state;
	char wal[264];
	struct stat st;

	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_commit_survives_and_a_rollback_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t seen = 0;

	assert_int_equal(store_begin(f->store), 0);
	assert_true(store_in_transaction(f->store));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_audit(f->store, "server", "test.kept", "", ""), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_false(store_in_transaction(f->store));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_audit(f->store, "server", "test.dropped", "", ""), 0);
	store_rollback(f->store);
	store_rollback(f->store);
	reopen(f);
	seen = (uint64_t)raw_number(f->path, "SELECT count(*) FROM audit");
	assert_int_equal(seen, 1);
}

static void an_open_transaction_is_undone_by_close(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_audit(f->store, "server", "test.dropped", "", ""), 0);
	reopen(f);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM audit"), 0);
}

static void a_store_in_memory_works(void **state)
{
	struct store *s = NULL;

	(void)state;
	assert_int_equal(store_open(&(struct db_place){ ":memory:", NULL }, fixture_key, &s), 0);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_audit(s, "server", "test", "", ""), 0);
	assert_int_equal(store_commit(s), 0);
	assert_null(store_close(s));
	assert_null(store_close(NULL));
}

/* ---- files that are not what they should be */

static int try_open(const char *path)
{
	struct store *s = NULL;
	int r = store_open(&(struct db_place){ path, NULL }, fixture_key, &s);

	store_close(s);
	return r;
}

static void close_store(struct fixture *f)
{
	f->store = store_close(f->store);
}

static void a_later_schema_is_refused_and_untouched(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	assert_int_equal(raw(f->path, "UPDATE meta SET value = 99 WHERE name = 'schema'"), 0);
	assert_int_equal(try_open(f->path), -EPROTONOSUPPORT);
	assert_int_equal(raw_number(f->path, "SELECT value FROM meta WHERE name = 'schema'"), 99);
}

static void a_schema_without_version_is_refused(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	assert_int_equal(raw(f->path, "DELETE FROM meta"), 0);
	assert_true(try_open(f->path) < 0);
}

static void another_programs_database_is_refused(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	unlink(f->path);
	assert_int_equal(raw(f->path, "CREATE TABLE token (x)"), 0);
	assert_int_equal(try_open(f->path), -EBADMSG);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void fill(const char *path, off_t at, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(pwrite(fd, "x", 1, at + (off_t)i), 1);
	close(fd);
}

static void a_damaged_database_is_refused(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	fill(f->path, 0, 100);
	assert_int_equal(try_open(f->path), -EBADMSG);
}

static void damage_found_later_is_an_error_not_a_crash(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct stat st;
	int failed = 0;

	for (int i = 0; i < 50; i++)
		make_token(f->store, 1, 0, token, &t);
	close_store(f);
	assert_int_equal(stat(f->path, &st), 0);
	fill(f->path, 2 * 4096, (size_t)st.st_size - 2 * 4096);
	if (store_open(&(struct db_place){ f->path, NULL }, fixture_key, &f->store) < 0) {
		f->store = NULL;
		return;
	}
	failed = store_token_find(f->store, token, &t) < 0;
	failed |= store_begin(f->store) < 0;
	failed |= store_audit(f->store, "a", "b", "c", "d") < 0;
	assert_true(failed);
}

static void a_link_or_a_missing_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[128];

	snprintf(other, sizeof(other), "%s/link.db", f->folder);
	assert_int_equal(symlink(f->path, other), 0);
	assert_int_equal(try_open(other), -ELOOP);
	unlink(other);
	snprintf(other, sizeof(other), "%s/none/muster.db", f->folder);
	assert_int_equal(try_open(other), -ENOENT);
}

/* ---- with a file system of its own: needs root, as the machines' tests do */

static void mount_small(const char *folder, const char *options, unsigned long flags)
{
	if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV | flags, options) < 0) {
		print_message("needs the right to mount\n");
		skip();
	}
}

static void a_full_disk_fails_the_turn_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	char folder[96], path[128];
	int kept = 0, r;

	snprintf(folder, sizeof(folder), "%s/small", f->folder);
	snprintf(path, sizeof(path), "%s/muster.db", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	mount_small(folder, "size=1m", 0);
	assert_int_equal(store_open(&(struct db_place){ path, NULL }, fixture_key, &s), 0);
	do {
		char detail[2000];

		memset(detail, 'x', sizeof(detail) - 1);
		detail[sizeof(detail) - 1] = '\0';
		r = store_begin(s);
		if (r == 0)
			r = store_audit(s, "server", "test", "", detail);
		if (r == 0)
			r = store_commit(s);
		if (r == 0)
			kept++;
	} while (r == 0 && kept < 10000);
	assert_int_equal(r, -EIO);
	store_rollback(s);
	assert_false(store_in_transaction(s));
	assert_true(kept > 10);
	store_close(s);
	assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT, "size=4m"), 0);
	assert_int_equal(store_open(&(struct db_place){ path, NULL }, fixture_key, &s), 0);
	assert_int_equal(raw_number(path, "SELECT count(*) FROM audit"), kept);
	store_close(s);
	assert_int_equal(umount(folder), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void a_read_only_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *s = NULL;
	char folder[96], path[128];

	snprintf(folder, sizeof(folder), "%s/small", f->folder);
	snprintf(path, sizeof(path), "%s/muster.db", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	mount_small(folder, "size=2m", 0);
	assert_int_equal(store_open(&(struct db_place){ path, NULL }, fixture_key, &s), 0);
	store_close(s);
	assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(try_open(path), -EROFS);
	assert_int_equal(umount(folder), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* ---- killed in the middle */

/* Closes fd once the first three are acknowledged. */
static void enrol_until_killed(
	const char *path, const uint8_t token[static TOKEN_SIZE], uint32_t n, int fd)
{
	struct store *s = NULL;

	if (store_open_at(path, fixture_key, &fixture_clock, &s) < 0)
		_exit(1);
	for (;; n += 3) {
		if (store_begin(s) < 0)
			_exit(1);
		for (uint32_t i = 0; i < 3; i++)
			if (enrol_number(s, token, n + i) != 0)
				_exit(1);
		if (store_commit(s) < 0)
			_exit(1);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
}

static void uses_are_clients_whenever_it_was_killed(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct audit_verdict v;
	int64_t clients = 0;

	make_token(f->store, UNLIMITED_USES, 0, token, &t);
	close_store(f);
	for (uint32_t round = 0; round < 8; round++) {
		int first[2];
		char none;

		assert_int_equal(pipe(first), 0);
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			close(first[0]);
			enrol_until_killed(f->path, token, round * 1000000, first[1]);
		}
		close(first[1]);
		if (round % 2 == 1)
			assert_int_equal(read(first[0], &none, 1), 0);
		close(first[0]);
		/* not a wait for something: the moment of the kill is what varies */
		usleep(round * 7301);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &f->store), 0);
		assert_int_equal(store_token_find(f->store, token, &t), 0);
		clients = raw_number(f->path, "SELECT count(*) FROM client");
		assert_int_equal(t.used, clients);
		assert_int_equal(clients % 3, 0);
		assert_int_equal(store_audit_verify(f->store, &v), 0);
		assert_int_equal(v.first_bad, 0);
		assert_int_equal(v.entries, clients + 1);
		close_store(f);
	}
	assert_true(clients > 0);
}

/* ---- tables */

static void the_tables_refuse_what_must_never_be(void **state)
{
	static const char *const never[] = {
		"UPDATE token SET used = uses + 1",
		"UPDATE token SET used = -1",
		"UPDATE token SET hash = (SELECT hash FROM token ORDER BY id LIMIT 1)",
		"UPDATE client SET tls_pin = (SELECT tls_pin FROM client ORDER BY id LIMIT 1)",
		"UPDATE client SET identity = (SELECT identity FROM client ORDER BY id LIMIT 1)",
		"UPDATE client SET id = (SELECT id FROM client ORDER BY id LIMIT 1)",
		"UPDATE client SET identity = x'04'",
		"UPDATE token SET uses = 'many'",
		"INSERT INTO audit_head (one, seq, hash) SELECT 2, seq, hash FROM audit_head",
	};
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 1, 0, token, &t);
	make_token(f->store, 2, 0, token, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), 0);
	assert_int_equal(enrol_number(f->store, token, 2), 0);
	assert_int_equal(store_commit(f->store), 0);
	for (size_t i = 0; i < COUNT(never); i++)
		if (raw(f->path, never[i]) != SQLITE_CONSTRAINT)
			fail_msg("taken: %s", never[i]);
	assert_int_equal(
		raw(f->path, on_postgresql() ? "DELETE FROM token"
					     : "PRAGMA foreign_keys = 1; DELETE FROM token"),
		SQLITE_CONSTRAINT);
}

static void the_schema_has_a_version(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(raw_number(f->path, "SELECT value FROM meta WHERE name = 'schema'"),
		schema_version());
	if (!on_postgresql())
		assert_int_equal(raw_number(f->path, "PRAGMA application_id"), 0x6d757374);
}

/* ---- the clock */

static uint64_t now_in_transaction(struct store *s)
{
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_commit(s), 0);
	return store_now(s);
}

static void the_clock_goes_on_when_the_systems_is_put_back(void **state)
{
	struct fixture *f = *state;
	uint64_t before = now_in_transaction(f->store);

	fixture_wall -= 2 * 86400;
	assert_int_equal(now_in_transaction(f->store), before);
	fixture_wall += 100;
	fixture_elapsed += 100;
	assert_int_equal(now_in_transaction(f->store), before + 50);
	fixture_wall += 3 * 86400;
	assert_int_equal(now_in_transaction(f->store), fixture_wall);
}

static void the_clock_is_not_forgotten_by_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	fixture_wall += 3; /* less than what is written at once */
	before = now_in_transaction(f->store);
	fixture_wall -= 2 * 86400;
	reopen(f);
	assert_int_equal(store_now(f->store), before);
}

static void ten_years_ahead_and_back_leaves_expired_expired(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE], made_then[TOKEN_SIZE], for_ever[TOKEN_SIZE];
	struct token_record t;
	const uint64_t jump = 3652ull * 86400;

	make_token(f->store, 5, 86400, token, &t);
	make_token(f->store, 5, 0, for_ever, &t);
	fixture_wall += jump;
	reopen(f);
	make_token(f->store, 5, 7200, made_then, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, made_then, 7), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);

	fixture_wall -= jump - 60;
	reopen(f);
	assert_int_equal(store_now(f->store), fixture_wall);
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), NACK_TOKEN_EXPIRED);
	assert_int_equal(enrol_number(f->store, for_ever, 2), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_token_find(f->store, made_then, &t), 0);
	assert_int_equal(t.state, TOKEN_LIVE);
	assert_int_equal(t.expires, fixture_wall + 7200);
	assert_int_equal(t.created, fixture_wall);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM client WHERE enrolled > 1800000060"), 0);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'server.clock'"), 1);
	fixture_wall += 7201;
	assert_int_equal(store_token_find(f->store, made_then, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);
}

static void a_set_back_that_is_rolled_back_happens_later(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 5, 86400, token, &t);
	fixture_wall += 400 * 86400;
	now_in_transaction(f->store);
	fixture_wall -= 400 * 86400;
	assert_int_equal(store_begin(f->store), 0);
	store_rollback(f->store);
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);
	assert_int_equal(now_in_transaction(f->store), fixture_wall);
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);
}

static void a_clock_that_was_never_set_is_not_followed(void **state)
{
	struct fixture *f = *state;
	uint64_t before = now_in_transaction(f->store);

	fixture_wall = 5;
	reopen(f);
	assert_int_equal(store_now(f->store), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_commit_survives_and_a_rollback_leaves_nothing),
		T(an_open_transaction_is_undone_by_close),
		T(a_store_in_memory_works),
		T(a_later_schema_is_refused_and_untouched),
		T(a_schema_without_version_is_refused),
		T(uses_are_clients_whenever_it_was_killed),
		T(the_tables_refuse_what_must_never_be),
		T(the_schema_has_a_version),
		T(the_clock_goes_on_when_the_systems_is_put_back),
		T(the_clock_is_not_forgotten_by_a_restart),
		T(ten_years_ahead_and_back_leaves_expired_expired),
		T(a_set_back_that_is_rolled_back_happens_later),
		T(a_clock_that_was_never_set_is_not_followed),
	};
	const struct CMUnitTest of_files[] = {
		T(the_files_are_for_their_owner_only),
		T(another_programs_database_is_refused),
		T(a_damaged_database_is_refused),
		T(damage_found_later_is_an_error_not_a_crash),
		T(a_link_or_a_missing_folder_is_refused),
		T(a_full_disk_fails_the_turn_and_loses_nothing),
		T(a_read_only_database_is_refused),
	};
	int failed = cmocka_run_group_tests_name("store", tests, NULL, NULL);

	return failed || on_postgresql()
		       ? failed
		       : cmocka_run_group_tests_name("files", of_files, NULL, NULL);
}
