/* SPDX-License-Identifier: MIT */
/*
 * What is the PostgreSQL driver's alone, and what several processes on one database must not break;
 * with SQLite's file the second half runs as well.
 */
#include "server-fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/msg.h"
#include "server/store/configs.h"
#include "server/store/messages.h"
#include "server/store/schema.h"

#define PROCESSES 4

/* ---- values */

static void every_value_comes_back_as_it_was(void **state)
{
	static const struct sql sql = { "SELECT CAST($1 AS BIGINT), $2, $3, $4, count(*), sum($1)"
					" FROM meta" };
	static const int64_t numbers[] = { 0, 1, -1, 9999, 10000, -10001, 123456789012345,
		INT64_MIN, INT64_MAX };
	struct fixture *f = *state;
	struct db *db = f->store->db;
	uint8_t bytes[256];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		const struct value number = { .kind = VALUE_INTEGER, .integer = numbers[i] };
		const struct value values[] = { number, value_text("\xc3\xa4\n'\"\\"),
			value_bytes(bytes, sizeof(bytes)), value_bytes(NULL, 0) };
		struct rows *rows = NULL;
		uint8_t back[256];
		char digits[24];
		size_t len = 1;

		assert_int_equal(db_rows(db, &sql, values, COUNT(values), &rows), 0);
		assert_int_equal(rows_next(rows), 1);
		assert_true(db->driver->integer(rows, 0) == numbers[i]);
		assert_string_equal(rows_view(rows, 1), "\xc3\xa4\n'\"\\");
		assert_true(rows_bytes(rows, 2, back, sizeof(back)));
		assert_memory_equal(back, bytes, sizeof(bytes));
		db->driver->bytes(rows, 3, &len);
		assert_int_equal(len, 0);
		assert_true(db->driver->integer(rows, 4) >= 2);
		snprintf(digits, sizeof(digits), "%lld", (long long)numbers[i]);
		assert_string_equal(rows_view(rows, 0), digits);
		assert_int_equal(rows_next(rows), 0);
		rows_end(rows);
	}
}

static void a_sum_is_a_number(void **state)
{
	static const struct sql sql = { "SELECT sum(n), sum(-n), sum(n / 3), sum(n) * 100000000000"
					" FROM (SELECT CAST($1 AS BIGINT) AS n"
					" UNION ALL SELECT CAST($1 AS BIGINT)) AS two" };
	static const int64_t numbers[] = { 0, 1, 4999, 5000, 10000, 99999999, 1234567890123 };
	struct fixture *f = *state;
	struct db *db = f->store->db;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct rows *rows = NULL;

		assert_int_equal(
			db_rows(db, &sql, VALUES(value_integer((uint64_t)numbers[i])), &rows), 0);
		assert_int_equal(rows_next(rows), 1);
		assert_true(db->driver->integer(rows, 0) == 2 * numbers[i]);
		assert_true(db->driver->integer(rows, 1) == -2 * numbers[i]);
		assert_true(db->driver->integer(rows, 2) == numbers[i] / 3 * 2);
		if (numbers[i] > 99999999) /* more than there is room for */
			assert_true(db->driver->integer(rows, 3) == INT64_MAX);
		rows_end(rows);
	}
}

static void a_text_that_is_none_is_no_rows_and_no_error(void **state)
{
	struct fixture *f = *state;
	struct config_record c;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_config_get(f->store, "\xff\xfe", 0, &c), -ENOENT);
	assert_int_equal(store_config_get(f->store, "\xed\xa0\x80", 3, &c), -ENOENT);
	assert_int_equal(store_audit(f->store, "server", "test", "", ""), 0);
	assert_int_equal(store_commit(f->store), 0);
}

/* ---- transactions */

static const struct sql add_meta = { "INSERT INTO meta (name, value) VALUES ($1, $2)" };
static const struct sql count_meta = { "SELECT count(*) FROM meta" };

