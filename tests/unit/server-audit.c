/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

static void add(struct store *s, unsigned count)
{
	assert_int_equal(store_begin(s), 0);
	for (unsigned i = 0; i < count; i++) {
		char object[32];

		snprintf(object, sizeof(object), "object-%u", i);
		assert_int_equal(
			store_audit(s, "uid:0(root)", "test.act", object, "some detail"), 0);
		fixture_wall++;
	}
	assert_int_equal(store_commit(s), 0);
}

static struct audit_verdict verify(struct store *s)
{
	struct audit_verdict v;

	assert_int_equal(store_audit_verify(s, &v), 0);
	return v;
}

static void an_empty_log_holds(void **state)
{
	struct fixture *f = *state;
	struct audit_verdict v = verify(f->store);

	assert_int_equal(v.entries, 0);
	assert_int_equal(v.first_bad, 0);
}

static void a_whole_log_holds_and_has_a_head(void **state)
{
	struct fixture *f = *state;
	struct audit_verdict v, w;

	add(f->store, 2500);
	v = verify(f->store);
	assert_int_equal(v.entries, 2500);
	assert_int_equal(v.first_bad, 0);
	reopen(f);
	w = verify(f->store);
	assert_memory_equal(v.head, w.head, 32);
	add(f->store, 1);
	w = verify(f->store);
	assert_int_equal(w.entries, 2501);
	assert_memory_not_equal(v.head, w.head, 32);
}

static int check_by_hand(void *userdata, const struct audit_record *a)
{
	uint8_t *before = userdata, text[512] = "muster-audit-1", hash[32];
	const char *const parts[] = { a->actor, a->act, a->object, a->detail };
	size_t at = 14 + 32 + 8 + 8;

	memcpy(text + 14, before, 32);
	text[14 + 32 + 7] = (uint8_t)a->seq;
	for (int i = 0; i < 8; i++)
		text[14 + 32 + 8 + i] = (uint8_t)(a->time >> (56 - 8 * i));
	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t len = strlen(parts[i]);

		text[at + 3] = (uint8_t)len;
		memcpy(text + at + 4, parts[i], len);
		at += 4 + len;
	}
	crypto_hash_sha256(hash, text, at);
	assert_memory_equal(hash, a->hash, 32);
	memcpy(before, hash, 32);
	return 0;
}

static void the_hash_is_what_is_written_of_it(void **state)
{
	struct fixture *f = *state;
	uint8_t before[32] = {};

	add(f->store, 5);
	assert_int_equal(store_audit_each(f->store, 0, 0, check_by_hand, before), 0);
}

/* ---- tampering */

static void every_change_is_found_at_its_entry(void **state)
{
	static const struct {
		const char *sql;
		uint64_t first_bad;
	} changes[] = {
		{ "UPDATE audit SET actor = 'uid:1(eve)' WHERE seq = 7", 7 },
		{ "UPDATE audit SET act = 'test.cat' WHERE seq = 1", 1 },
		{ "UPDATE audit SET object = object || ' ' WHERE seq = 9", 9 },
		{ "UPDATE audit SET detail = '' WHERE seq = 20", 20 },
		{ "UPDATE audit SET time = time + 1 WHERE seq = 3", 3 },
		{ "UPDATE audit SET hash = zeroblob(32) WHERE seq = 4", 4 },
		{ "UPDATE audit SET hash = x'00' WHERE seq = 4", 4 },
		{ "UPDATE audit SET act = act || substr(object, 1, 1),"
		  " object = substr(object, 2) WHERE seq = 5",
			5 },
		{ "DELETE FROM audit WHERE seq = 1", 1 },
		{ "DELETE FROM audit WHERE seq = 10", 10 },
		{ "DELETE FROM audit WHERE seq = 20", 20 },
		{ "DELETE FROM audit WHERE seq > 5", 6 },
		{ "DELETE FROM audit", 1 },
		{ "UPDATE audit SET seq = 21 WHERE seq = 20", 20 },
		{ "INSERT INTO audit SELECT 21, time, actor, act, object, detail, hash FROM audit"
		  " WHERE seq = 20",
			21 },
		{ "UPDATE audit SET seq = 100 WHERE seq = 8; UPDATE audit SET seq = 8 WHERE seq = "
		  "9;"
		  "UPDATE audit SET seq = 9 WHERE seq = 100",
			8 },
		{ "UPDATE audit_head SET hash = zeroblob(32)", 20 },
		{ "DELETE FROM audit WHERE seq = 20; UPDATE audit_head SET seq = 19", 19 },
	};
	struct fixture *f = *state;

	add(f->store, 20);
	assert_int_equal(raw(f->path, "CREATE TABLE kept AS SELECT * FROM audit;"
				      "CREATE TABLE kept_head AS SELECT * FROM audit_head"),
		0);
	for (size_t i = 0; i < COUNT(changes); i++) {
		struct audit_verdict v;

		assert_int_equal(raw(f->path, changes[i].sql), 0);
		v = verify(f->store);
		if (v.first_bad != changes[i].first_bad)
			fail_msg("%s: found at %llu", changes[i].sql,
				(unsigned long long)v.first_bad);
		assert_int_equal(raw(f->path, "DELETE FROM audit; DELETE FROM audit_head;"
					      "INSERT INTO audit SELECT * FROM kept;"
					      "INSERT INTO audit_head SELECT * FROM kept_head"),
			0);
	}
}

