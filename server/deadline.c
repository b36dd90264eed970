/* SPDX-License-Identifier: MIT */
#include "deadline.h"

#include <errno.h>
#include <stdbool.h>

#include "log.h"

#define USEC     1000000u
#define ACCURACY 100000u

struct deadlines {
	sd_event *loop;
	sd_event_source *timer;
	uint64_t armed; /* for when the timer is set; UINT64_MAX: off */
	void (*expired)(struct deadline *d);
	struct deadline ends[DEADLINE_KINDS]; /* rings; next is the earliest */
};

static bool is_set(const struct deadline *d)
{
	return d->next != NULL;
}

static void unlink_entry(struct deadline *d)
{
	d->previous->next = d->next;
	d->next->previous = d->previous;
	d->next = d->previous = NULL;
}

/* The timer may ring too early, for an entry that has gone; never too late. */
static void arm(struct deadlines *all, uint64_t at)
{
	if (at >= all->armed)
		return;
	all->armed = at;
	if (sd_event_source_set_time(all->timer, at) < 0 ||
		sd_event_source_set_enabled(all->timer, SD_EVENT_ONESHOT) < 0)
		log_at(LOG_ERR, "cannot set the timer of connections");
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata)
{
	struct deadlines *all = userdata;
	uint64_t now = at;

	(void)source;
	sd_event_now(all->loop, CLOCK_MONOTONIC, &now);
	for (size_t k = 0; k < DEADLINE_KINDS; k++) {
		struct deadline *end = &all->ends[k];

		while (end->next != end && end->next->at <= now) {
			struct deadline *d = end->next;

			unlink_entry(d);
			all->expired(d);
		}
	}
	all->armed = UINT64_MAX;
	for (size_t k = 0; k < DEADLINE_KINDS; k++)
		if (all->ends[k].next != &all->ends[k])
			arm(all, all->ends[k].next->at);
	return 0;
}

int deadlines_new(sd_event *loop, void (*expired)(struct deadline *d), struct deadlines **ret)
{
	struct deadlines *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	all->loop = loop;
	all->expired = expired;
	all->armed = UINT64_MAX;
	for (size_t k = 0; k < DEADLINE_KINDS; k++)
		all->ends[k].next = all->ends[k].previous = &all->ends[k];
	int r = sd_event_add_time(loop, &all->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_timer, all);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
	if (r < 0) {
		deadlines_free(all);
		return r;
	}
	*ret = all;
	return 0;
}

struct deadlines *deadlines_free(struct deadlines *all)
{
	if (all != NULL)
		sd_event_source_unref(all->timer);
	free(all);
	return NULL;
}

void deadline_set(
	struct deadlines *all, struct deadline *d, enum deadline_kind kind, uint32_t seconds)
{
	uint64_t now = 0;

	deadline_clear(d);
	struct deadline *before = all->ends[kind].previous;
	sd_event_now(all->loop, CLOCK_MONOTONIC, &now);
	d->at = now + (uint64_t)seconds * USEC;
	d->kind = kind;
	while (before != &all->ends[kind] && before->at > d->at)
		before = before->previous;
	d->previous = before;
	d->next = before->next;
	d->next->previous = d;
	before->next = d;
	arm(all, d->at);
}

void deadline_clear(struct deadline *d)
{
	if (is_set(d))
		unlink_entry(d);
}
