/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/resource.h>

#include "server/limits.h"

static void fewer_connections_when_the_files_are_few(void **state)
{
	(void)state;
	assert_int_equal(limits_connections(20000, 20064), 20000);
	assert_int_equal(limits_connections(20000, 20063), 19999);
	assert_int_equal(limits_connections(20000, 129), 65);
	assert_int_equal(limits_connections(1000000, UINT64_MAX), 1000000); /* RLIM_INFINITY */
}

/* Those then fail one by one; the listener rests meanwhile. */
static void some_connections_however_few_the_files_are(void **state)
{
	(void)state;
	for (uint64_t files = 0; files <= 2 * LIMITS_SPARE_FILES; files++)
		assert_int_equal(limits_connections(20000, files), LIMITS_SPARE_FILES);
	assert_int_equal(limits_connections(1, 0), 1);
	assert_int_equal(limits_connections(3, 66), 3);
}

static void the_files_are_raised_to_what_is_granted(void **state)
{
	struct config c = { .connections = 1000000 };
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = 100;
	files.rlim_max = 300;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	limits_apply(&c, false);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(files.rlim_cur, 300);
	assert_int_equal(c.connections, 300 - LIMITS_SPARE_FILES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fewer_connections_when_the_files_are_few),
		cmocka_unit_test(some_connections_however_few_the_files_are),
		cmocka_unit_test(the_files_are_raised_to_what_is_granted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
