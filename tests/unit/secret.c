/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void secret_memory_starts_as_zeros(void **state)
{
	uint8_t zeros[100] = {};
	void *secret = secret_alloc(sizeof zeros);

	(void)state;
	assert_non_null(secret);
	assert_memory_equal(secret, zeros, sizeof zeros);
	assert_null(secret_free(secret));
}

static void freeing_nothing_is_allowed_and_errno_stays(void **state)
{
	void *none = NULL;

	(void)state;
	errno = ENOTTY;
	assert_null(secret_free(NULL));
	secret_freep(&none);
	assert_int_equal(errno, ENOTTY);
}

static void a_byte_behind_a_secret_cannot_be_touched(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		volatile char *secret = secret_alloc(16);

		if (!secret)
			_exit(2);
		/* A sanitizer would report the signal instead of dying of it. */
		signal(SIGSEGV, SIG_DFL);
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		secret[16] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_protected_process_leaves_no_core_dump(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct rlimit core;

		if (secret_protect_process() < 0 || getrlimit(RLIMIT_CORE, &core) < 0)
			_exit(2);
		_exit(core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

UNIT(it(secret_memory_starts_as_zeros), it(freeing_nothing_is_allowed_and_errno_stays),
	it(a_byte_behind_a_secret_cannot_be_touched), it(a_protected_process_leaves_no_core_dump),
	it(random_bytes_differ))
