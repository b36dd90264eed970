/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "enrol/fields.h"
#include "enrol/paths.h"
#include "enrol/program.h"
#include "enrol/unit.h"

#define SYSTEMCTL_SECONDS 120 /* stopping the agent may take its TimeoutStopSec */
#define SETTLE_TICKS      60  /* of 50 ms */
#define STATUS_SIZE       4096
#define TICK_MS           200 /* how long a signal, or an event that was missed, may wait */

bool unit_systemd_runs(void)
{
	struct stat st;

	return stat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode) &&
	       program_find("systemctl");
}

/* 0, or -EIO with what it said. */
static int systemctl(
	const char *const arguments[], const volatile sig_atomic_t *cancel, char *ret, size_t size)
{
	const char *argv[8] = { program_find("systemctl") };
	int r;

	if (!argv[0])
		return -ENOENT;
	for (size_t i = 0; arguments[i] && i + 2 < COUNT(argv); i++)
		argv[i + 1] = arguments[i];
	r = program_run(argv, SYSTEMCTL_SECONDS, cancel, ret, size);
	return r > 0 ? -EIO : r;
}

/* enable reads the units again by itself. */
int unit_start(
	const char *unit, const volatile sig_atomic_t *cancel, char ret_said[static UNIT_SAID_SIZE])
{
	const char *const arguments[] = { "--no-ask-password", "--no-block", "enable", "--now",
		unit, NULL };

	return systemctl(arguments, cancel, ret_said, UNIT_SAID_SIZE);
}

int unit_reload(const char *unit)
{
	const char *const arguments[] = { "daemon-reload", NULL };
	char said[UNIT_SAID_SIZE];

	(void)unit;
	return systemctl(arguments, NULL, said, sizeof said);
}

/* systemd that is stopped in the middle of setting up a sandbox leaves folders of its own in /tmp:
 * an agent that is just being started gets the time to be. */
static void settle(const char *unit)
{
	const char *const state[] = { "show", "--property=SubState", unit, NULL };
	const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };
	char said[UNIT_SAID_SIZE];

	for (int i = 0; i < SETTLE_TICKS; i++) {
		if (systemctl(state, NULL, said, sizeof said) < 0 ||
			strcmp(said, "SubState=start\n") != 0)
			return;
		nanosleep(&tick, NULL);
	}
}

int unit_restart(const char *units, char ret_said[static UNIT_SAID_SIZE])
{
	char copy[128], *second = copy, *first;
	int len = snprintf(copy, sizeof copy, "%s", units);

	*ret_said = '\0';
	if (len < 0 || (size_t)len >= sizeof copy)
		return -EINVAL;
	settle(UNIT_NAME);
	first = strsep(&second, " ");
	const char *const arguments[] = { "--no-ask-password", "--no-block", "restart", first,
		second, NULL };

	return systemctl(arguments, NULL, ret_said, UNIT_SAID_SIZE);
}

/* systemctl knows no "if it is there", so only its failure to end a unit that is there counts. */
int unit_stop(const char *unit)
{
	const char *const stop[] = { "--no-ask-password", "--no-reload", "disable", "--now", unit,
		NULL };
	const char *const reset[] = { "reset-failed", unit, NULL };
	const char *const active[] = { "is-active", unit, NULL };
	char said[UNIT_SAID_SIZE];
	int r;

	settle(unit);
	r = systemctl(stop, NULL, said, sizeof said);
	if (r < 0 && systemctl(active, NULL, said, sizeof said) == 0)
		return r;
	/* A unit that has not failed is unknown to reset-failed, which is as well. */
	r = systemctl(reset, NULL, said, sizeof said);
	return r == -EIO ? 0 : r;
}

int unit_look(const char *unit, struct unit_state *ret)
{
	const char *const arguments[] = { "show",
		"--property=ActiveState,SubState,InvocationID,MainPID,NRestarts", unit, NULL };
	char said[UNIT_SAID_SIZE], sub[24];
	int r = systemctl(arguments, NULL, said, sizeof said);

	*ret = (struct unit_state){};
	if (r < 0)
		return r;
	fields_text(said, "ActiveState", ret->active, sizeof ret->active);
	fields_text(said, "InvocationID", ret->invocation, sizeof ret->invocation);
	fields_text(said, "SubState", sub, sizeof sub);
	ret->ended = strcmp(ret->active, "failed") == 0 || strcmp(sub, "auto-restart") == 0;
	ret->pid = fields_number(said, "MainPID");
	ret->restarts = fields_number(said, "NRestarts");
	return 0;
}

