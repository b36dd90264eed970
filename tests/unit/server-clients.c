/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

static uint32_t used(struct store *s, const uint8_t token[static TOKEN_SIZE])
{
	struct token_record t;

	assert_int_equal(store_token_find(s, token, &t), 0);
	return t.used;
}

static void say_hello(struct store *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct hello h = { .boot_id = "a boot's id 16 b", .uptime = 77 };

	snprintf(h.facts.hostname, sizeof(h.facts.hostname), "renamed");
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_client_hello(s, id, &h, "192.0.2.9"), 0);
	assert_int_equal(store_commit(s), 0);
}

/* ---- enrolment */

static void a_client_is_recorded_with_its_tokens_labels(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c, found;

	make_token(f->store, 2, 0, token, &t);
	c = enrol_one(f->store, token, 1);
	assert_int_equal(used(f->store, token), 1);
	assert_string_equal(c.token, t.id);
	assert_int_equal(c.state, CLIENT_ENROLLED);
	assert_int_equal(c.enrolled, fixture_wall);
	assert_int_equal(c.last_hello, 0);
	assert_string_equal(c.address, "192.0.2.1");
	assert_string_equal(c.facts.hostname, "machine-1");
	assert_int_equal(c.labels.count, 1);
	assert_string_equal(c.labels.text[0], "role=web");
	assert_int_equal(store_client_by_pin(f->store, c.tls_pin, &found), 0);
	assert_memory_equal(&found, &c, sizeof(c));
	assert_int_equal(store_client_by_id(f->store, c.id, &found), 0);
	assert_memory_equal(&found, &c, sizeof(c));
	c.id[15] ^= 1;
	assert_int_equal(store_client_by_id(f->store, c.id, &found), -ENOENT);
	c.tls_pin[31] ^= 1;
	assert_int_equal(store_client_by_pin(f->store, c.tls_pin, &found), -ENOENT);
}

static void exactly_as_many_as_the_token_has_uses(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	int granted = 0, refused = 0;

	make_token(f->store, 50, 0, token, &t);
	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(store_begin(f->store), 0);
		switch (enrol_number(f->store, token, i)) {
		case 0:
			granted++;
			break;
		case NACK_TOKEN_USED_UP:
			refused++;
			break;
		default:
			fail();
		}
		if (i % 7 == 0)
			assert_int_equal(store_commit(f->store), 0);
	}
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(granted, 50);
	assert_int_equal(refused, 150);
	assert_int_equal(used(f->store, token), 50);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 50);
}

static void two_processes_can_not_spend_one_use_twice(void **state)
{
	struct fixture *f = *state;
	struct store *other = NULL;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	int granted = 0;

	make_token(f->store, 11, 0, token, &t);
	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &other), 0);
	for (uint32_t i = 0; i < 40; i++) {
		struct store *s = i % 2 ? other : f->store;

		assert_int_equal(store_begin(s), 0);
		granted += enrol_number(s, token, i) == 0;
		assert_int_equal(store_commit(s), 0);
	}
	store_close(other);
	assert_int_equal(granted, 11);
	assert_int_equal(used(f->store, token), 11);
}

static void an_unlimited_token_is_not_used_up(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, UNLIMITED_USES, 0, token, &t);
	assert_int_equal(t.uses, UNLIMITED_USES);
	for (uint32_t i = 0; i < 30; i++)
		enrol_one(f->store, token, i);
	assert_int_equal(used(f->store, token), 30);
}

static void expect_refusal(struct fixture *f, const uint8_t token[static TOKEN_SIZE], int code)
{
	struct token_query q = { .identity[0] = 4 };
	struct token_record t;
	int64_t audit = raw_number(f->path, "SELECT count(*) FROM audit");

	memcpy(q.token, token, TOKEN_SIZE);
	memset(q.identity + 1, 9, 64);
	assert_int_equal(store_token_query(f->store, &q, &t), code);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 999), code);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM audit"), audit);
}

