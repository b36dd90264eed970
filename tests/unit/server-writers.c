/* SPDX-License-Identifier: MIT */
/* Several connections to one store, as several server processes have them. */
#include "tests/unit/server-fixture.h"

#include "server/guesses.h"
#include "server/store/presence.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct pair {
	struct fixture *f;
	struct store *other;
};

static struct pair two(void **state)
{
	struct pair p = { .f = *state };

	assert_int_equal(store_open_at(p.f->path, fixture_key, &fixture_clock, &p.other), 0);
	return p;
}

static void one_writes_at_a_time_and_the_other_may_look_on(void **state)
{
	struct pair p = two(state);
	uint64_t n;

	assert_int_equal(store_begin(p.f->store), 0);
	assert_int_equal(store_audit(p.f->store, "server", "a", "", ""), 0);
	assert_int_equal(store_try(p.other), -EBUSY);
	assert_false(store_in_transaction(p.other));
	assert_int_equal(store_begin(p.other), -EBUSY); /* patience has an end */
	assert_int_equal(store_audit_count(p.other, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_commit(p.f->store), 0);
	assert_int_equal(store_try(p.other), 0);
	assert_int_equal(store_commit(p.other), 0);
	store_close(p.other);
}

static void the_audit_is_one_chain_whoever_adds_to_it(void **state)
{
	struct pair p = two(state);
	struct audit_verdict v;

	for (int i = 0; i < 20; i++) {
		struct store *s = i % 3 == 0 ? p.other : p.f->store;

		assert_int_equal(store_begin(s), 0);
		assert_int_equal(store_audit(s, "server", "act", "", "detail"), 0);
		assert_int_equal(store_commit(s), 0);
	}
	assert_int_equal(store_audit_verify(p.other, &v), 0);
	assert_int_equal(v.entries, 20);
	assert_int_equal(v.first_bad, 0);
	store_close(p.other);
}

/* In a process of its own, until it is killed. */
static void add_for_ever(const char *path)
{
	struct store *s;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		store_open_at(path, fixture_key, &fixture_clock, &s) < 0)
		_exit(1);
	for (;;) {
		while (store_begin(s) < 0)
			;
		if (store_audit(s, "server", "act", "", "detail") < 0 || store_commit(s) < 0)
			_exit(1);
	}
}

static void the_audit_holds_while_another_adds_to_it(void **state)
{
	struct fixture *f = *state;
	struct audit_verdict v = {};
	pid_t child;
	int status;

	f->store = store_close(f->store); /* no connection is carried into the other process */
	child = fork();
	if (child == 0)
		add_for_ever(f->path);
	reopen(f);
	while (v.entries < 500 && v.first_bad == 0 && waitpid(child, &status, WNOHANG) == 0)
		assert_int_equal(store_audit_verify(f->store, &v), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(v.first_bad, 0);
	assert_true(v.entries >= 500);
}

static void a_token_has_as_many_uses_for_all_together(void **state)
{
	struct pair p = two(state);
	struct token_record token;
	uint8_t digits[TOKEN_SIZE];
	int well = 0, used_up = 0;

	make_token(p.f->store, 5, 0, digits, &token);
	for (uint32_t i = 0; i < 12; i++) {
		struct store *s = i % 2 ? p.other : p.f->store;

		assert_int_equal(store_begin(s), 0);
		int r = enrol_number(s, digits, i);
		assert_int_equal(store_commit(s), 0);
		well += r == 0;
		used_up += r == NACK_TOKEN_USED_UP;
	}
	assert_int_equal(well, 5);
	assert_int_equal(used_up, 7);
	store_close(p.other);
}

static void the_clock_goes_back_for_none_of_them(void **state)
{
	struct pair p = two(state);
	uint64_t late;

	fixture_wall += 1000;
	assert_int_equal(store_begin(p.other), 0);
	late = store_now(p.other);
	assert_int_equal(store_commit(p.other), 0);

	/* The system's clock is put back before the first of them has looked at it. */
	fixture_wall -= 990;
	assert_int_equal(store_begin(p.f->store), 0);
	assert_true(store_now(p.f->store) >= late);
	assert_int_equal(store_commit(p.f->store), 0);
	assert_int_equal(raw_number(p.f->path, "SELECT value FROM meta WHERE name = 'clock'"),
		(int64_t)late);
	store_close(p.other);
}

static void one_of_them_follows_a_clock_back_and_the_others_him(void **state)
{
	struct pair p = two(state);
	struct token_record token;
	uint8_t digits[TOKEN_SIZE];

	/* Both have told a false future; a token made in it keeps the life that it had. */
	fixture_wall += 400 * 86400u;
	make_token(p.f->store, 1, 3600, digits, &token);
	assert_int_equal(store_begin(p.other), 0);
	assert_int_equal(store_commit(p.other), 0);
	fixture_wall -= 400 * 86400u;
	assert_int_equal(store_begin(p.f->store), 0);
	assert_int_equal(store_commit(p.f->store), 0);
	assert_int_equal(store_begin(p.other), 0);
	assert_int_equal(store_commit(p.other), 0);
	assert_int_equal(store_now(p.f->store), fixture_wall);
	assert_int_equal(store_now(p.other), fixture_wall);
	assert_int_equal(
		raw_number(p.f->path, "SELECT count(*) FROM audit WHERE act = 'server.clock'"), 1);
	assert_int_equal(store_token_get(p.other, token.id, &token), 0);
	assert_int_equal(token.expires, fixture_wall + 3600);
	store_close(p.other);
}

/* ---- who is where */

static uint64_t a_server(struct store *s, const char *place)
{
	uint64_t id = 0;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_server_add(s, place, &id), 0);
	assert_int_equal(store_commit(s), 0);
	assert_true(id > 0);
	return id;
}

