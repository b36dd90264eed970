/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/deadline.h"

/* What rang, in order. Seconds here are real: the longest of these tests takes one. */
static struct deadline *rung[8];
static size_t rung_count;

static void ring(struct deadline *d)
{
	assert_null(d->next);
	rung[rung_count++] = d;
}

struct fixture {
	sd_event *loop;
	struct deadlines *all;
};

static int setup(void **state)
{
	static struct fixture f;

	rung_count = 0;
	if (sd_event_new(&f.loop) < 0 || deadlines_new(f.loop, ring, &f.all) < 0)
		return -1;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->all = deadlines_free(f->all);
	f->loop = sd_event_unref(f->loop);
	return 0;
}

static void what_has_passed_rings_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct deadline a = {}, b = {}, c = {}, later = {};

	deadline_set(f->all, &a, DEADLINE_IDLE, 0);
	deadline_set(f->all, &later, DEADLINE_IDLE, 3600);
	deadline_set(f->all, &b, DEADLINE_IDLE, 0); /* shorter than the one before it */
	deadline_set(f->all, &c, DEADLINE_REQUEST, 0);
	while (rung_count < 3)
		assert_true(sd_event_run(f->loop, UINT64_MAX) >= 0);
	assert_true(rung[0] == &c && rung[1] == &a && rung[2] == &b);
	assert_non_null(later.next);
	deadline_clear(&later);
}

static void what_was_cleared_or_moved_does_not_ring(void **state)
{
	struct fixture *f = *state;
	struct deadline a = {}, b = {}, c = {};

	deadline_set(f->all, &a, DEADLINE_REQUEST, 0);
	deadline_set(f->all, &b, DEADLINE_REQUEST, 0);
	deadline_clear(&a);
	deadline_clear(&a);
	deadline_set(f->all, &b, DEADLINE_IDLE, 3600);
	deadline_set(f->all, &c, DEADLINE_HANDSHAKE, 1);
	while (rung_count < 1)
		assert_true(sd_event_run(f->loop, UINT64_MAX) >= 0);
	assert_ptr_equal(rung[0], &c);
	assert_int_equal(rung_count, 1);
	deadline_clear(&b);
}

static void an_earlier_one_is_not_late_for_a_later_one(void **state)
{
	struct fixture *f = *state;
	struct deadline slow = {}, fast = {};

	deadline_set(f->all, &slow, DEADLINE_IDLE, 3600);
	deadline_set(f->all, &fast, DEADLINE_LINGER, 0);
	assert_true(sd_event_run(f->loop, 5000000) > 0);
	assert_int_equal(rung_count, 1);
	assert_ptr_equal(rung[0], &fast);
	deadline_clear(&slow);
}

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
UNIT(each(what_has_passed_rings_and_in_order), each(what_was_cleared_or_moved_does_not_ring),
	each(an_earlier_one_is_not_late_for_a_later_one))
