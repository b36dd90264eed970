/* SPDX-License-Identifier: MIT */
/* Which restarts are wanted: numbers that grow whatever happens, one at a time, answered once. */
#include "server-fixture.h"

#include <sodium.h>

#include "server/store/resets.h"

static const struct client_order by_root = { .reason = "stuck", .actor = "uid:0(root)" };

struct one {
	struct client_record client;
	char id[CLIENT_ID_TEXT_SIZE];
};

static struct one a_client(struct fixture *f)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct enrol_request e;
	struct one o;

	make_token(f->store, 9, 0, token, &t);
	e = make_request(token, 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &o.client), 0);
	assert_int_equal(store_commit(f->store), 0);
	sodium_bin2hex(o.id, sizeof(o.id), o.client.id, sizeof(o.client.id));
	return o;
}

static int ask(struct fixture *f, const char *id, struct reset_record *ret)
{
	struct client_record c;
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_reset_ask(f->store, id, &by_root, &c, ret);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static int answer(struct fixture *f, const struct one *o, uint64_t number, uint16_t code)
{
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_reset_answer(f->store, o->client.id, number, code, code ? "disk full" : "");
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static void one_is_wanted_until_it_is_answered(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record first, again, now;

	assert_int_equal(store_reset_get(f->store, o.client.id, &now), -ENOENT);
	assert_int_equal(ask(f, o.id, &first), 1);
	assert_int_equal(first.state, RESET_WANTED);
	assert_int_equal(first.asked, fixture_wall);
	/* Asked for twice, it is one. */
	assert_int_equal(ask(f, o.id, &again), 0);
	assert_int_equal(again.number, first.number);
	assert_int_equal(audited(f, "client.reset"), 1);
	reopen(f);
	assert_int_equal(store_reset_get(f->store, o.client.id, &now), 0);
	assert_int_equal(now.number, first.number);
	fixture_wall += 9;
	assert_int_equal(answer(f, &o, first.number, 0), 1);
	assert_int_equal(store_reset_get(f->store, o.client.id, &now), 0);
	assert_int_equal(now.state, RESET_DONE);
	assert_int_equal(now.answered, fixture_wall);
	assert_int_equal(audited(f, "client.restart"), 1);
}

static void an_answer_to_another_number_or_a_second_one_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record r, now;

	assert_int_equal(answer(f, &o, 1, 0), 0);
	assert_int_equal(ask(f, o.id, &r), 1);
	assert_int_equal(answer(f, &o, r.number - 1, 0), 0);
	assert_int_equal(answer(f, &o, r.number + 1, 0), 0);
	assert_int_equal(store_reset_get(f->store, o.client.id, &now), 0);
	assert_int_equal(now.state, RESET_WANTED);
	assert_int_equal(answer(f, &o, r.number, NACK_STORAGE), 1);
	assert_int_equal(answer(f, &o, r.number, 0), 0);
	assert_int_equal(store_reset_get(f->store, o.client.id, &now), 0);
	assert_int_equal(now.state, RESET_REFUSED);
	assert_int_equal(now.code, NACK_STORAGE);
	assert_string_equal(now.text, "disk full");
	assert_int_equal(audited(f, "client.restart"), 0);
	assert_int_equal(audited(f, "client.reset-refused"), 1);
}

static void numbers_grow_with_the_clock_and_without_it(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record first, second, third;

	assert_int_equal(ask(f, o.id, &first), 1);
	assert_int_equal(first.number, fixture_wall * 1000);
	assert_int_equal(answer(f, &o, first.number, 0), 1);
	assert_int_equal(ask(f, o.id, &second), 1);
	assert_int_equal(second.number, first.number + 1);
	assert_int_equal(answer(f, &o, second.number, 0), 1);
	fixture_wall += 3600;
	assert_int_equal(ask(f, o.id, &third), 1);
	assert_int_equal(third.number, fixture_wall * 1000);
}

/* The database of an hour ago: what machines have seen meanwhile is below. */
static void a_database_put_back_goes_on_above_what_machines_have_seen(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record seen, now;

	fixture_wall += 3600;
	assert_int_equal(ask(f, o.id, &seen), 1);
	assert_int_equal(answer(f, &o, seen.number, 0), 1);
	assert_int_equal(raw(f->path, "DELETE FROM client_reset"), 0);
	assert_int_equal(raw(f->path, "UPDATE meta SET value = 0 WHERE name = 'number'"), 0);
	fixture_wall += 60;
	assert_int_equal(ask(f, o.id, &now), 1);
	assert_true(now.number > seen.number);
}

static void only_an_enrolled_client_can_be_asked(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record r;

	for (int of = CLIENT_LEFT; of < CLIENT_REMOVED; of++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "UPDATE client SET state = %d", of);
		assert_int_equal(raw(f->path, sql), 0);
		assert_int_equal(ask(f, o.id, &r), -EPERM);
	}
	assert_int_equal(ask(f, "ffffffffffffffffffffffffffffffff", &r), -ENOENT);
	assert_int_equal(ask(f, "../etc", &r), -ENOENT);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client_reset"), 0);
	assert_int_equal(audited(f, "client.reset"), 0);
}

static void of_a_removed_client_nothing_stays_wanted(void **state)
{
	struct fixture *f = *state;
	struct one o = a_client(f);
	struct reset_record r;
	struct client_record c;

	assert_int_equal(ask(f, o.id, &r), 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, o.id, CLIENT_REMOVE, &by_root, &c), 1);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_reset_get(f->store, o.client.id, &r), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(one_is_wanted_until_it_is_answered),
		T(an_answer_to_another_number_or_a_second_one_changes_nothing),
		T(numbers_grow_with_the_clock_and_without_it),
		T(a_database_put_back_goes_on_above_what_machines_have_seen),
		T(only_an_enrolled_client_can_be_asked),
		T(of_a_removed_client_nothing_stays_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
