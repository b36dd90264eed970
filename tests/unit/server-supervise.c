/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <signal.h>

#include "server/supervise.h"

static struct supervisor v;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = 1000000;
	return 0;
}

static struct supervise_act next(void)
{
	uint64_t at;

	return supervise_next(&v, now, &at);
}

static uint64_t wakes(void)
{
	uint64_t at;

	assert_int_equal(supervise_next(&v, now, &at).what, SUPERVISE_NOTHING);
	return at;
}

static void expect(enum supervise_what what, unsigned worker)
{
	struct supervise_act a = next();

	assert_int_equal(a.what, what);
	if (what == SUPERVISE_SPAWN || what == SUPERVISE_SIGNAL)
		assert_int_equal(a.worker, worker);
}

static void expect_signal(unsigned worker, int number)
{
	struct supervise_act a = next();

	assert_int_equal(a.what, SUPERVISE_SIGNAL);
	assert_int_equal(a.worker, worker);
	assert_int_equal(a.signal, number);
}

static void expect_nothing(void)
{
	expect(SUPERVISE_NOTHING, 0);
}

/* All of them are ready, and that has been told. */
static void start(unsigned count)
{
	supervise_init(&v, count, now);
	expect(SUPERVISE_SPAWN, 0);
	supervise_ready(&v, 0, now);
	for (unsigned i = 1; i < count; i++)
		expect(SUPERVISE_SPAWN, i);
	for (unsigned i = 1; i < count; i++)
		supervise_ready(&v, i, now);
	expect(SUPERVISE_STARTED, 0);
	expect_nothing();
}

/* ---- start */

static void the_first_starts_alone_and_the_others_after_it(void **state)
{
	(void)state;
	supervise_init(&v, 3, now);
	expect(SUPERVISE_SPAWN, 0);
	expect_nothing();
	supervise_ready(&v, 0, now);
	expect(SUPERVISE_SPAWN, 1);
	expect(SUPERVISE_SPAWN, 2);
	expect_nothing();
	supervise_ready(&v, 2, now);
	expect_nothing();
	supervise_ready(&v, 1, now);
	expect(SUPERVISE_STARTED, 0);
	expect_nothing();
}

static void if_the_first_fails_the_start_has_failed(void **state)
{
	(void)state;
	supervise_init(&v, 3, now);
	expect(SUPERVISE_SPAWN, 0);
	supervise_ended(&v, 0, now);
	expect(SUPERVISE_OVER, 0);
	assert_true(v.failed);
}

static void if_another_fails_all_that_run_are_stopped(void **state)
{
	(void)state;
	supervise_init(&v, 3, now);
	expect(SUPERVISE_SPAWN, 0);
	supervise_ready(&v, 0, now);
	expect(SUPERVISE_SPAWN, 1);
	expect(SUPERVISE_SPAWN, 2);
	supervise_ended(&v, 1, now);
	expect_signal(2, SIGTERM);
	expect_nothing();
	supervise_ended(&v, 2, now);
	expect_signal(0, SIGTERM);
	supervise_ended(&v, 0, now);
	expect(SUPERVISE_OVER, 0);
	assert_true(v.failed);
}

static void one_that_never_gets_ready_is_killed(void **state)
{
	(void)state;
	start(2);
	supervise_ended(&v, 1, now);
	now += SUPERVISE_PAUSE_MS;
	expect(SUPERVISE_SPAWN, 1);
	supervise_alive(&v, 0, now + SUPERVISE_START_MS - 1);
	now += SUPERVISE_START_MS - 1;
	expect_nothing();
	now++;
	expect_signal(1, SIGKILL);
	expect_nothing();
}

/* ---- deaths */

static void one_that_dies_is_started_again_after_a_pause(void **state)
{
	(void)state;
	start(2);
	supervise_ended(&v, 1, now);
	assert_int_equal(wakes(), now + SUPERVISE_PAUSE_MS);
	now += SUPERVISE_PAUSE_MS - 1;
	expect_nothing();
	now++;
	expect(SUPERVISE_SPAWN, 1);
	supervise_ready(&v, 1, now);
	expect_nothing(); /* STARTED is told once */
}

static void the_pause_doubles_up_to_its_limit_and_starts_anew_after_steady_work(void **state)
{
	uint64_t pause = SUPERVISE_PAUSE_MS;

	(void)state;
	start(2);
	for (int i = 0; i < 20; i++) {
		supervise_alive(&v, 0, now);
		supervise_ended(&v, 1, now);
		assert_int_equal(v.of[1].since, now + pause);
		now += pause;
		supervise_alive(&v, 0, now);
		expect(SUPERVISE_SPAWN, 1);
		supervise_ready(&v, 1, now);
		pause = pause * 2 < SUPERVISE_PAUSE_MAX_MS ? pause * 2 : SUPERVISE_PAUSE_MAX_MS;
	}
	now += SUPERVISE_STEADY_MS;
	supervise_ended(&v, 1, now);
	assert_int_equal(v.of[1].since, now + SUPERVISE_PAUSE_MS);
}

static void the_first_is_started_again_like_any_other(void **state)
{
	(void)state;
	start(3);
	supervise_ended(&v, 0, now);
	supervise_ended(&v, 2, now);
	now += SUPERVISE_PAUSE_MS;
	expect(SUPERVISE_SPAWN, 0);
	expect(SUPERVISE_SPAWN, 2);
	expect_nothing();
}