static void what_is_there_twice_is_told_and_ends_the_transaction(void **state)
{
	struct fixture *f = *state;
	struct db *db = f->store->db;
	uint64_t before = 0, after = 0;

	assert_int_equal(db_number(db, &count_meta, NULL, 0, &before), 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(
		db_run(db, &add_meta, VALUES(value_text("more"), value_integer(1)), NULL), 0);
	assert_int_equal(
		db_run(db, &add_meta, VALUES(value_text("more"), value_integer(1)), NULL), -EEXIST);
	assert_true(store_commit(f->store) < 0);
	assert_false(store_in_transaction(f->store));
	assert_int_equal(db_number(db, &count_meta, NULL, 0, &after), 0);
	assert_int_equal(after, before);
}

static void a_savepoint_undoes_its_part_alone(void **state)
{
	struct fixture *f = *state;
	struct db *db = f->store->db;
	uint64_t before = 0, after = 0;

	assert_int_equal(db_number(db, &count_meta, NULL, 0, &before), 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(
		db_run(db, &add_meta, VALUES(value_text("kept"), value_integer(1)), NULL), 0);
	assert_int_equal(db_savepoint(db), 0);
	assert_int_equal(
		db_run(db, &add_meta, VALUES(value_text("gone"), value_integer(1)), NULL), 0);
	assert_int_equal(
		db_run(db, &add_meta, VALUES(value_text("kept"), value_integer(1)), NULL), -EEXIST);
	assert_int_equal(db_rollback_to(db), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(db_number(db, &count_meta, NULL, 0, &after), 0);
	assert_int_equal(after, before + 1);
}

static void a_commit_is_on_the_disk_whatever_the_database_is_set_to(void **state)
{
	static const struct sql sql = {
		"SELECT count(*) FROM meta WHERE current_setting('synchronous_commit') = $1"
	};
	static const char *const settings[][2] = { { "off", "on" }, { "local", "local" },
		{ "remote_apply", "remote_apply" } };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(settings); i++) {
		char text[128];
		uint64_t n = 0;

		snprintf(text, sizeof(text),
			"ALTER ROLE muster IN DATABASE unit_%d SET synchronous_commit = %s",
			(int)getpid(), settings[i][0]);
		assert_int_equal(raw(f->path, text), 0);
		reopen(f);
		assert_int_equal(
			db_number(f->store->db, &sql, VALUES(value_text(settings[i][1])), &n), 0);
		assert_true(n > 0);
	}
	assert_int_equal(raw(f->path, "ALTER ROLE muster RESET ALL"), 0);
}

/* ---- the connection */

static void woken(void *userdata, bool up)
{
	int *lost = userdata;

	*lost += !up;
}

struct heard {
	int count, missed;
	char last[64];
};

static void on_notice(void *userdata, const char *text)
{
	struct heard *h = userdata;

	h->count++;
	h->missed += text == NULL;
	snprintf(h->last, sizeof(h->last), "%s", text ? text : "");
}

/* What the loop does, until the database is there and so much has been heard. */
static void loop_until(struct store *s, struct heard *h, int count)
{
	struct db_link link = store_tend(s, on_notice, h);

	for (int i = 0; (!link.up || h->count < count) && i < 1000; i++) {
		struct pollfd fd = { .fd = link.fd, .events = POLLIN };

		(void)poll(&fd, 1, 10);
		link = store_tend(s, on_notice, h);
	}
	assert_true(link.up);
	assert_true(h->count >= count);
}

static void cut_off(const char *path)
{
	assert_int_equal(raw(path, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
				   " datname = current_database() AND pid <> pg_backend_pid()"),
		0);
}

static void a_lost_connection_fails_at_once_and_comes_back(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	struct heard heard = {};
	struct token_record t;
	uint8_t token[TOKEN_SIZE];
	int lost = 0;

	assert_int_equal(store_attend(s, 4000, woken, &lost), 0);
	make_token(s, 5, 0, token, &t);
	cut_off(f->path);
	assert_int_equal(store_token_find(s, token, &t), -ENOTCONN);
	assert_int_equal(lost, 1);
	assert_int_equal(store_token_find(s, token, &t), -ENOTCONN);
	assert_int_equal(store_begin(s), -ENOTCONN);
	assert_false(store_in_transaction(s));
	assert_int_equal(lost, 1);
	loop_until(s, &heard, 1);
	assert_int_equal(heard.missed, 1);
	assert_int_equal(store_token_find(s, token, &t), 0); /* prepared again */
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(enrol_number(s, token, 1), 0);
	assert_int_equal(store_commit(s), 0);
}

static void nothing_of_a_transaction_outlives_its_connection(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	struct heard heard = {};
	struct token_record t;
	uint8_t token[TOKEN_SIZE];
	int lost = 0;

	assert_int_equal(store_attend(s, 4000, woken, &lost), 0);
	make_token(s, 5, 0, token, &t);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(enrol_number(s, token, 1), 0);
	cut_off(f->path);
	assert_int_equal(enrol_number(s, token, 2), -ENOTCONN);
	assert_true(store_in_transaction(s));
	loop_until(s, &heard, 0); /* a new connection is none of this transaction's */
	assert_int_equal(enrol_number(s, token, 3), -ENOTCONN);
	assert_int_equal(store_commit(s), -ENOTCONN);
	assert_false(store_in_transaction(s));
	assert_int_equal(store_token_find(s, token, &t), 0);
	assert_int_equal(t.used, 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 0);
}

static void whoever_holds_the_lock_for_long_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store, *other = NULL;
	int lost = 0;

	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &other), 0);
	assert_int_equal(store_attend(s, 4000, woken, &lost), 0);
	assert_int_equal(store_begin(other), 0);
	assert_int_equal(store_try(s), -EBUSY);
	assert_int_equal(store_begin(s), -EBUSY);
	assert_false(store_in_transaction(s));
	assert_int_equal(store_commit(other), 0);
	assert_int_equal(store_try(s), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(store_commit(s), 0);
	store_close(other);
}

