/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/beats.h"
#include "server/channel.h"

static struct fixture {
	sd_event *loop;
	struct beats *all;
	struct channel channels[BEATS_MAX];
	uint64_t due[2 * BEATS_MAX]; /* their sequence numbers, in order */
	size_t count;
	struct channel *ends; /* is ended by the first that is due */
} f;

static void on_due(struct channel *c, const struct beat *b)
{
	assert_null(c->beat);
	assert_ptr_equal(b->channel, c);
	assert_int_equal(b->hello.uptime, b->sequence + 1000);
	f.due[f.count++] = b->sequence;
	if (f.ends)
		beats_forget(f.ends);
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	return sd_event_new(&f.loop) < 0 || beats_new(f.loop, on_due, &f.all) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	f.all = beats_free(f.all);
	f.loop = sd_event_unref(f.loop);
	return 0;
}

static void add(size_t which)
{
	struct hello h = { .uptime = which + 1000 };

	beats_add(f.all, &f.channels[which], which, &h);
}

static void all_that_came_in_a_moment_are_due_together(void **state)
{
	(void)state;
	add(1);
	add(2);
	assert_non_null(f.channels[1].beat);
	assert_int_equal(f.count, 0);
	while (f.count == 0)
		assert_true(sd_event_run(f.loop, 5000000) > 0);
	assert_int_equal(f.count, 2);
	assert_true(f.due[0] == 1 && f.due[1] == 2);
	add(3); /* and the timer is set again for the next */
	while (f.count == 2)
		assert_true(sd_event_run(f.loop, 5000000) > 0);
	assert_int_equal(f.due[2], 3);
}

static void no_more_wait_than_there_is_room_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < BEATS_MAX; i++)
		add(i);
	assert_int_equal(f.count, BEATS_MAX);
	assert_int_equal(sd_event_run(f.loop, 100000), 0);
}

static void a_channel_that_has_ended_is_not_due(void **state)
{
	(void)state;
	add(1);
	add(2);
	beats_forget(&f.channels[1]);
	beats_forget(&f.channels[1]);
	beats_forget(&f.channels[5]);
	assert_null(f.channels[1].beat);
	beats_flush(f.all);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.due[0], 2);
}

static void nor_is_one_that_is_ended_by_another(void **state)
{
	(void)state;
	f.ends = &f.channels[2];
	add(1);
	add(2);
	add(3);
	beats_flush(f.all);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.due[1], 3);
}

#define with(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

UNIT(with(all_that_came_in_a_moment_are_due_together), with(no_more_wait_than_there_is_room_for),
	with(a_channel_that_has_ended_is_not_due), with(nor_is_one_that_is_ended_by_another))