static uint64_t holder(struct store *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	uint64_t server = 99;

	assert_int_equal(store_presence_get(s, id, &server), 0);
	return server;
}

static void the_last_to_take_a_machine_holds_it(void **state)
{
	struct pair p = two(state);
	uint64_t a = a_server(p.f->store, "hub#0"), b = a_server(p.other, "hub#1");
	const uint8_t id[CLIENT_ID_SIZE] = { 1 };

	assert_int_not_equal(a, b);
	assert_int_equal(holder(p.other, id), 0);
	assert_int_equal(store_presence_set(p.f->store, id, a), 0);
	assert_int_equal(holder(p.other, id), a);
	assert_int_equal(store_presence_set(p.other, id, b), 0);
	assert_int_equal(holder(p.f->store, id), b);
	/* He who lost it takes nothing away from who has it. */
	assert_int_equal(store_presence_drop(p.f->store, id, a), 0);
	assert_int_equal(holder(p.f->store, id), b);
	assert_int_equal(store_presence_drop(p.f->store, id, b), 0);
	assert_int_equal(holder(p.f->store, id), 0);
	store_close(p.other);
}

static int last_seen(void *userdata, const struct server_record *r)
{
	struct server_record *ret = userdata;

	*ret = *r;
	ret->place = NULL;
	return 0;
}

static void a_server_that_starts_again_is_another_and_holds_nothing(void **state)
{
	struct pair p = two(state);
	const uint8_t id[CLIENT_ID_SIZE] = { 1 };
	struct server_record r = {};
	uint64_t a = a_server(p.f->store, "hub#0"), again;

	assert_int_equal(store_presence_set(p.f->store, id, a), 0);
	again = a_server(p.other, "hub#0");
	assert_true(again > a);
	assert_int_equal(holder(p.other, id), 0);
	assert_int_equal(store_server_beat(p.f->store, a, 5), -ENOENT);
	assert_int_equal(store_server_beat(p.other, again, 5), 0);
	assert_int_equal(store_server_each(p.f->store, last_seen, &r), 0);
	assert_true(r.id == again && r.beat == 1 && r.connected == 5);
	assert_int_equal(store_server_remove(p.f->store, again), 0);
	assert_true(a_server(p.f->store, "hub#0") > again); /* never a number twice */
	store_close(p.other);
}

/* ---- wrong tokens */

static struct source somebody(uint8_t last)
{
	struct source s = { .address.s6_addr = {
				    [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = last } };

	return s;
}

static void guesses_at_one_process_count_at_all_of_them(void **state)
{
	struct source who = somebody(1), other = somebody(2);
	struct guesses_row rows[GUESSES_TOLD];
	struct guesses *g;
	uint32_t others, others_wrong;
	int status;

	(void)state;
	assert_int_equal(guesses_new(&g), 0);
	guesses_limit(g, 10, 100);
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();

		if (child == 0) {
			for (int n = 0; n < 5; n++)
				guesses_wrong(g, &who, 1000);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	assert_true(guesses_wait(g, &who, 1000) > 0);
	assert_int_equal(guesses_wait(g, &other, 1000), 0);
	assert_int_equal(guesses_summary(g, rows, &others, &others_wrong), 1);
	assert_int_equal(rows[0].wrong, 10);
	guesses_free(g);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_writes_at_a_time_and_the_other_may_look_on),
		T(the_audit_is_one_chain_whoever_adds_to_it),
		T(the_audit_holds_while_another_adds_to_it),
		T(a_token_has_as_many_uses_for_all_together),
		T(the_clock_goes_back_for_none_of_them),
		T(one_of_them_follows_a_clock_back_and_the_others_him),
		T(the_last_to_take_a_machine_holds_it),
		T(a_server_that_starts_again_is_another_and_holds_nothing),
		T(guesses_at_one_process_count_at_all_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
