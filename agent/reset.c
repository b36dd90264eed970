/* SPDX-License-Identifier: MIT */
#include "agent/reset.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/log.h"
#include "lib/file.h"
#include "lib/text.h"

#define NAME       "reset"
#define PATH_SIZE  512
#define FILE_MAX   64
#define USEC       1000000u
#define BUSY_AGAIN USEC
#define ACCURACY   10000u

struct reset {
	const char *state;
	const struct reset_calls *calls;
	void *userdata;
	sd_event_source *timer;
	uint64_t done;     /* the number of the last one that was made */
	uint64_t wanted;   /* of one that is to be made, or 0 */
	uint64_t sequence; /* of the message that asked for it, while somebody waits; or 0 */
	uint64_t earliest; /* CLOCK_BOOTTIME, microseconds */
};

static uint64_t now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* can't fail with this clock */
	return (uint64_t)t.tv_sec * USEC + (uint64_t)t.tv_nsec / 1000;
}

static int path_of(const struct reset *r, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/" NAME, r->state);

	return len > 0 && len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* What can't be read is none: a restart too many does less harm than one that never comes. */
static void load(struct reset *r)
{
	scoped(freep) char *text = NULL;
	char path[PATH_SIZE];
	size_t len;
	int error = path_of(r, path);

	if (error == 0)
		error = file_read(path, FILE_MAX, &text, &len);
	if (error == 0) {
		text[strcspn(text, "\n")] = '\0';
		error = text_number(text, 1, UINT64_MAX, &r->done);
	}
	if (error < 0 && error != -ENOENT)
		(void)log_err(error, "cannot read '%s/" NAME "'", r->state);
}

static int store(const struct reset *r)
{
	char path[PATH_SIZE], line[FILE_MAX];
	int error = path_of(r, path);

	(void)snprintf(line, sizeof line, "%llu\n", (unsigned long long)r->wanted);
	return error < 0 ? error : file_write_atomic(path, line, strlen(line), 0600);
}

/* The server learns of a failure, or it asks again on the next connection. */
static void fail(struct reset *r, int error)
{
	uint64_t sequence = r->sequence;

	(void)log_err(error, "cannot restart as the server has asked");
	r->wanted = r->sequence = 0;
	if (sequence)
		r->calls->failed(r->userdata, sequence, error);
}

static void arm(struct reset *r, uint64_t delay)
{
	int error = sd_event_source_set_time_relative(r->timer, delay);

	if (error >= 0)
		error = sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
	if (error < 0)
		fail(r, error);
}

/* Without the number on the disk it would be made again and again. */
static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct reset *r = userdata;
	int error;

	(void)source, (void)usec;
	if (r->calls->busy(r->userdata)) {
		arm(r, BUSY_AGAIN);
		return 0;
	}
	error = store(r);
	if (error < 0) {
		fail(r, error);
		return 0;
	}
	r->done = r->wanted;
	r->wanted = 0;
	r->calls->restart(r->userdata);
	return 0;
}

int reset_new(sd_event *event, const char *state_folder, const struct reset_calls *calls,
	void *userdata, struct reset **ret)
{
	struct reset *r = calloc(1, sizeof *r);
	int error;

	if (!r)
		return log_err(-ENOMEM, "cannot start");
	*r = (struct reset){ .state = state_folder,
		.calls = calls,
		.userdata = userdata,
		.earliest = now_usec() + (uint64_t)calls->age * USEC };
	error = sd_event_add_time_relative(
		event, &r->timer, CLOCK_BOOTTIME, 0, ACCURACY, on_time, r);
	if (error >= 0)
		error = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
	if (error < 0) {
		reset_free(r);
		return log_err(error, "cannot prepare the event loop");
	}
	load(r);
	*ret = r;
	return 0;
}

struct reset *reset_free(struct reset *r)
{
	if (!r)
		return NULL;
	sd_event_source_disable_unref(r->timer);
	free(r);
	return NULL;
}

bool reset_take(struct reset *r, uint64_t number, uint64_t sequence)
{
	uint64_t now = now_usec();
	bool first = r->wanted == 0;

	if (number <= r->done)
		return true;
	r->sequence = sequence;
	r->wanted = number > r->wanted ? number : r->wanted;
	if (first)
		arm(r, now < r->earliest ? r->earliest - now : 0);
	return false;
}

bool reset_waits(const struct reset *r)
{
	return r->wanted != 0;
}

void reset_forget(struct reset *r)
{
	r->sequence = 0;
}
