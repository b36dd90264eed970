/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "enrol/program.h"

#define TICK_MS 100 /* how long a signal may wait to be noticed */

const char *program_find(const char *name)
{
	static const char *const folders[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin" };
	static char path[64];

	for (size_t i = 0; i < COUNT(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A group of its own: Ctrl-C at the terminal is muster-enrol's to handle. Signals that this process
 * blocks or ignores are as usual in the other. */
static int spawn(const char *const argv[], int output, pid_t *ret)
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		"SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&how) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	posix_spawnattr_setsigdefault(&how, &all);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(
		&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	if (r == 0)
		r = posix_spawn(ret, argv[0], &files, &how, (char *const *)(uintptr_t)argv,
			(char *const *)(uintptr_t)environment);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* The end of what it says is what matters. */
static void keep(char *ret, size_t size, size_t *len, const char *data, size_t n)
{
	if (n >= size) {
		data += n - (size - 1);
		n = size - 1;
	}
	if (*len + n >= size) {
		size_t drop = *len + n - (size - 1);

		memmove(ret, ret + drop, *len - drop);
		*len -= drop;
	}
	memcpy(ret + *len, data, n);
	*len += n;
	ret[*len] = '\0';
}

/* Reads until the other end is closed. */
static int listen_to(
	int input, uint64_t deadline, const volatile sig_atomic_t *cancel, char *ret, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = input, .events = POLLIN };
		char data[512];
		ssize_t n;

		if (cancel && *cancel)
			return -ECANCELED;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		if (poll(&p, 1, TICK_MS) <= 0)
			continue;
		n = read(input, data, sizeof data);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			keep(ret, size, &len, data, (size_t)n);
	}
}

static int end(pid_t child, int r)
{
	int status;

	if (r < 0)
		kill(-child, SIGKILL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r < 0)
		return r;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_run(const char *const argv[], unsigned seconds, const volatile sig_atomic_t *cancel,
	char *ret, size_t size)
{
	int ends[2];
	pid_t child;
	int r;

	*ret = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	scoped(closep) int input = ends[0];

	r = spawn(argv, ends[1], &child);
	close(ends[1]);
	if (r < 0)
		return r;
	return end(child, listen_to(input, now_ms() + (uint64_t)seconds * 1000, cancel, ret, size));
}