static void each_refusal_has_its_reason_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t one[TOKEN_SIZE], old[TOKEN_SIZE], revoked[TOKEN_SIZE];
	const uint8_t unknown[TOKEN_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct token_record t;

	make_token(f->store, 1, 0, one, &t);
	make_token(f->store, 1, 10, old, &t);
	make_token(f->store, 1, 0, revoked, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_revoke(f->store, t.id, "server", &t), 0);
	assert_int_equal(store_commit(f->store), 0);
	enrol_one(f->store, one, 1);
	fixture_wall += 10;
	expect_refusal(f, unknown, NACK_TOKEN_UNKNOWN);
	expect_refusal(f, one, NACK_TOKEN_USED_UP);
	expect_refusal(f, old, NACK_TOKEN_EXPIRED);
	expect_refusal(f, revoked, NACK_TOKEN_REVOKED);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 1);
	assert_int_equal(raw_number(f->path, "SELECT sum(used) FROM token"), 1);
}

static void told_to_have_expired_is_expired_for_ever(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 1, 3, token, &t);
	fixture_wall += 3;
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), NACK_TOKEN_EXPIRED);
	assert_int_equal(store_commit(f->store), 0);
	/* as after kill -9: the store isn't closed */
	assert_int_equal(
		raw_number(f->path, "SELECT value FROM meta WHERE name = 'clock'"), fixture_wall);
}

static void a_known_tls_key_gives_the_use_back(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c;
	struct enrol_request e;

	make_token(f->store, 3, 0, token, &t);
	enrol_one(f->store, token, 1);
	e = make_request(token, 2);
	memcpy(e.tls_pin, make_request(token, 1).tls_pin, PIN_SIZE);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), NACK_KEY_KNOWN);
	/* the turn goes on, and what others do in it stays */
	assert_int_equal(enrol_number(f->store, token, 3), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(used(f->store, token), 2);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 2);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'client.enrol'"), 2);
}

/* ---- a lost answer */

static void the_same_request_again_has_the_same_answer(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct token_query q = {};
	struct client_record c, again;

	make_token(f->store, 1, 60, token, &t);
	c = enrol_one(f->store, token, 1);
	again = enrol_one(f->store, token, 1);
	assert_memory_equal(&c, &again, sizeof(c));
	fixture_wall += 61;
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_revoke(f->store, t.id, "server", &t), 0);
	assert_int_equal(store_commit(f->store), 0);
	again = enrol_one(f->store, token, 1);
	assert_memory_equal(c.id, again.id, CLIENT_ID_SIZE);
	memcpy(q.identity, c.identity, sizeof(q.identity));
	memcpy(q.token, token, TOKEN_SIZE);
	assert_int_equal(store_token_query(f->store, &q, &t), 0);
	assert_int_equal(used(f->store, token), 1);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'client.enrol'"), 1);
}

static void another_token_another_key_or_a_hello_ends_that(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE], second[TOKEN_SIZE];
	const uint8_t unknown[TOKEN_SIZE] = { 1 };
	struct token_record t;
	struct client_record c;
	struct enrol_request e;

	make_token(f->store, 5, 0, token, &t);
	make_token(f->store, 5, 0, second, &t);
	c = enrol_one(f->store, token, 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, second, 1), NACK_KEY_KNOWN);
	assert_int_equal(enrol_number(f->store, unknown, 1), NACK_KEY_KNOWN);
	e = make_request(token, 1);
	e.tls_pin[31] ^= 1;
	assert_int_equal(store_client_enrol(f->store, &e, "", &c), NACK_KEY_KNOWN);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_client_by_pin(f->store, make_request(token, 1).tls_pin, &c), 0);
	say_hello(f->store, c.id);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), NACK_KEY_KNOWN);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(used(f->store, token), 1);
	assert_int_equal(used(f->store, second), 0);
}

