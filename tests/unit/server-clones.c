/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

#include "server/store/clones.h"

#define NOW 1000000u

/* ---- judging: the client's last HELLO was at NOW, from boot A of machine M, up for 5000 s */

struct sight {
	char boot, machine; /* 0: zeros */
	uint64_t uptime;
};

static struct hello hello_of(struct sight s)
{
	struct hello h = { .uptime = s.uptime };

	memset(h.boot_id, s.boot, sizeof(h.boot_id));
	memset(h.facts.machine, s.machine, sizeof(h.facts.machine));
	snprintf(h.facts.hostname, sizeof(h.facts.hostname), "%c-%c", s.machine ? s.machine : '0',
		s.boot ? s.boot : '0');
	return h;
}

static struct client_record known_as(struct sight s)
{
	struct hello h = hello_of(s);
	struct client_record c = {
		.last_hello = NOW, .uptime = h.uptime, .facts = h.facts, .machine_before = "none"
	};

	memcpy(c.boot_id, h.boot_id, sizeof(c.boot_id));
	return c;
}

static void what_happens_to_one_machine_is_no_sign(void **state)
{
	static const struct {
		const char *what;
		struct sight last, now;
		uint64_t after;
	} cases[] = {
		{ "a heartbeat", { 'A', 'M', 5000 }, { 'A', 'M', 5060 }, 60 },
		{ "two in one second", { 'A', 'M', 5000 }, { 'A', 'M', 5000 }, 0 },
		{ "one that was late on the way", { 'A', 'M', 5000 }, { 'A', 'M', 5001 }, 600 },
		{ "one after another that was late", { 'A', 'M', 5000 }, { 'A', 'M', 5600 }, 1 },
		{ "the agent's restart, times cut off", { 'A', 'M', 5000 }, { 'A', 'M', 4999 }, 0 },
		{ "standing still", { 'A', 'M', 5000 }, { 'A', 'M', 5001 }, 86400 },
		{ "a reboot", { 'A', 'M', 5000 }, { 'B', 'M', 20 }, 60 },
		{ "a reboot faster than the connection's end", { 'A', 'M', 5000 }, { 'B', 'M', 3 },
			4 },
		{ "a reboot, times cut off", { 'A', 'M', 5000 }, { 'B', 'M', 5 }, 0 },
		{ "up for long without the network", { 'A', 'M', 5000 }, { 'B', 'M', 86000 },
			86400 },
		{ "a new machine-id", { 'A', 'M', 5000 }, { 'A', 'N', 5060 }, 60 },
		{ "a new machine-id by a reboot", { 'A', 'M', 5000 }, { 'B', 'N', 20 }, 60 },
		{ "an agent that doesn't know its boot", { 'A', 'M', 5000 }, { 0, 'M', 99999 }, 1 },
		{ "and knows it again", { 0, 'M', 99999 }, { 'A', 'M', 5000 }, 1 },
		{ "a container, of unknown uptime", { 'A', 'M', 5000 }, { 'A', 'M', 0 }, 60 },
		{ "and known again", { 'A', 'M', 0 }, { 'A', 'M', 60 }, 60 },
		{ "a container's reboot", { 'A', 'M', 0 }, { 'B', 'M', 0 }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client_record c = known_as(cases[i].last);
		struct hello h = hello_of(cases[i].now);

		if (clone_judge(&c, &h, NOW + cases[i].after, true) != CLONE_NONE)
			fail_msg("%s", cases[i].what);
	}
}

static void two_machines_are_told_by_what_one_can_not_do(void **state)
{
	static const struct {
		const char *what;
		struct sight last, now;
		uint64_t after;
		enum clone_sign sign;
	} cases[] = {
		{ "up for long, beside another", { 'A', 'M', 5000 }, { 'B', 'M', 4000 }, 60,
			CLONE_OVERLAP },
		{ "up just before the other's word", { 'A', 'M', 5000 }, { 'B', 'M', 66 }, 60,
			CLONE_OVERLAP },
		{ "with a machine-id of its own", { 'A', 'M', 5000 }, { 'B', 'N', 300 }, 60,
			CLONE_OVERLAP },
		{ "the first after the original's reboot", { 'A', 'M', 0 }, { 'B', 'M', 300 }, 60,
			CLONE_OVERLAP },
		{ "copied as it ran", { 'A', 'M', 5000 }, { 'A', 'M', 4000 }, 60,
			CLONE_UPTIME_FELL },
		{ "as it ran, with a new machine-id", { 'A', 'M', 5000 }, { 'A', 'N', 4994 }, 60,
			CLONE_UPTIME_FELL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client_record c = known_as(cases[i].last);
		struct hello h = hello_of(cases[i].now);

		if (clone_judge(&c, &h, NOW + cases[i].after, true) != cases[i].sign)
			fail_msg("%s", cases[i].what);
	}
}

static void without_a_clock_or_a_first_hello_nothing_is_told_of_times(void **state)
{
	struct client_record c = known_as((struct sight){ 'A', 'M', 5000 });
	struct hello h = hello_of((struct sight){ 'B', 'M', 4000 });

	(void)state;
	assert_int_equal(clone_judge(&c, &h, NOW + 60, false), CLONE_NONE);
	assert_int_equal(clone_judge(&c, &h, NOW - 1, true), CLONE_NONE);
	c.last_hello = 0;
	assert_int_equal(clone_judge(&c, &h, NOW + 60, true), CLONE_NONE);
}

/* ---- in the store */

static struct client_record now_of(struct fixture *f, const struct client_record *c)
{
	struct client_record now;

	assert_int_equal(store_client_by_id(f->store, c->id, &now), 0);
	return now;
}

static struct client_record a_client(struct fixture *f, uint32_t number, char machine)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct enrol_request e;
	struct client_record c;

	make_token(f->store, 1, 0, token, &t);
	e = make_request(token, number);
	memset(e.facts.machine, machine, sizeof(e.facts.machine));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(f->store), 0);
	return c;
}

