/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

#include "server/store/listening.h"

#define HOUR  3600u
#define LIFE  (12 * HOUR)
#define IDLE  210u
#define EVERY (24 * HOUR)

static struct client_record a_client(
	struct fixture *f, uint32_t number, uint32_t ephemeral, bool approve)
{
	struct token_spec spec = {
		.uses = 1, .ephemeral = ephemeral, .approve = approve, .actor = "uid:0(root)"
	};
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct enrol_request e;
	struct client_record c;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_create(f->store, &spec, token, &t), 0);
	assert_int_equal(t.ephemeral, ephemeral);
	e = make_request(token, number);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(c.ephemeral, ephemeral);
	return c;
}

static void say_hello(struct fixture *f, const struct client_record *c)
{
	struct hello h = { .uptime = 1, .facts = c->facts };

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_hello(f->store, c->id, &h, "192.0.2.9"), 0);
	assert_int_equal(store_commit(f->store), 0);
}

static void tend(struct fixture *f, bool first)
{
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_ephemeral_tend(f->store, first), 0);
	assert_int_equal(store_commit(f->store), 0);
}

/* So many seconds of a server that is there. */
static void pass(struct fixture *f, uint64_t seconds)
{
	for (; seconds > EPHEMERAL_TICK; seconds -= EPHEMERAL_TICK) {
		fixture_wall += EPHEMERAL_TICK;
		tend(f, false);
	}
	fixture_wall += seconds;
	tend(f, false);
}

static size_t due(struct fixture *f)
{
	uint8_t ids[EPHEMERAL_BATCH][CLIENT_ID_SIZE];
	size_t n = 99;

	assert_int_equal(store_ephemeral_due(f->store, IDLE, EVERY, ids, &n), 0);
	return n;
}

static void change(struct fixture *f, const struct client_record *c, enum client_act act)
{
	const struct client_order order = { .actor = "uid:0(root)" };
	char id[CLIENT_ID_TEXT_SIZE];
	struct client_record now;

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, id, act, &order, &now), 1);
	assert_int_equal(store_commit(f->store), 0);
}

static void who_is_not_ephemeral_is_never_due(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 0, false);

	assert_false(store_ephemeral_any(f->store));
	tend(f, true);
	say_hello(f, &c);
	pass(f, 10 * LIFE);
	assert_int_equal(due(f), 0);
	c = a_client(f, 2, LIFE, false);
	assert_true(store_ephemeral_any(f->store));
}