/* ---- life */

static void a_hello_brings_facts_time_and_address(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	const uint8_t nobody[CLIENT_ID_SIZE] = { 1 };
	struct hello h = { .uptime = UINT64_MAX };
	struct token_record t;
	struct client_record c;

	make_token(f->store, 5, 0, token, &t);
	c = enrol_one(f->store, token, 1);
	fixture_wall += 30;
	say_hello(f->store, c.id);
	assert_int_equal(store_client_by_id(f->store, c.id, &c), 0);
	assert_int_equal(c.last_hello, fixture_wall);
	assert_int_equal(c.uptime, 77);
	assert_memory_equal(c.boot_id, "a boot's id 16 b", 16);
	assert_string_equal(c.address, "192.0.2.9");
	assert_string_equal(c.facts.hostname, "renamed");
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_hello(f->store, nobody, &h, ""), -ENOENT);
	assert_int_equal(store_client_hello(f->store, c.id, &h, NULL), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_client_by_id(f->store, c.id, &c), 0);
	assert_int_equal(c.uptime, INT64_MAX);
}

static void leaving_before_any_hello_takes_the_enrolment_back(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c;
	bool withdrawn = false;

	make_token(f->store, 1, 0, token, &t);
	c = enrol_one(f->store, token, 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_leave(f->store, c.id, &withdrawn), 0);
	assert_true(withdrawn);
	assert_int_equal(store_client_leave(f->store, c.id, &withdrawn), -ENOENT);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(used(f->store, token), 0);
	assert_int_equal(store_client_by_id(f->store, c.id, &c), -ENOENT);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'client.withdraw'"), 1);
	enrol_one(f->store, token, 1);
}

static void leaving_after_a_hello_is_kept_and_final(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c;
	struct hello h = {};
	uint64_t n = 0;
	bool withdrawn = true;

	make_token(f->store, 2, 0, token, &t);
	c = enrol_one(f->store, token, 1);
	say_hello(f->store, c.id);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_begin(f->store), 0);
		assert_int_equal(store_client_leave(f->store, c.id, &withdrawn), 0);
		assert_false(withdrawn);
		assert_int_equal(store_commit(f->store), 0);
	}
	assert_int_equal(store_client_by_id(f->store, c.id, &c), 0);
	assert_int_equal(c.state, CLIENT_LEFT);
	assert_int_equal(used(f->store, token), 1);
	assert_int_equal(store_client_count(f->store, CLIENT_LEFT, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_hello(f->store, c.id, &h, ""), -ENOENT);
	assert_int_equal(enrol_number(f->store, token, 1), NACK_KEY_KNOWN);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'client.leave'"), 1);
}

/* ---- finding and listing */

static void an_id_may_be_shortened(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c;

	make_token(f->store, 9, 0, token, &t);
	enrol_one(f->store, token, 1);
	assert_int_equal(
		raw(f->path, "UPDATE client SET id = x'abcdef00000000000000000000000001'"), 0);
	enrol_one(f->store, token, 2);
	assert_int_equal(raw(f->path, "UPDATE client SET id = x'abcde0ffffffffffffffffffffffffff'"
				      " WHERE id <> x'abcdef00000000000000000000000001'"),
		0);
	assert_int_equal(store_client_get(f->store, "abcde", &c), -ENOTUNIQ);
	assert_int_equal(store_client_get(f->store, "abcdef", &c), 0);
	assert_int_equal(c.id[15], 1);
	assert_int_equal(store_client_get(f->store, "ABCDE0", &c), 0);
	assert_int_equal(c.id[15], 0xff);
	assert_int_equal(store_client_get(f->store, "abcdef00000000000000000000000001", &c), 0);
	assert_int_equal(store_client_get(f->store, "abcdee", &c), -ENOENT);
	assert_int_equal(store_client_get(f->store, "", &c), -ENOENT);
	assert_int_equal(store_client_get(f->store, "abcdeg", &c), -ENOENT);
	assert_int_equal(store_client_get(f->store, "abc:def", &c), -ENOENT);
	assert_int_equal(
		store_client_get(f->store, "abcdef000000000000000000000000010", &c), -ENOENT);
	assert_int_equal(store_client_get(f->store, "../etc", &c), -ENOENT);
}

