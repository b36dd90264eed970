/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "server/poller.h"

#define SOCKETS 3

static struct fixture {
	sd_event *loop;
	struct poller *poller;
	int ends[SOCKETS][2]; /* [0] is polled */
	unsigned called[SOCKETS];
	uint32_t events[SOCKETS];
	bool removes_all; /* the first that is called removes every socket */
} f;

static void ready(void *owner, uint32_t events)
{
	size_t which = (size_t)((int(*)[2])owner - f.ends);

	f.called[which]++;
	f.events[which] = events;
	for (size_t i = 0; f.removes_all && i < SOCKETS; i++)
		poller_remove(f.poller, f.ends[i][0], f.ends[i]);
}

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	if (sd_event_new(&f.loop) < 0 || poller_new(f.loop, ready, &f.poller) < 0)
		return -1;
	for (size_t i = 0; i < SOCKETS; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, f.ends[i]) < 0 ||
			poller_add(f.poller, f.ends[i][0], EPOLLIN, f.ends[i]) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < SOCKETS; i++) {
		close(f.ends[i][0]);
		close(f.ends[i][1]);
	}
	f.poller = poller_free(f.poller);
	f.loop = sd_event_unref(f.loop);
	return 0;
}

static void say(size_t which)
{
	assert_int_equal(send(f.ends[which][1], "x", 1, 0), 1);
}

static void all_that_are_ready_are_called_in_one_turn_of_the_loop(void **state)
{
	(void)state;
	say(0);
	say(2);
	assert_true(sd_event_run(f.loop, UINT64_MAX) > 0);
	assert_int_equal(f.called[0], 1);
	assert_int_equal(f.called[1], 0);
	assert_int_equal(f.called[2], 1);
	assert_int_equal(f.events[2], EPOLLIN);
}

static void one_that_was_removed_is_not_called_even_in_the_same_batch(void **state)
{
	(void)state;
	f.removes_all = true;
	for (size_t i = 0; i < SOCKETS; i++)
		say(i);
	assert_true(sd_event_run(f.loop, UINT64_MAX) > 0);
	assert_int_equal(f.called[0] + f.called[1] + f.called[2], 1);
	assert_int_equal(sd_event_run(f.loop, 0), 0);
	assert_int_equal(f.called[0] + f.called[1] + f.called[2], 1);
}

static void what_is_waited_for_can_be_changed(void **state)
{
	(void)state;
	assert_int_equal(poller_set(f.poller, f.ends[1][0], EPOLLOUT, f.ends[1]), 0);
	say(1);
	assert_true(sd_event_run(f.loop, UINT64_MAX) > 0);
	assert_int_equal(f.called[1], 1);
	assert_int_equal(f.events[1], EPOLLOUT);
}

static void a_descriptor_that_is_none_is_refused(void **state)
{
	(void)state;
	assert_int_equal(poller_add(f.poller, -1, EPOLLIN, &f), -EBADF);
	assert_int_equal(poller_add(f.poller, f.ends[0][0], EPOLLIN, &f), -EEXIST);
}

#define with(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

UNIT(with(all_that_are_ready_are_called_in_one_turn_of_the_loop),
	with(one_that_was_removed_is_not_called_even_in_the_same_batch),
	with(what_is_waited_for_can_be_changed), with(a_descriptor_that_is_none_is_refused))
