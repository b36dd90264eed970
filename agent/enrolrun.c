/* SPDX-License-Identifier: MIT */
#include "agent/enrolrun.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "agent/log.h"
#include "agent/status.h"

#define LINE_SIZE 16384 /* muster-enrol's texts have 2 KiB, before they are escaped */
#define RESULT    "{\"result\":\""
#define DETAIL    ",\"detail\":\""

/* ---------------------------------------------------------------- what it says */

static const struct {
	const char *name;
	enum enrolrun_end end;
} ends[] = {
	{ "updated", ENROLRUN_DONE },
	{ "up-to-date", ENROLRUN_DONE },
	{ "failed", ENROLRUN_FAILED },
	{ "put-back", ENROLRUN_PUT_BACK },
	{ "half-done", ENROLRUN_HALF_DONE },
	{ "unproved", ENROLRUN_UNPROVED },
};

/* The string up to its closing quote; nothing else than quote and backslash is escaped there. */
static void take_string(const char *from, char *ret, size_t size)
{
	size_t len = 0;

	for (; *from && *from != '"' && len + 1 < size; from++) {
		if (*from == '\\' && from[1])
			from++;
		ret[len++] = *from;
	}
	ret[len] = '\0';
}

static void take_detail(const char *line, char ret[static OUTCOME_TEXT])
{
	char text[LINE_SIZE] = "";
	const char *detail = strstr(line, DETAIL);

	if (detail)
		take_string(detail + strlen(DETAIL), text, sizeof text);
	status_copy_printable(text, ret, OUTCOME_TEXT);
}

static void tell_lost(int status, struct enrolrun *ret)
{
	ret->end = ENROLRUN_LOST;
	if (WIFSIGNALED(status))
		(void)snprintf(ret->text, sizeof ret->text, "muster-enrol was ended by signal %d",
			WTERMSIG(status));
	else
		(void)snprintf(ret->text, sizeof ret->text,
			"muster-enrol ended with exit status %d and told no result",
			WEXITSTATUS(status));
}

void enrolrun_judge(const char *line, int status, struct enrolrun *ret)
{
	char name[16] = "";

	*ret = (struct enrolrun){};
	if (strncmp(line, RESULT, strlen(RESULT)) == 0)
		take_string(line + strlen(RESULT), name, sizeof name);
	for (size_t i = 0; i < COUNT(ends); i++) {
		if (strcmp(name, ends[i].name) != 0)
			continue;
		ret->end = ends[i].end;
		if (ret->end == ENROLRUN_FAILED && strstr(line, ",\"exit\":14}"))
			ret->end = ENROLRUN_BUSY;
		take_detail(line, ret->text);
		/* One that says that it has done it, and then dies, has not. */
		if (ret->end != ENROLRUN_DONE || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			return;
	}
	tell_lost(status, ret);
}

/* ---------------------------------------------------------------- the run */

struct lines {
	char now[LINE_SIZE], last[LINE_SIZE];
	size_t len;
};

/* A line that is too long is none of a result. */
static void feed(struct lines *l, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			l->now[l->len] = data[i];
			l->len += l->len + 1 < sizeof l->now;
			continue;
		}
		l->now[l->len] = '\0';
		memcpy(l->last, l->now, l->len + 1);
		log_say(LOG_INFO, "muster-enrol: %s", l->now);
		l->len = 0;
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail with this clock */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* To the end of what it says. false: that didn't come in time. */
static bool listen_to(int fd, unsigned seconds, struct lines *l)
{
	int64_t deadline = now_ms() + (int64_t)seconds * 1000;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char data[1024];

	for (;;) {
		int64_t left = deadline - now_ms();
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, data, sizeof data);
		if (n == 0 || (n < 0 && errno != EINTR))
			return true;
		feed(l, data, n > 0 ? (size_t)n : 0);
	}
}

static int spawn(const char *program, const char *release, int output, pid_t *ret)
{
	const char *const argv[] = { program, "--update", "--release", release, "--json", NULL };
	posix_spawn_file_actions_t files;
	int r = posix_spawn_file_actions_init(&files);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(
			ret, program, &files, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* The status that it ended with. */
static int hear_out(pid_t child, int output, unsigned seconds, struct lines *l)
{
	int status = 0;

	if (!listen_to(output, seconds, l)) {
		(void)kill(child, SIGTERM);
		if (!listen_to(output, ENROLRUN_GRACE, l))
			(void)kill(child, SIGKILL);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int run(const char *program, const char *release, unsigned seconds, struct lines *l,
	struct enrolrun *ret)
{
	pid_t child;
	int ends_of[2], r;

	if (pipe2(ends_of, O_CLOEXEC) < 0)
		return -errno;
	r = spawn(program, release, ends_of[1], &child);
	close(ends_of[1]);
	if (r == 0)
		enrolrun_judge(l->last, hear_out(child, ends_of[0], seconds, l), ret);
	close(ends_of[0]);
	return r;
}

void enrolrun(const char *program, const uint8_t release[static RELEASE_DIGEST_SIZE],
	unsigned seconds, struct enrolrun *ret)
{
	char hex[2 * RELEASE_DIGEST_SIZE + 1];
	struct lines *l = calloc(1, sizeof *l);
	int r;

	sodium_bin2hex(hex, sizeof hex, release, RELEASE_DIGEST_SIZE);
	r = l ? run(program, hex, seconds, l, ret) : -ENOMEM;
	free(l);
	if (r == 0)
		return;
	*ret = (struct enrolrun){ .end = ENROLRUN_FAILED };
	(void)snprintf(ret->text, sizeof ret->text, "cannot run %s: %s", program, strerror(-r));
}
