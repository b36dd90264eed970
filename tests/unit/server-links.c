/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

#define SILENCE 100

static const char *id_of(const struct client_record *c)
{
	static char texts[4][CLIENT_ID_TEXT_SIZE];
	static unsigned next;
	char *text = texts[next++ % 4];

	return sodium_bin2hex(text, CLIENT_ID_TEXT_SIZE, c->id, sizeof(c->id));
}

static uint8_t token[TOKEN_SIZE];

static int setup_token(void **state)
{
	struct token_record t;
	struct fixture *f;

	assert_int_equal(setup(state), 0);
	f = *state;
	make_token(f->store, 99, 0, token, &t);
	return 0;
}

/* Enrols machine number with that machine-id's hash, 0: it has none. */
static struct client_record enrol_on(struct fixture *f, uint32_t number, uint8_t machine)
{
	struct enrol_request e = make_request(token, number);
	struct client_record c, found;

	memset(e.facts.machine, machine, sizeof(e.facts.machine));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_client_by_id(f->store, c.id, &found), 0);
	assert_memory_equal(&c, &found, sizeof(c));
	return c;
}

static struct client_record now_of(struct fixture *f, const struct client_record *c)
{
	struct client_record now;

	assert_int_equal(store_client_by_id(f->store, c->id, &now), 0);
	return now;
}

static void say_hello(struct fixture *f, const struct client_record *c)
{
	struct hello h = { .uptime = 1, .facts = c->facts };

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_hello(f->store, c->id, &h, "192.0.2.9"), 0);
	assert_int_equal(store_commit(f->store), 0);
}

static int succeed(struct fixture *f, const struct client_record *c)
{
	struct client_record now = now_of(f, c), former;
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_client_succeed(f->store, &now, SILENCE, &former);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static void come_back(struct fixture *f, const struct client_record *c)
{
	struct client_record now = now_of(f, c), found;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_return(f->store, &now), 0);
	assert_int_equal(store_commit(f->store), 0);
	found = now_of(f, c);
	assert_memory_equal(&now, &found, sizeof(now));
}

static void change(struct fixture *f, const struct client_record *c, enum client_act act)
{
	const struct client_order order = { .actor = "uid:0(root)" };
	struct client_record now;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, id_of(c), act, &order, &now), 1);
	assert_int_equal(store_commit(f->store), 0);
}

static void leave(struct fixture *f, const struct client_record *c, bool withdrawn)
{
	bool taken_back = !withdrawn;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_leave(f->store, c->id, &taken_back), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(taken_back, withdrawn);
}

static void expect_unlinked(
	struct fixture *f, const struct client_record *a, const struct client_record *b)
{
	assert_string_equal(now_of(f, a).successor, "");
	assert_int_equal(now_of(f, a).state, CLIENT_ENROLLED);
	assert_int_not_equal(now_of(f, b).link, LINK_REPLACES);
}

static void expect_replaced(
	struct fixture *f, const struct client_record *a, const struct client_record *b)
{
	assert_string_equal(now_of(f, a).successor, id_of(b));
	assert_int_equal(now_of(f, b).link, LINK_REPLACES);
	assert_string_equal(now_of(f, b).former, id_of(a));
}

/* ---- */

static void machines_without_or_with_other_machine_ids_are_never_linked(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b, c, d;

	a = enrol_on(f, 1, 0);
	b = enrol_on(f, 2, 0);
	c = enrol_on(f, 3, 'c');
	d = enrol_on(f, 4, 'd');
	fixture_wall += 10 * SILENCE;
	assert_int_equal(a.link, LINK_NONE);
	assert_int_equal(b.link, LINK_NONE);
	assert_int_equal(c.link, LINK_NONE);
	assert_int_equal(d.link, LINK_NONE);
	assert_int_equal(succeed(f, &b) + succeed(f, &d), 0);
	assert_int_equal(audited(f, "client.replace"), 0);
}

static void nobody_loses_anything_while_heard(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b;

	a = enrol_on(f, 1, 'm');
	say_hello(f, &a);
	fixture_wall += SILENCE - 2;
	b = enrol_on(f, 2, 'm');
	assert_int_equal(b.link, LINK_MAYBE);
	assert_int_equal(succeed(f, &b), 0);
	expect_unlinked(f, &a, &b);
	fixture_wall++;
	say_hello(f, &a);
	fixture_wall += 10 * SILENCE;
	assert_int_equal(succeed(f, &b), 0);
	expect_unlinked(f, &a, &b);
	assert_int_equal(now_of(f, &b).link, LINK_NONE);
	assert_string_equal(now_of(f, &b).former, "");
	assert_int_equal(audited(f, "client.replace"), 0);
}

static void a_silent_one_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b, now;

	a = enrol_on(f, 1, 'm');
	say_hello(f, &a);
	fixture_wall += 5;
	b = enrol_on(f, 2, 'm');
	say_hello(f, &b);
	fixture_wall += SILENCE - 5;
	assert_int_equal(succeed(f, &b), 1);
	expect_replaced(f, &a, &b);
	assert_int_equal(now_of(f, &a).state, CLIENT_REPLACED);
	assert_int_equal(now_of(f, &a).since, fixture_wall);
	assert_int_equal(succeed(f, &b), 0);
	assert_int_equal(audited(f, "client.replace"), 1);
	/* Its labels and keys are as they were. */
	now = now_of(f, &a);
	assert_memory_equal(&now.labels, &a.labels, sizeof(a.labels));
	assert_int_equal(now.last_hello, fixture_wall - SILENCE);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM removed"), 0);
}