void unit_last_lines(const char *unit, char ret_said[static UNIT_SAID_SIZE])
{
	const char *const argv[] = { program_find("journalctl"), "--no-pager", "-q", "-o", "cat",
		"-n", "4", "-u", unit, NULL };

	*ret_said = '\0';
	if (argv[0] && program_run(argv, 10, NULL, ret_said, UNIT_SAID_SIZE) != 0)
		*ret_said = '\0';
}

/* ---- status file */

/* The folder is the agent's user's: nothing in it is followed, and only a regular file is read. */
static size_t read_status(char ret[static STATUS_SIZE])
{
	scoped(closep) int folder =
		open(STATUS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	scoped(closep) int fd = folder < 0
					? -1
					: openat(folder, STATUS_NAME,
						  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	len = read(fd, ret, STATUS_SIZE - 1);
	return len < 0 ? 0 : (size_t)len;
}

void agent_status_read(struct agent_status *ret)
{
	char text[STATUS_SIZE];

	*ret = (struct agent_status){};
	text[read_status(text)] = '\0';
	fields_text(text, "state", ret->state, sizeof ret->state);
	fields_text(text, "client", ret->client, sizeof ret->client);
	fields_text(text, "server", ret->server, sizeof ret->server);
	fields_text(text, "detail", ret->detail, sizeof ret->detail);
	ret->since = fields_number(text, "since");
	ret->hello = fields_number(text, "hello");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until something happens near the status file. The folder appears when the agent starts. */
static void wait_for_change(int watcher)
{
	struct pollfd p = { .fd = watcher, .events = POLLIN };
	char events[4096] __attribute__((aligned(8)));

	/* Adding a watch that is there already changes nothing. */
	inotify_add_watch(watcher, STATUS_FOLDER,
		IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR | IN_DONT_FOLLOW);
	if (poll(&p, 1, TICK_MS) > 0 && read(watcher, events, sizeof events) < 0)
		return;
}

/* 1: go on waiting. */
static int judge(const char *client, const struct agent_status *s)
{
	if (strcmp(s->client, client) != 0)
		return 1;
	if (s->hello != 0)
		return 0;
	return strcmp(s->state, "refused") == 0 ? -ECONNREFUSED : 1;
}

/* The status file goes with each agent, so once another invocation is there, what is read after
 * that is not the former one's. */
static int judge_new(const char *client, const struct unit_state *before, struct agent_status *ret)
{
	struct unit_state now;
	int r = unit_look(UNIT_NAME, &now);

	agent_status_read(ret);
	if (r < 0 || !*now.invocation || strcmp(now.invocation, before->invocation) == 0)
		return 1;
	r = judge(client, ret);
	return r == 1 && (now.ended || now.restarts > before->restarts) ? -ESRCH : r;
}

/* before: NULL: any agent. */
static int await(const char *client, const struct unit_state *before, unsigned seconds,
	const volatile sig_atomic_t *cancel, struct agent_status *ret)
{
	uint64_t deadline = now_ms() + (uint64_t)seconds * 1000;
	scoped(closep) int watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (watcher >= 0)
		inotify_add_watch(watcher, STATUS_PARENT, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	for (;;) {
		int r;

		if (!before)
			agent_status_read(ret);
		r = before ? judge_new(client, before, ret) : judge(client, ret);
		if (r <= 0)
			return r;
		if (cancel && *cancel)
			return -ECANCELED;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		wait_for_change(watcher);
	}
}

int agent_status_wait(const char *client, unsigned seconds, const volatile sig_atomic_t *cancel,
	struct agent_status *ret)
{
	return await(client, NULL, seconds, cancel, ret);
}

int agent_status_wait_new(const char *client, const struct unit_state *before, unsigned seconds,
	const volatile sig_atomic_t *cancel, struct agent_status *ret)
{
	return await(client, before, seconds, cancel, ret);
}