/* ---- notices */

static void what_is_told_is_heard_by_the_others_after_the_commit(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store, *other = NULL;
	struct heard own = {}, heard = {};
	int lost = 0;

	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &other), 0);
	assert_int_equal(store_attend(s, 4000, woken, &lost), 0);
	assert_int_equal(store_attend(other, 4000, woken, &lost), 0);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_notify(s, "rolled back"), 0);
	store_rollback(s);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_notify(s, "a 1"), 0);
	assert_int_equal(store_notify(s, "b 2"), 0);
	store_tend(other, on_notice, &heard);
	assert_int_equal(heard.count, 0);
	assert_int_equal(store_commit(s), 0);
	loop_until(other, &heard, 2);
	assert_int_equal(heard.count, 2);
	assert_string_equal(heard.last, "b 2");
	assert_int_equal(heard.missed, 0);
	loop_until(s, &own, 0);
	assert_int_equal(own.count, 0);
	store_close(other);
}

static void a_notice_is_short(void **state)
{
	struct fixture *f = *state;
	char text[DB_NOTICE_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[DB_NOTICE_MAX + 1] = '\0';
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_notify(f->store, text), -E2BIG);
	text[DB_NOTICE_MAX] = '\0';
	assert_int_equal(store_notify(f->store, text), 0);
	assert_int_equal(store_commit(f->store), 0);
}

/* ---- several processes */

/* In a process of its own, with a store of its own; anything but 0 fails. */
typedef int (*part)(struct store *s, uint32_t number, const void *userdata);

static void in_processes(struct fixture *f, part run, const void *userdata)
{
	pid_t children[PROCESSES];
	int status = 0;

	f->store = store_close(f->store);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			struct store *s = NULL;

			if (store_open_at(f->path, fixture_key, &fixture_clock, &s) < 0)
				_exit(1);
			_exit(run(s, i, userdata) == 0 ? 0 : 2);
		}
	}
	for (uint32_t i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &f->store), 0);
}

/* Waits as long as it takes: there is no turn's end to wait for. */
static int enter(struct store *s)
{
	int r;

	do
		r = store_begin(s);
	while (r == -EBUSY);
	return r;
}