static void one_that_speaks_again_is_what_it_was(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b;

	a = enrol_on(f, 1, 'm');
	fixture_wall += 2 * SILENCE;
	b = enrol_on(f, 2, 'm');
	assert_int_equal(succeed(f, &b), 1);
	fixture_wall++;
	come_back(f, &a);
	say_hello(f, &a);
	expect_unlinked(f, &a, &b);
	assert_int_equal(now_of(f, &b).link, LINK_NONE);
	assert_string_equal(now_of(f, &b).former, "");
	assert_int_equal(audited(f, "client.return"), 1);
	fixture_wall += 10 * SILENCE;
	assert_int_equal(succeed(f, &b), 0);
	expect_unlinked(f, &a, &b);
}

/* What an administrator or the machine itself has said stays as said. */
static void other_states_are_linked_and_stay(void **state)
{
	static const enum client_state states[] = { CLIENT_SUSPENDED, CLIENT_REVOKED, CLIENT_LEFT };
	struct fixture *f = *state;
	uint32_t n = 0;

	for (uint8_t i = 0; i < COUNT(states); i++) {
		struct client_record a = enrol_on(f, n++, 'a' + i), b;

		say_hello(f, &a);
		if (states[i] == CLIENT_LEFT)
			leave(f, &a, false);
		else
			change(f, &a, states[i] == CLIENT_REVOKED ? CLIENT_REVOKE : CLIENT_SUSPEND);
		b = enrol_on(f, n++, 'a' + i);
		/* The suspended one may still be heard. */
		if (states[i] == CLIENT_SUSPENDED) {
			assert_int_equal(succeed(f, &b), 0);
			fixture_wall += SILENCE;
		}
		assert_int_equal(succeed(f, &b), 1);
		expect_replaced(f, &a, &b);
		assert_int_equal(now_of(f, &a).state, states[i]);
		if (states[i] != CLIENT_SUSPENDED)
			continue;
		come_back(f, &a);
		assert_int_equal(now_of(f, &a).state, CLIENT_SUSPENDED);
		assert_string_equal(now_of(f, &a).successor, "");
	}
}

static void each_replaces_the_last_before_it(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b, c;

	a = enrol_on(f, 1, 'm');
	fixture_wall += SILENCE;
	b = enrol_on(f, 2, 'm');
	assert_int_equal(succeed(f, &b), 1);
	fixture_wall += SILENCE;
	c = enrol_on(f, 3, 'm');
	assert_int_equal(succeed(f, &c), 1);
	expect_replaced(f, &a, &b);
	expect_replaced(f, &b, &c);
}

static void two_that_come_at_once_do_not_both_replace_it(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b, c;

	a = enrol_on(f, 1, 'm');
	raw(f->path, "UPDATE client SET state = 2");
	fixture_wall += SILENCE;
	b = enrol_on(f, 2, 'm');
	raw(f->path, "UPDATE client SET enrolled = 1 WHERE link = 1");
	c = enrol_on(f, 3, 'm');
	assert_string_equal(c.former, id_of(&a));
	assert_int_equal(succeed(f, &c), 1);
	assert_int_equal(succeed(f, &b), 0);
	expect_replaced(f, &a, &c);
	assert_int_equal(now_of(f, &b).link, LINK_NONE);
}

static void an_enrolment_taken_back_takes_its_link_back(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b;

	a = enrol_on(f, 1, 'm');
	say_hello(f, &a);
	fixture_wall += SILENCE;
	b = enrol_on(f, 2, 'm');
	assert_int_equal(succeed(f, &b), 1);
	leave(f, &b, true);
	assert_string_equal(now_of(f, &a).successor, "");
	assert_int_equal(now_of(f, &a).state, CLIENT_ENROLLED);
}

static void removal_of_one_leaves_the_other(void **state)
{
	struct fixture *f = *state;
	struct client_record a, b, c;

	a = enrol_on(f, 1, 'm');
	fixture_wall += SILENCE;
	b = enrol_on(f, 2, 'm');
	change(f, &a, CLIENT_REMOVE);
	assert_int_equal(succeed(f, &b), 0);
	assert_int_equal(now_of(f, &b).link, LINK_NONE);
	fixture_wall += SILENCE;
	c = enrol_on(f, 3, 'm');
	assert_int_equal(succeed(f, &c), 1);
	change(f, &c, CLIENT_REMOVE);
	assert_string_equal(now_of(f, &b).successor, id_of(&c));
	come_back(f, &b);
	assert_int_equal(now_of(f, &b).state, CLIENT_ENROLLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup_token, teardown)
		T(machines_without_or_with_other_machine_ids_are_never_linked),
		T(nobody_loses_anything_while_heard),
		T(a_silent_one_is_replaced),
		T(one_that_speaks_again_is_what_it_was),
		T(other_states_are_linked_and_stay),
		T(each_replaces_the_last_before_it),
		T(two_that_come_at_once_do_not_both_replace_it),
		T(an_enrolment_taken_back_takes_its_link_back),
		T(removal_of_one_leaves_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
