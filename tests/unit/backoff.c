/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/backoff.h"

static void each_attempt_waits_within_its_bounds(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct backoff b = { .base_ms = 100, .cap_ms = 10000 };
		uint64_t top = 300;

		for (int attempt = 0; attempt < 20; attempt++) {
			uint64_t wait = backoff_next(&b);

			assert_in_range(wait, 100, top);
			top = top * 2 < 10000 ? top * 2 : 10000;
		}
	}
}

static void at_the_cap_the_jitter_remains(void **state)
{
	struct backoff b = { .base_ms = 1000, .cap_ms = 60000, .attempt = 1000000 };
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t wait = backoff_next(&b);

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_true(least < 5000);
	assert_true(most > 55000 && most <= 60000);
}

static void no_values_overflow(void **state)
{
	struct backoff b = {
		.base_ms = UINT64_MAX / 2, .cap_ms = UINT64_MAX, .attempt = UINT32_MAX
	};
	struct backoff whole = { .base_ms = 0, .cap_ms = UINT64_MAX, .attempt = 100 };
	struct backoff inverted = { .base_ms = 100, .cap_ms = 10 };
	struct backoff zero = {};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(backoff_next(&b) >= UINT64_MAX / 2);
		(void)backoff_next(&whole);
		assert_int_equal(backoff_next(&inverted), 10);
		assert_int_equal(backoff_next(&zero), 0);
	}
	assert_true(b.attempt == UINT32_MAX);
}

static void after_a_reset_it_starts_again(void **state)
{
	struct backoff b = { .base_ms = 100, .cap_ms = 100000 };

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)backoff_next(&b);
	backoff_reset(&b);
	assert_in_range(backoff_next(&b), 100, 300);
}

UNIT(it(each_attempt_waits_within_its_bounds), it(at_the_cap_the_jitter_remains),
	it(no_values_overflow), it(after_a_reset_it_starts_again))
