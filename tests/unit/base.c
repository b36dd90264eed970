/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>

static void cleanup_functions_leave_errno_alone(void **state)
{
	void *memory = malloc(1);
	FILE *none = NULL;
	int fd = -1;

	(void)state;
	errno = ENOTTY;
	closep(&fd);
	freep(&memory);
	fclosep(&none);
	assert_int_equal(errno, ENOTTY);
	assert_null(memory);
}

static void a_closed_descriptor_is_forgotten(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), closed = fd;

	(void)state;
	assert_true(fd >= 0);
	closep(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(closed, F_GETFD), -1);
}

static void a_given_pointer_is_no_longer_owned(void **state)
{
	char text[] = "x", *p = text;

	(void)state;
	assert_ptr_equal(give(p), text);
	assert_null(p);
}

UNIT(it(cleanup_functions_leave_errno_alone), it(a_closed_descriptor_is_forgotten),
	it(a_given_pointer_is_no_longer_owned))