static int tally(void *userdata, const struct client_record *c)
{
	(void)c;
	++*(int *)userdata;
	return 0;
}

static int listed(struct store *s, const struct client_filter *filter, char *next)
{
	int n = 0;

	assert_int_equal(store_client_each(s, filter, tally, &n, next), 0);
	return n;
}

static void clients_are_listed_by_label_state_and_token(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t, other;
	struct client_filter all = { .state = -1 }, left = { .state = CLIENT_LEFT },
			     of = { .state = -1 }, web = { .state = -1, .selector = "role=web" },
			     db = { .state = -1, .selector = "role=db" },
			     wrong = { .state = -1, .after = "xyz" };

	make_token(f->store, 50, 0, token, &other);
	enrol_one(f->store, token, 1);
	make_token(f->store, 50, 0, token, &t);
	for (uint32_t i = 2; i < 10; i++)
		enrol_one(f->store, token, i);
	assert_int_equal(
		raw(f->path, "UPDATE client SET labels = 'role=db', state = 1 WHERE id IN"
			     " (SELECT id FROM client WHERE token <> '' ORDER BY id LIMIT 3)"),
		0);
	of.token = t.id;
	assert_int_equal(listed(f->store, &all, NULL), 9);
	assert_int_equal(listed(f->store, &left, NULL), 3);
	assert_int_equal(listed(f->store, &of, NULL), 8);
	assert_int_equal(listed(f->store, &web, NULL), 6);
	assert_int_equal(listed(f->store, &db, NULL), 3);
	assert_int_equal(store_client_each(f->store, &wrong, tally, NULL, NULL), -EINVAL);
}

static void pages_end_at_their_limit_and_at_the_rows_looked_at(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	char next[CLIENT_ID_TEXT_SIZE] = "", after[CLIENT_ID_TEXT_SIZE];
	struct client_filter page = { .state = -1, .limit = 10 };
	struct client_filter none = { .state = -1, .selector = "absent", .scan = 7 };
	int n = 0, pages = 0;

	make_token(f->store, 50, 0, token, &t);
	for (uint32_t i = 0; i < 30; i++)
		enrol_one(f->store, token, i);
	do {
		memcpy(after, next, sizeof(after));
		page.after = *after ? after : NULL;
		n += listed(f->store, &page, next);
		pages++;
	} while (*next);
	assert_int_equal(n, 30);
	assert_int_equal(pages, 3);
	pages = 0;
	do {
		memcpy(after, next, sizeof(after));
		none.after = *after ? after : NULL;
		assert_int_equal(listed(f->store, &none, next), 0);
		pages++;
	} while (*next);
	assert_int_equal(pages, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_client_is_recorded_with_its_tokens_labels),
		T(exactly_as_many_as_the_token_has_uses),
		T(two_processes_can_not_spend_one_use_twice),
		T(an_unlimited_token_is_not_used_up),
		T(each_refusal_has_its_reason_and_changes_nothing),
		T(told_to_have_expired_is_expired_for_ever),
		T(a_known_tls_key_gives_the_use_back),
		T(the_same_request_again_has_the_same_answer),
		T(another_token_another_key_or_a_hello_ends_that),
		T(a_hello_brings_facts_time_and_address),
		T(leaving_before_any_hello_takes_the_enrolment_back),
		T(leaving_after_a_hello_is_kept_and_final),
		T(an_id_may_be_shortened),
		T(clients_are_listed_by_label_state_and_token),
		T(pages_end_at_their_limit_and_at_the_rows_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