static int nothing(struct store *s, uint32_t number, const void *userdata)
{
	(void)s, (void)number, (void)userdata;
	return 0;
}

static void all_may_make_the_tables_at_once(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 3; round++) {
		f->store = store_close(f->store);
		assert_int_equal(raw_empty(f->path, sizeof(f->path)), 0);
		in_processes(f, nothing, NULL);
		assert_int_equal(
			raw_number(f->path, "SELECT value FROM meta WHERE name = 'schema'"),
			schema_version());
	}
}

struct storm {
	uint8_t token[TOKEN_SIZE];
	uint32_t each;
	bool same; /* every process has the same machines */
};

static int enrol_many(struct store *s, uint32_t number, const void *userdata)
{
	const struct storm *storm = userdata;

	for (uint32_t i = 0; i < storm->each; i++) {
		int r = enter(s);

		if (r == 0)
			r = enrol_number(s, storm->token, (storm->same ? 0 : number * 1000) + i);
		if (r < 0 || (r > 0 && r != NACK_TOKEN_USED_UP) || store_commit(s) < 0)
			return -1;
	}
	return 0;
}

static void check_chain(struct store *s)
{
	struct audit_verdict v;

	assert_int_equal(store_audit_verify(s, &v), 0);
	assert_int_equal(v.first_bad, 0);
	assert_true(v.entries > 0);
}

static void a_limit_is_exact_whoever_spends(void **state)
{
	struct fixture *f = *state;
	struct storm storm = { .each = 50 };
	struct token_record t;

	make_token(f->store, 77, 0, storm.token, &t);
	in_processes(f, enrol_many, &storm);
	assert_int_equal(store_token_find(f->store, storm.token, &t), 0);
	assert_int_equal(t.used, 77);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 77);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'client.enrol'"), 77);
	check_chain(f->store);
}

static void a_machine_that_asks_everywhere_is_enrolled_once(void **state)
{
	struct fixture *f = *state;
	struct storm storm = { .each = 30, .same = true };
	struct token_record t;

	make_token(f->store, UNLIMITED_USES, 0, storm.token, &t);
	in_processes(f, enrol_many, &storm);
	assert_int_equal(store_token_find(f->store, storm.token, &t), 0);
	assert_int_equal(t.used, 30);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 30);
	check_chain(f->store);
}

static int send_many(struct store *s, uint32_t number, const void *userdata)
{
	static const struct message_limits limits = { .messages = 25, .bytes = 1 << 20 };
	const uint8_t client[CLIENT_ID_SIZE] = { 1 };
	struct msg m = { .text = "text", .len = 4 };

	(void)userdata;
	snprintf(m.type, sizeof(m.type), "t");
	for (uint32_t i = 1; i <= 60; i++) {
		m.number = i; /* each is sent by all: of one spool, and of one's own */
		m.spool[0] = i % 2 ? 9 : (uint8_t)number;
		if (enter(s) < 0 || store_message_add(s, client, &m, &limits) < 0 ||
			store_commit(s) < 0)
			return -1;
	}
	return 0;
}

static void messages_are_stored_once_and_numbered_without_gap(void **state)
{
	struct fixture *f = *state;
	uint64_t head = 0;

	in_processes(f, send_many, NULL);
	assert_int_equal(store_message_head(f->store, &head), 0);
	assert_true(head >= PROCESSES * 30 + 1);
	assert_true(head <= PROCESSES * 30 + 30);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM message"), 25);
	assert_int_equal(raw_number(f->path, "SELECT max(seq) - min(seq) + 1 FROM message"), 25);
	assert_int_equal(raw_number(f->path, "SELECT messages FROM message_box"), 25);
}

static int push_many(struct store *s, uint32_t number, const void *userdata)
{
	char content[32];
	struct config_spec spec = { .name = "app.conf",
		.selector = "*",
		.content = content,
		.actor = "uid:0(root)",
		.act = "config.push" };
	struct receipt receipt = { .kind = 1 };

	(void)userdata;
	for (uint32_t i = 0; i < 20; i++) {
		struct config_record c;

		spec.len = (size_t)snprintf(content, sizeof(content), "%u %u", number, i % 7);
		if (enter(s) < 0 || store_config_push(s, &spec, &c) < 0 ||
			store_receipt_add(s, &receipt) < 0 || store_commit(s) < 0)
			return -1;
	}
	return 0;
}

