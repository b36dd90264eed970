/* SPDX-License-Identifier: MIT */
#include "agent/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "agent/status.h"

#define TAIL_SIZE 300 /* bytes of its output that are kept */

static bool is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The file, and every folder above it. */
int hook_find(const char *program)
{
	char path[256];
	struct stat st;
	char *slash;

	if ((size_t)snprintf(path, sizeof path, "%s", program) >= sizeof path)
		return -EPERM;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -EPERM;
	if (!S_ISREG(st.st_mode) || !is_roots_alone(&st) || (st.st_mode & S_IXUSR) == 0)
		return -EPERM;
	while ((slash = strrchr(path, '/')) && slash != path) {
		*slash = '\0';
		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || !is_roots_alone(&st))
			return -EPERM;
	}
	return 1;
}

static _Noreturn void become(const struct hook_run *h, int output)
{
	char action[64], name[128], revision[64];
	char *environment[] = { (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
					  ":/sbin:/bin" },
		(char[]){ "LANG=C.UTF-8" }, action, name, revision, NULL };
	char *argv[] = { strdup(h->program), h->file ? strdup(h->file) : NULL, NULL };
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	snprintf(action, sizeof action, "MUSTER_ACTION=%s", h->action);
	snprintf(name, sizeof name, "MUSTER_CONFIG=%s", h->name);
	snprintf(
		revision, sizeof revision, "MUSTER_REVISION=%llu", (unsigned long long)h->revision);
	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (nothing >= 0 && dup2(nothing, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0)
		(void)execve(argv[0], argv, environment);
	dprintf(output, "cannot run %s: %s\n", h->program, strerror(errno));
	_exit(127);
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads to the end, or until it is late; keeps the last bytes. true: it was the end. */
static bool read_tail(int fd, int64_t deadline, char tail[static TAIL_SIZE + 1])
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char part[TAIL_SIZE];
	size_t len = 0;

	for (;;) {
		int64_t left = deadline - now_ms();
		ssize_t n;

		tail[len] = '\0';
		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, part, sizeof part);
		if (n <= 0)
			return true;
		if (len + (size_t)n > TAIL_SIZE) {
			size_t drop = len + (size_t)n - TAIL_SIZE;

			drop = drop > len ? len : drop;
			memmove(tail, tail + drop, len - drop);
			len -= drop;
		}
		memcpy(tail + len, part, (size_t)n);
		len += (size_t)n;
	}
}

/* The last lines, as one. */
static void join_lines(const char *text, char ret[static HOOK_SAID_SIZE])
{
	char joined[HOOK_SAID_SIZE] = "";
	size_t len = 0;

	for (; *text && len + 4 < sizeof joined; text++) {
		if (*text != '\n')
			joined[len++] = *text;
		else if (text[1] && len > 0)
			len += (size_t)snprintf(joined + len, sizeof joined - len, " | ");
	}
	joined[len] = '\0';
	status_copy_printable(joined, ret, HOOK_SAID_SIZE);
}

/* A program that closed its output may still run: it has until the deadline too. */
static int wait_for(pid_t pid, int64_t deadline)
{
	const struct timespec tick = { .tv_nsec = 20 * 1000 * 1000 };
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() >= deadline) {
			(void)kill(-pid, SIGKILL);
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return -1;
		}
		(void)nanosleep(&tick, NULL);
	}
	return status;
}

int hook_run(const struct hook_run *h, char ret_said[static HOOK_SAID_SIZE])
{
	int64_t deadline = now_ms() + HOOK_SECONDS * 1000ll;
	char tail[TAIL_SIZE + 1] = "";
	int ends[2], status;
	pid_t pid;

	*ret_said = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		become(h, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return 1;
	}
	(void)setpgid(pid, pid); /* whichever of both comes first */
	(void)read_tail(ends[0], deadline, tail);
	close(ends[0]);
	status = wait_for(pid, deadline);
	(void)kill(-pid, SIGKILL);
	join_lines(tail, ret_said);
	if (status == 0)
		return 0;
	if (status < 0)
		(void)snprintf(ret_said, HOOK_SAID_SIZE, "took longer than %d s", HOOK_SECONDS);
	else if (!*ret_said && WIFEXITED(status))
		(void)snprintf(ret_said, HOOK_SAID_SIZE, "exit code %d", WEXITSTATUS(status));
	else if (!*ret_said)
		(void)snprintf(ret_said, HOOK_SAID_SIZE, "ended by signal %d", WTERMSIG(status));
	return 1;
}
