/* SPDX-License-Identifier: MIT */
#include "agent/update.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/handover.h"
#include "agent/log.h"
#include "agent/renewal.h"

#define UNIT      "muster-update.path"
#define POLL_USEC 500000u
#define WAIT      RENEWAL_SECONDS
#define PATH_SIZE 512

struct update {
	struct update_setup setup;
	sd_event_source *poll;
	uint64_t number; /* that waits, or 0 */
	uint64_t sequence;
	uint8_t giver[GIVER_SIZE];
	time_t began; /* CLOCK_MONOTONIC */
	update_done done;
	void *userdata;
};

struct update_setup update_setup_of(const char *state)
{
	static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
		NULL };

	return (struct update_setup){ state, OUTCOME_FILE, folders, WAIT, POLL_USEC };
}

static time_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail with this clock */
	return t.tv_sec;
}

static void answer(struct update *u, uint16_t code, const char *text)
{
	uint64_t sequence = u->sequence;

	update_forget(u);
	u->done(u->userdata, sequence, code, text);
}

/* Of this very order. */
static bool take_outcome(struct update *u)
{
	struct outcome o;

	if (outcome_read(u->setup.outcome, &o) < 0 || !outcome_is_of(&o, u->number, u->giver))
		return false;
	answer(u, o.code, o.text);
	return true;
}

static void give_up(struct update *u, const char *why)
{
	handover_withdraw(u->setup.state, RENEWAL_NAME);
	answer(u, NACK_UPDATE, why);
}

static void poll_again(struct update *u)
{
	if (sd_event_source_set_time_relative(u->poll, u->setup.poll) < 0 ||
		sd_event_source_set_enabled(u->poll, SD_EVENT_ONESHOT) < 0)
		give_up(u, "the agent cannot wait for it");
}

static int on_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct update *u = userdata;

	(void)source, (void)usec;
	if (take_outcome(u))
		return 0;
	if (now() - u->began < (time_t)u->setup.wait) {
		poll_again(u);
		return 0;
	}
	give_up(u, "no answer from muster-update.service: see its status and journal");
	return 0;
}

/* The first folder that has the unit decides, as it does for systemd; a link to nothing masks it.
 */
static bool is_taken_care_of(const struct update *u)
{
	for (size_t i = 0; u->setup.folders[i]; i++) {
		char path[PATH_SIZE], target[PATH_SIZE];
		struct stat st;
		ssize_t len;

		if (snprintf(path, sizeof path, "%s/" UNIT, u->setup.folders[i]) >= PATH_SIZE ||
			lstat(path, &st) < 0)
			continue;
		len = readlink(path, target, sizeof target - 1);
		target[len < 0 ? 0 : len] = '\0';
		return strcmp(target, "/dev/null") != 0 && stat(path, &st) == 0 && st.st_size > 0;
	}
	return false;
}

int update_new(sd_event *event, const struct update_setup *setup, update_done done, void *userdata,
	struct update **ret)
{
	struct update *u = calloc(1, sizeof *u);
	int r;

	if (!u)
		return log_err(-ENOMEM, "cannot start");
	*u = (struct update){ .setup = *setup, .done = done, .userdata = userdata };
	r = sd_event_add_time_relative(
		event, &u->poll, CLOCK_BOOTTIME, 0, setup->poll / 2, on_poll, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->poll, SD_EVENT_OFF);
	if (r < 0) {
		update_free(u);
		return log_err(r, "cannot prepare the event loop");
	}
	*ret = u;
	return 0;
}

struct update *update_free(struct update *u)
{
	if (!u)
		return NULL;
	sd_event_source_disable_unref(u->poll);
	free(u);
	return NULL;
}

static int hand_over(const struct update *u, const struct message *m,
	const uint8_t self[static PUBLIC_KEY_SIZE], const uint8_t binding[static BINDING_SIZE])
{
	struct handover h = {};
	int r = handover_pack(m, self, binding, &h);

	if (r == 0)
		r = handover_give(u->setup.state, RENEWAL_NAME, &h);
	handover_clear(&h);
	return r;
}

void update_take(struct update *u, const struct update_order *order, const struct message *m,
	const uint8_t giver[static GIVER_SIZE], const uint8_t self[static PUBLIC_KEY_SIZE],
	const uint8_t binding[static BINDING_SIZE])
{
	int r;

	update_forget(u);
	u->number = order->number;
	u->sequence = m->sequence;
	u->began = now();
	memcpy(u->giver, giver, sizeof u->giver);
	if (take_outcome(u))
		return;
	if (!is_taken_care_of(u)) {
		answer(u, NACK_NO_UPDATES, UNIT " is masked on this machine, or not there");
		return;
	}
	r = hand_over(u, m, self, binding);
	if (r < 0) {
		answer(u, NACK_STORAGE, strerror(-r));
		return;
	}
	log_say(LOG_NOTICE, "an update to version %s was ordered", order->version);
	poll_again(u);
}

bool update_waits(const struct update *u)
{
	return u->number != 0;
}

void update_forget(struct update *u)
{
	u->number = u->sequence = 0;
	(void)sd_event_source_set_enabled(u->poll, SD_EVENT_OFF);
}