static void one_that_hangs_is_killed_and_one_that_lives_is_not(void **state)
{
	(void)state;
	start(2);
	now += SUPERVISE_SILENT_MS - 1;
	supervise_alive(&v, 0, now);
	expect_nothing();
	now++;
	expect_signal(1, SIGKILL);
	expect_nothing();
	supervise_ended(&v, 1, now);
	now += SUPERVISE_PAUSE_MS;
	expect(SUPERVISE_SPAWN, 1);
}

/* ---- reload */

static void a_reload_goes_through_the_first_before_the_others(void **state)
{
	(void)state;
	start(3);
	supervise_reload(&v);
	expect_signal(0, SIGHUP);
	expect_nothing();
	supervise_ready(&v, 0, now);
	expect_signal(1, SIGHUP);
	expect_signal(2, SIGHUP);
	expect_nothing();
	supervise_ready(&v, 2, now);
	expect_nothing();
	supervise_ready(&v, 1, now);
	expect(SUPERVISE_RELOADED, 0);
	expect_nothing();
}

static void one_that_dies_while_it_reloads_holds_nobody_up(void **state)
{
	(void)state;
	start(2);
	supervise_reload(&v);
	expect_signal(0, SIGHUP);
	supervise_ended(&v, 0, now);
	expect_signal(1, SIGHUP);
	supervise_ready(&v, 1, now);
	expect(SUPERVISE_RELOADED, 0);
}

static void one_that_starts_reloads_when_it_is_ready(void **state)
{
	(void)state;
	start(2);
	supervise_ended(&v, 1, now);
	now += SUPERVISE_PAUSE_MS;
	expect(SUPERVISE_SPAWN, 1);
	supervise_reload(&v);
	expect_signal(0, SIGHUP);
	supervise_ready(&v, 0, now);
	expect_nothing();
	supervise_ready(&v, 1, now);
	expect_signal(1, SIGHUP);
	supervise_ready(&v, 1, now);
	expect(SUPERVISE_RELOADED, 0);
}

static void a_reload_during_a_reload_is_another(void **state)
{
	(void)state;
	start(2);
	supervise_reload(&v);
	expect_signal(0, SIGHUP);
	supervise_reload(&v);
	expect_signal(0, SIGHUP);
	supervise_ready(&v, 0, now);
	expect_signal(1, SIGHUP);
	supervise_ready(&v, 1, now);
	expect(SUPERVISE_RELOADED, 0);
}

/* ---- stop */

static void a_stop_goes_through_the_others_before_the_first(void **state)
{
	(void)state;
	start(3);
	supervise_stop(&v, now);
	expect_signal(2, SIGTERM);
	expect_signal(1, SIGTERM);
	expect_nothing();
	supervise_ended(&v, 1, now);
	expect_nothing();
	supervise_ended(&v, 2, now);
	expect_signal(0, SIGTERM);
	expect_nothing();
	supervise_ended(&v, 0, now);
	expect(SUPERVISE_OVER, 0);
	assert_false(v.failed);
}

static void who_does_not_stop_is_killed(void **state)
{
	(void)state;
	start(2);
	supervise_stop(&v, now);
	expect_signal(1, SIGTERM);
	assert_int_equal(wakes(), now + SUPERVISE_STOP_MS);
	now += SUPERVISE_STOP_MS;
	expect_signal(1, SIGKILL);
	expect_signal(0, SIGKILL);
	expect_nothing();
	supervise_ended(&v, 0, now);
	supervise_ended(&v, 1, now);
	expect(SUPERVISE_OVER, 0);
}

static void nobody_is_started_or_reloaded_while_it_stops(void **state)
{
	(void)state;
	start(2);
	supervise_ended(&v, 1, now);
	supervise_reload(&v);
	supervise_stop(&v, now);
	supervise_stop(&v, now + 5);
	supervise_reload(&v);
	now += SUPERVISE_PAUSE_MS;
	expect_signal(0, SIGTERM);
	expect_nothing();
	supervise_ended(&v, 0, now);
	expect(SUPERVISE_OVER, 0);
}

static void a_stop_amid_the_start_is_no_failure(void **state)
{
	(void)state;
	supervise_init(&v, 3, now);
	expect(SUPERVISE_SPAWN, 0);
	supervise_stop(&v, now);
	expect_signal(0, SIGTERM);
	supervise_ended(&v, 0, now);
	expect(SUPERVISE_OVER, 0);
	assert_false(v.failed);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(the_first_starts_alone_and_the_others_after_it),
		T(if_the_first_fails_the_start_has_failed),
		T(if_another_fails_all_that_run_are_stopped),
		T(one_that_never_gets_ready_is_killed),
		T(one_that_dies_is_started_again_after_a_pause),
		T(the_pause_doubles_up_to_its_limit_and_starts_anew_after_steady_work),
		T(the_first_is_started_again_like_any_other),
		T(one_that_hangs_is_killed_and_one_that_lives_is_not),
		T(a_reload_goes_through_the_first_before_the_others),
		T(one_that_dies_while_it_reloads_holds_nobody_up),
		T(one_that_starts_reloads_when_it_is_ready),
		T(a_reload_during_a_reload_is_another),
		T(a_stop_goes_through_the_others_before_the_first),
		T(who_does_not_stop_is_killed),
		T(nobody_is_started_or_reloaded_while_it_stops),
		T(a_stop_amid_the_start_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
