/* SPDX-License-Identifier: MIT */
#include "beats.h"

#include <errno.h>

#include "channel.h"
#include "log.h"

#define ACCURACY 5000u
#define ROOM     (4 * BEATS_MAX) /* for those that come while others wait for the store */

struct beats {
	sd_event *loop;
	sd_event_source *timer;
	void (*due)(struct channel *c, const struct beat *b);
	struct work work;
	struct turn *turn; /* NULL: not shared */
	bool queued;
	size_t count;
	struct beat waiting[ROOM];
};

static void on_turn(struct work *w, int error)
{
	struct beats *all = (struct beats *)((char *)w - offsetof(struct beats, work));

	(void)error;
	all->queued = false;
	beats_flush(all);
}

static void are_due(struct beats *all)
{
	if (all->turn == NULL || all->count == ROOM) {
		beats_flush(all);
	} else if (!all->queued) {
		all->queued = true;
		turn_queue(all->turn, &all->work);
	}
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	are_due(userdata);
	return 0;
}

int beats_new(
	sd_event *loop, void (*due)(struct channel *c, const struct beat *b), struct beats **ret)
{
	struct beats *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	all->loop = loop;
	all->due = due;
	all->work.run = on_turn;
	int r = sd_event_add_time(loop, &all->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_timer, all);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
	if (r < 0) {
		beats_free(all);
		return r;
	}
	*ret = all;
	return 0;
}

void beats_share(struct beats *all, struct turn *turn)
{
	all->turn = turn;
}

struct beats *beats_free(struct beats *all)
{
	if (all != NULL)
		sd_event_source_disable_unref(all->timer);
	free(all);
	return NULL;
}

/* Without a timer none would ever be due: then they are so at once. */
static void arm(struct beats *all)
{
	uint64_t now = 0;
	int r = sd_event_now(all->loop, CLOCK_MONOTONIC, &now);

	if (r >= 0)
		r = sd_event_source_set_time(all->timer, now + BEATS_USEC);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->timer, SD_EVENT_ONESHOT);
	if (r < 0) {
		log_err(r, "cannot set the timer of heartbeats");
		beats_flush(all);
	}
}

void beats_add(struct beats *all, struct channel *c, uint64_t sequence, const struct hello *hello)
{
	struct beat *b = &all->waiting[all->count++];

	*b = (struct beat){ .channel = c, .sequence = sequence, .hello = *hello };
	c->beat = b;
	if (all->count >= BEATS_MAX)
		are_due(all);
	else if (all->count == 1)
		arm(all);
}

void beats_flush(struct beats *all)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct beat *b = &all->waiting[i];

		if (b->channel == NULL)
			continue;
		b->channel->beat = NULL;
		all->due(b->channel, b);
	}
	all->count = 0;
	(void)sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
}

void beats_forget(struct channel *c)
{
	if (c->beat != NULL)
		c->beat->channel = NULL;
	c->beat = NULL;
}