/* As the server does it. */
static enum clone_sign say(struct fixture *f, const struct client_record *c, struct sight s)
{
	struct client_record known = now_of(f, c);
	struct hello h = hello_of(s);
	enum clone_sign sign = CLONE_NONE;

	assert_int_equal(store_begin(f->store), 0);
	if (known.clone_since == 0)
		sign = clone_judge(
			&known, &h, store_now(f->store), store_clock_is_steady(f->store));
	if (sign != CLONE_NONE)
		assert_int_equal(store_clone_alarm(f->store, &known, sign, &h, "192.0.2.9"), 0);
	assert_int_equal(store_clone_follow(f->store, &known, &h, "192.0.2.9"), 0);
	assert_int_equal(store_client_hello(f->store, c->id, &h, "192.0.2.9"), 0);
	assert_int_equal(store_commit(f->store), 0);
	return sign;
}

static int count_one(void *userdata, const struct clone_machine *m)
{
	assert_true(m->first <= m->last);
	++*(int *)userdata;
	return 0;
}

static int machines(struct fixture *f, const struct client_record *c)
{
	int n = 0;

	assert_int_equal(store_clone_each(f->store, c->id, count_one, &n), 0);
	return n;
}

static int clear(struct fixture *f, const struct client_record *c)
{
	char id[CLIENT_ID_TEXT_SIZE];
	struct client_record now;
	int r;

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	assert_int_equal(store_begin(f->store), 0);
	r = store_clone_clear(f->store, id, "uid:0(root)", &now);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static void a_machine_that_reboots_again_and_again_is_one(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	for (char boot = 'A'; boot <= 'Z'; boot++) {
		assert_int_equal(say(f, &c, (struct sight){ boot, 'M', 20 }), CLONE_NONE);
		fixture_wall += 60;
		assert_int_equal(say(f, &c, (struct sight){ boot, 'M', 80 }), CLONE_NONE);
		fixture_wall += 30;
	}
	assert_int_equal(now_of(f, &c).clone_since, 0);
	assert_int_equal(clear(f, &c), 0);
}

static void the_second_word_of_the_first_gives_two_away(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 0 }), CLONE_NONE);
	assert_int_equal(say(f, &c, (struct sight){ 'B', 'M', 0 }), CLONE_NONE);
	reopen(f);
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 0 }), CLONE_WENT_BACK);
	assert_int_equal(now_of(f, &c).clone_since, fixture_wall);
	assert_int_equal(now_of(f, &c).clone, CLONE_WENT_BACK);
	assert_int_equal(machines(f, &c), 2);
	/* Once is enough. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(say(f, &c, (struct sight){ 'B', 'M', 0 }), CLONE_NONE);
		assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 0 }), CLONE_NONE);
	}
	assert_int_equal(machines(f, &c), 2);
	assert_int_equal(audited(f, "client.clone"), 1);
}

static void of_one_boot_two_machine_ids_take_turns(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 0 }), CLONE_NONE);
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'N', 0 }), CLONE_NONE);
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 0 }), CLONE_WENT_BACK);
}

static void however_many_machines_come_few_are_noted(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	assert_int_equal(say(f, &c, (struct sight){ 1, 'M', 5000 }), CLONE_NONE);
	assert_int_equal(say(f, &c, (struct sight){ 2, 'M', 5000 }), CLONE_OVERLAP);
	for (char boot = 3; boot < 100; boot++)
		assert_int_equal(say(f, &c, (struct sight){ boot, 'M', 5000 }), CLONE_NONE);
	assert_int_equal(machines(f, &c), CLONE_MACHINES);
}

static void dealt_with_it_comes_again_only_if_both_go_on(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	say(f, &c, (struct sight){ 'A', 'M', 5000 });
	fixture_wall += 10;
	assert_int_equal(say(f, &c, (struct sight){ 'B', 'M', 4000 }), CLONE_OVERLAP);
	fixture_wall += 10;
	assert_int_equal(clear(f, &c), 1);
	assert_int_equal(clear(f, &c), 0);
	assert_int_equal(audited(f, "client.clear-clone"), 1);
	assert_int_equal(machines(f, &c), 0);
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 5020 }), CLONE_NONE);
	fixture_wall += 60;
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 5080 }), CLONE_NONE);
	assert_int_equal(say(f, &c, (struct sight){ 'B', 'M', 4080 }), CLONE_OVERLAP);
	assert_int_equal(audited(f, "client.clone"), 2);
}

static void what_enrols_from_a_machine_of_an_alarm_was_a_clone(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M'), d, e;
	const struct client_order order = { .actor = "uid:0(root)" };
	char id[CLIENT_ID_TEXT_SIZE];

	sodium_bin2hex(id, sizeof(id), c.id, sizeof(c.id));
	say(f, &c, (struct sight){ 'A', 'M', 5000 });
	assert_int_equal(say(f, &c, (struct sight){ 'B', 'N', 5000 }), CLONE_OVERLAP);
	d = a_client(f, 2, 'N');
	assert_int_equal(d.link, LINK_CLONE);
	assert_string_equal(d.former, id);
	assert_string_equal(now_of(f, &c).successor, "");
	assert_int_equal(now_of(f, &c).state, CLIENT_ENROLLED);
	assert_int_equal(audited(f, "client.split"), 1);
	e = a_client(f, 3, 'O');
	assert_int_equal(e.link, LINK_NONE);
	/* Gone, it takes what was noted with it. */
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, id, CLIENT_REMOVE, &order, &c), 1);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM clone_machine"), 0);
}

static void while_the_clock_stands_times_are_not_measured(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1, 'M');

	say(f, &c, (struct sight){ 'A', 'M', 5000 });
	fixture_wall -= 3600;
	fixture_elapsed += 60;
	assert_int_equal(say(f, &c, (struct sight){ 'B', 'M', 55 }), CLONE_NONE);
	fixture_elapsed += 60;
	assert_int_equal(say(f, &c, (struct sight){ 'A', 'M', 5120 }), CLONE_WENT_BACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		cmocka_unit_test(what_happens_to_one_machine_is_no_sign),
		cmocka_unit_test(two_machines_are_told_by_what_one_can_not_do),
		cmocka_unit_test(without_a_clock_or_a_first_hello_nothing_is_told_of_times),
		T(a_machine_that_reboots_again_and_again_is_one),
		T(the_second_word_of_the_first_gives_two_away),
		T(of_one_boot_two_machine_ids_take_turns),
		T(however_many_machines_come_few_are_noted),
		T(dealt_with_it_comes_again_only_if_both_go_on),
		T(what_enrols_from_a_machine_of_an_alarm_was_a_clone),
		T(while_the_clock_stands_times_are_not_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