static void revisions_and_receipts_are_numbered_without_gap(void **state)
{
	struct fixture *f = *state;

	in_processes(f, push_many, NULL);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM config"), PROCESSES * 20);
	assert_int_equal(raw_number(f->path, "SELECT max(revision) FROM config"), PROCESSES * 20);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM config WHERE live = 1"), 1);
	assert_int_equal(raw_number(f->path, "SELECT max(id) FROM receipt"), PROCESSES * 20);
	check_chain(f->store);
}

static void expired_at_one_is_expired_at_all(void **state)
{
	struct fixture *f = *state;
	struct store *ahead = NULL;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 5, 100, token, &t);
	fixture_wall += 101;
	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &ahead), 0);
	assert_int_equal(store_begin(ahead), 0);
	assert_int_equal(enrol_number(ahead, token, 1), NACK_TOKEN_EXPIRED);
	assert_int_equal(store_commit(ahead), 0);
	fixture_wall -= 50; /* the other's clock is behind */
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 2), NACK_TOKEN_EXPIRED);
	assert_int_equal(store_commit(f->store), 0);
	store_close(ahead);
}

static void one_that_follows_the_clock_back_is_followed(void **state)
{
	struct fixture *f = *state;
	struct store *other = NULL;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &other), 0);
	fixture_wall += 400 * 86400;
	make_token(other, 5, 0, token, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_commit(f->store), 0);
	fixture_wall -= 400 * 86400;
	make_token(other, 5, 3600, token, &t); /* has followed it back */
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_now(f->store), fixture_wall);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'server.clock'"), 1);
	store_close(other);
}

static void a_server_with_other_keys_is_told(void **state)
{
	static const uint8_t identity[PUBLIC_KEY_SIZE] = { 4, 1 },
			     another[PUBLIC_KEY_SIZE] = { 4, 2 };
	struct fixture *f = *state;

	assert_int_equal(store_claim(f->store, identity), 0);
	assert_int_equal(store_claim(f->store, identity), 0);
	assert_int_equal(store_claim(f->store, another), -EKEYREJECTED);
	reopen(f);
	f->store->token_key[0] ^= 1;
	assert_int_equal(store_claim(f->store, identity), -EKEYREJECTED);
	f->store->token_key[0] ^= 1;
	assert_int_equal(store_claim(f->store, identity), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest alone[] = {
		T(every_value_comes_back_as_it_was),
		T(a_sum_is_a_number),
		T(a_text_that_is_none_is_no_rows_and_no_error),
		T(what_is_there_twice_is_told_and_ends_the_transaction),
		T(a_savepoint_undoes_its_part_alone),
		T(a_commit_is_on_the_disk_whatever_the_database_is_set_to),
		T(a_lost_connection_fails_at_once_and_comes_back),
		T(nothing_of_a_transaction_outlives_its_connection),
		T(whoever_holds_the_lock_for_long_is_not_waited_for),
		T(what_is_told_is_heard_by_the_others_after_the_commit),
		T(a_notice_is_short),
		T(all_may_make_the_tables_at_once),
	};
	const struct CMUnitTest several[] = {
		T(a_limit_is_exact_whoever_spends),
		T(a_machine_that_asks_everywhere_is_enrolled_once),
		T(messages_are_stored_once_and_numbered_without_gap),
		T(revisions_and_receipts_are_numbered_without_gap),
		T(expired_at_one_is_expired_at_all),
		T(one_that_follows_the_clock_back_is_followed),
		T(a_server_with_other_keys_is_told),
	};
	int failed = on_postgresql() ? cmocka_run_group_tests_name("driver", alone, NULL, NULL) : 0;

	return failed ? failed : cmocka_run_group_tests_name("several", several, NULL, NULL);
}