static void a_missing_head_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct audit_verdict v;

	add(f->store, 3);
	assert_int_equal(raw(f->path, "DELETE FROM audit_head"), 0);
	assert_true(store_audit_verify(f->store, &v) < 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_true(store_audit(f->store, "server", "test", "", "") < 0);
	store_rollback(f->store);
}

static void nothing_is_written_over_an_entry_that_is_there(void **state)
{
	struct fixture *f = *state;

	add(f->store, 3);
	assert_int_equal(raw(f->path, "UPDATE audit_head SET seq = 1"), 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_true(store_audit(f->store, "server", "test", "", "") < 0);
	store_rollback(f->store);
}

/* ---- contents */

static int compare(void *userdata, const struct audit_record *a)
{
	(void)userdata;
	assert_string_equal(a->actor, "a\\x0ab");
	assert_string_equal(a->object, "\\x1b[31mred");
	assert_string_equal(a->detail, "");
	return 0;
}

static void control_characters_are_escaped_before_they_are_kept(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_audit(f->store, "a\nb", "act", "\x1b[31mred", NULL), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_audit_each(f->store, 0, 0, compare, NULL), 0);
	assert_int_equal(verify(f->store).first_bad, 0);
}

static int last_seq(void *userdata, const struct audit_record *a)
{
	*(uint64_t *)userdata = a->seq;
	return 0;
}

static void the_log_is_listed_in_parts(void **state)
{
	struct fixture *f = *state;
	uint64_t seq = 0;

	add(f->store, 25);
	assert_int_equal(store_audit_each(f->store, 0, 10, last_seq, &seq), 0);
	assert_int_equal(seq, 10);
	assert_int_equal(store_audit_each(f->store, seq, 10, last_seq, &seq), 0);
	assert_int_equal(seq, 20);
	assert_int_equal(store_audit_each(f->store, seq, 10, last_seq, &seq), 0);
	assert_int_equal(seq, 25);
}

static void it_can_be_verified_in_parts_while_it_grows(void **state)
{
	struct fixture *f = *state;
	struct audit_walk w = {};
	int r, parts = 0;

	add(f->store, 25);
	do {
		r = store_audit_walk(f->store, &w, 10);
		if (parts++ == 1)
			add(f->store, 5);
	} while (r > 0);
	assert_int_equal(r, 0);
	assert_int_equal(w.verdict.entries, 30);
	assert_int_equal(w.verdict.first_bad, 0);
	assert_int_equal(parts, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(an_empty_log_holds),
		T(a_whole_log_holds_and_has_a_head),
		T(the_hash_is_what_is_written_of_it),
		T(every_change_is_found_at_its_entry),
		T(a_missing_head_is_an_error),
		T(nothing_is_written_over_an_entry_that_is_there),
		T(control_characters_are_escaped_before_they_are_kept),
		T(the_log_is_listed_in_parts),
		T(it_can_be_verified_in_parts_while_it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