static void offline_for_its_time_and_not_a_second_less(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	pass(f, LIFE - 1);
	say_hello(f, &c);
	pass(f, LIFE - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
	say_hello(f, &c);
	assert_int_equal(due(f), 0);
}

static void one_that_never_said_hello_counts_from_its_enrolment(void **state)
{
	struct fixture *f = *state;

	tend(f, true);
	(void)a_client(f, 1, LIFE, false);
	pass(f, LIFE - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

static void what_is_shorter_than_a_heartbeat_removes_nobody_who_is_there(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, EPHEMERAL_MIN, false);

	tend(f, true);
	pass(f, 2 * EPHEMERAL_GRACE);
	say_hello(f, &c);
	pass(f, IDLE - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

static void time_without_a_server_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	say_hello(f, &c);
	pass(f, 4 * HOUR);
	fixture_wall += 100 * LIFE; /* down */
	reopen(f);
	tend(f, true);
	assert_int_equal(due(f), 0);
	pass(f, 8 * HOUR - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

static void nor_does_that_of_one_that_was_stopped_or_of_a_clock_that_jumps(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	say_hello(f, &c);
	fixture_wall += 365 * 86400;
	tend(f, false);
	assert_int_equal(due(f), 0);
	pass(f, LIFE - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

static void after_each_start_there_is_time_to_come_back(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	say_hello(f, &c);
	pass(f, LIFE - 1);
	for (int i = 0; i < 5; i++) {
		reopen(f);
		tend(f, true);
		pass(f, EPHEMERAL_GRACE - 1);
		assert_int_equal(due(f), 0);
	}
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

/* But not more than a whole time anew, whatever the mark of a server long ago says. */
static void a_gap_gives_no_time_ahead(void **state)
{
	struct fixture *f = *state;
	struct client_record c;

	fixture_wall += 30 * 86400; /* nobody ephemeral, nobody tended */
	c = a_client(f, 1, LIFE, false);
	say_hello(f, &c);
	fixture_wall += 10;
	tend(f, false);
	pass(f, LIFE);
	assert_int_equal(due(f), 1);
}

static void an_administrators_word_counts_as_a_sign_of_life(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false), p = a_client(f, 2, LIFE, true),
			     v = a_client(f, 3, LIFE, false);

	tend(f, true);
	say_hello(f, &c);
	say_hello(f, &v);
	pass(f, LIFE - 10);
	change(f, &c, CLIENT_SUSPEND);
	change(f, &v, CLIENT_REVOKE);
	pass(f, LIFE - 10);
	assert_int_equal(due(f), 0);
	change(f, &p, CLIENT_APPROVE);
	pass(f, 10);
	assert_int_equal(due(f), 1); /* the suspended one */
	change(f, &c, CLIENT_REMOVE);
	pass(f, LIFE - 20);
	assert_int_equal(due(f), 0);
	pass(f, 10);
	assert_int_equal(due(f), 1); /* the approved one; never the revoked one */
	change(f, &p, CLIENT_REMOVE);
	pass(f, 2 * LIFE);
	assert_int_equal(due(f), 0);
}

/* ---- those that listen are silent between two dials */

static void listens(struct fixture *f, const struct client_record *c)
{
	const struct listening_hello h = { .client = c->id,
		.tls_pin = c->tls_pin,
		.address = "192.0.2.9",
		.port = 8444,
		.dialled = true,
		.next = fixture_wall + EVERY };

	say_hello(f, c);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_hello(f->store, &h), 0);
	assert_int_equal(store_commit(f->store), 0);
}

static void is_dialled(struct fixture *f, const struct client_record *c)
{
	struct listening_record l;

	assert_int_equal(store_listening_get(f->store, c->id, &l), 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_claim(f->store, &l, fixture_wall + 1), 1);
	assert_int_equal(store_commit(f->store), 0);
}

static void one_that_answers_its_dials_stays_however_seldom_they_are(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	for (int i = 0; i < 3; i++) {
		listens(f, &c);
		pass(f, EVERY - 1);
		assert_int_equal(due(f), 0);
		pass(f, 2 * LIFE); /* the dial is late, then under way */
		assert_int_equal(due(f), 0);
		is_dialled(f, &c);
		assert_int_equal(due(f), 0);
	}
}

static void one_that_answers_none_goes_its_time_after_the_first(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	listens(f, &c);
	pass(f, LIFE);
	is_dialled(f, &c); /* early, as there is something for it */
	is_dialled(f, &c);
	pass(f, EVERY - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
	listens(f, &c);
	assert_int_equal(due(f), 0);
}

static void one_that_listens_no_more_is_as_the_others(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, LIFE, false);

	tend(f, true);
	listens(f, &c);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_end(f->store, c.id), 0);
	assert_int_equal(store_commit(f->store), 0);
	pass(f, LIFE - 1);
	assert_int_equal(due(f), 0);
	pass(f, 1);
	assert_int_equal(due(f), 1);
}

static void many_come_in_batches(void **state)
{
	struct fixture *f = *state;

	tend(f, true);
	for (uint32_t i = 0; i < EPHEMERAL_BATCH + 1; i++)
		(void)a_client(f, i, LIFE, false);
	pass(f, LIFE);
	assert_int_equal(due(f), EPHEMERAL_BATCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(who_is_not_ephemeral_is_never_due),
		T(offline_for_its_time_and_not_a_second_less),
		T(one_that_never_said_hello_counts_from_its_enrolment),
		T(what_is_shorter_than_a_heartbeat_removes_nobody_who_is_there),
		T(time_without_a_server_does_not_count),
		T(nor_does_that_of_one_that_was_stopped_or_of_a_clock_that_jumps),
		T(after_each_start_there_is_time_to_come_back),
		T(a_gap_gives_no_time_ahead),
		T(an_administrators_word_counts_as_a_sign_of_life),
		T(one_that_answers_its_dials_stays_however_seldom_they_are),
		T(one_that_answers_none_goes_its_time_after_the_first),
		T(one_that_listens_no_more_is_as_the_others),
		T(many_come_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
