/* SPDX-License-Identifier: MIT */
/* Chance is libsodium's generator, with a sequence of this test's own in its place: the same each run. */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "lib/retry.h"

#define BASE 1000
#define CAP  300000

static uint64_t seed;

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static const char *name(void)
{
	return "sequence";
}

static uint32_t draw(void)
{
	return (uint32_t)next();
}

static void fill(void *const buffer, const size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)buffer)[i] = (uint8_t)next();
}

static struct randombytes_implementation sequence = {
	.implementation_name = name, .random = draw, .buf = fill
};

static void from_seed(uint64_t n)
{
	assert_int_equal(randombytes_set_implementation(&sequence), 0);
	seed = n;
}

/* ---------------------------------------------------------------- order */

static void one_address_has_the_back_offs_pauses_alone(void **state)
{
	struct retry r;

	(void)state;
	from_seed(1);
	for (int round = 0; round < 100; round++) {
		uint64_t top = 3 * BASE;

		retry_begin(&r, 1, BASE, CAP);
		for (int i = 0; i < 12; i++) {
			assert_int_equal(retry_place(&r), 0);
			assert_in_range(
				retry_after(&r, i % 2 ? RETRY_FAILED : RETRY_BROKEN), BASE, top);
			top = top * 2 < CAP ? top * 2 : CAP;
		}
		assert_in_range(retry_after(&r, RETRY_LOST), BASE, 3 * BASE);
		assert_int_equal(retry_place(&r), 0);
	}
}

static void a_start_takes_each_address_as_often(void **state)
{
	unsigned first[ADDRESSES_MAX] = {}, orders[6] = {};
	struct retry r;

	(void)state;
	from_seed(2);
	for (int i = 0; i < 80000; i++) {
		retry_begin(&r, 8, BASE, CAP);
		first[retry_place(&r)]++;
	}
	for (int i = 0; i < 8; i++)
		assert_in_range(first[i], 9500, 10500);
	for (int i = 0; i < 60000; i++) { /* and every order of three */
		retry_begin(&r, 3, BASE, CAP);
		orders[2 * r.order[0] + (r.order[1] > r.order[2])]++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(orders[i], 9500, 10500);
}

/* Through rounds, and with what begins to serve and breaks among them. */
static void none_is_tried_again_before_all_others(void **state)
{
	struct retry r;

	(void)state;
	from_seed(3);
	for (size_t count = 1; count <= ADDRESSES_MAX; count++) {
		unsigned last[ADDRESSES_MAX] = {};

		retry_begin(&r, count, BASE, CAP);
		for (unsigned i = 1; i <= 100; i++) {
			size_t at = retry_place(&r);

			assert_true(at < count);
			if (last[at])
				assert_int_equal(i - last[at], count);
			last[at] = i;
			(void)retry_after(&r, next() % 3 ? RETRY_FAILED : RETRY_BROKEN);
		}
	}
}

static void what_was_lost_comes_last_and_the_others_by_chance(void **state)
{
	unsigned taken[4] = {};
	struct retry r;

	(void)state;
	from_seed(4);
	for (int i = 0; i < 30000; i++) {
		size_t lost = (size_t)i % 4;

		retry_begin(&r, 4, BASE, CAP);
		while (retry_place(&r) != lost)
			(void)retry_after(&r, RETRY_FAILED);
		(void)retry_after(&r, RETRY_LOST);
		for (int tried = 0; tried < 3; tried++) {
			assert_int_not_equal(retry_place(&r), lost);
			if (tried == 0 && lost == 3)
				taken[retry_place(&r)]++;
			(void)retry_after(&r, RETRY_FAILED);
		}
		assert_int_equal(retry_place(&r), lost);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(taken[i], 2300, 2700);
}

/* ---------------------------------------------------------------- pauses */

static void a_round_is_one_attempt_of_the_back_off(void **state)
{
	struct retry r;
	uint64_t top = 3 * BASE;

	(void)state;
	from_seed(5);
	retry_begin(&r, 3, BASE, CAP);
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 2; i++) {
			assert_in_range(retry_after(&r, RETRY_FAILED), BASE / 4, BASE + BASE / 4);
			assert_false(retry_is_round(&r, RETRY_FAILED));
		}
		assert_in_range(retry_after(&r, RETRY_FAILED), BASE, top);
		assert_true(retry_is_round(&r, RETRY_FAILED));
		top = top * 2 < CAP ? top * 2 : CAP;
	}
}

static void what_serves_and_breaks_again_and_again_waits_longer_and_longer(void **state)
{
	struct retry r;
	uint64_t most = 0;

	(void)state;
	from_seed(6);
	retry_begin(&r, 2, BASE, CAP);
	for (int i = 0; i < 60; i++) {
		uint64_t wait = retry_after(&r, RETRY_BROKEN);

		assert_true(wait >= BASE && wait <= (i % 2 ? CAP : 6 * BASE));
		assert_false(retry_is_round(&r, RETRY_BROKEN));
		most = wait > most ? wait : most;
	}
	assert_true(most > CAP / 2);
}

static void a_loss_forgets_failures_and_spreads(void **state)
{
	struct retry r;
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	from_seed(7);
	for (int i = 0; i < 2000; i++) {
		uint64_t wait;

		retry_begin(&r, 3, BASE, CAP);
		for (int k = 0; k < 31; k++)
			(void)retry_after(&r, RETRY_FAILED);
		wait = retry_after(&r, RETRY_LOST);
		assert_in_range(wait, BASE, 6 * BASE);
		assert_false(retry_is_round(&r, RETRY_LOST));
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		for (int k = 0; k < 2; k++)
			(void)retry_after(&r, RETRY_FAILED);
		assert_in_range(retry_after(&r, RETRY_FAILED), BASE, 3 * BASE);
	}
	assert_true(least < BASE + BASE / 50 && most > 6 * BASE - BASE / 50);
}

static void no_pause_is_longer_than_the_cap(void **state)
{
	struct retry r;

	(void)state;
	from_seed(8);
	for (uint64_t cap = 0; cap <= 1500; cap += 500) {
		retry_begin(&r, 4, BASE, cap);
		for (int i = 0; i < 200; i++)
			assert_true(retry_after(&r, (enum retry_end)(next() % 3)) <= cap);
	}
}

UNIT(it(one_address_has_the_back_offs_pauses_alone), it(a_start_takes_each_address_as_often),
	it(none_is_tried_again_before_all_others),
	it(what_was_lost_comes_last_and_the_others_by_chance),
	it(a_round_is_one_attempt_of_the_back_off),
	it(what_serves_and_breaks_again_and_again_waits_longer_and_longer),
	it(a_loss_forgets_failures_and_spreads), it(no_pause_is_longer_than_the_cap))
