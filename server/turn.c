/* SPDX-License-Identifier: MIT */
#include "turn.h"

#include <errno.h>
#include <time.h>

#include "log.h"

/* A turn that has grown to this ends before any other input is looked at, so that load can't put
 * the commit off for ever. */
#define TURN_HELD_MAX 256
#define TURN_USEC_MAX 5000

/* Of a shared store: as much as may keep the others waiting; how often it is tried to begin while
 * one of them writes, and for how long. */
#define WORK_MAX   64
#define WORK_USEC  50000 /* the same in time, for a store that is slow */
#define BUSY_USEC  1000
#define BUSY_LIMIT 5000000

const uint32_t turn_bounds[] = { 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
	1000000 };

struct turn {
	sd_event *loop;
	struct store *store;
	sd_event_source *end; /* enabled while a transaction is open */
	struct held *first;   /* the newest first */
	size_t count;
	uint64_t began; /* microseconds, monotonic */
	bool open;
	bool failed;
	bool shared;
	int unavailable;           /* while work is told that there is no transaction */
	struct work *work, **last; /* in order */
	size_t queued;
	uint64_t waits;         /* since then, for another process; 0: it doesn't */
	sd_event_source *again; /* tries again to begin; also ends what input would put off */
	struct turn_stats stats;
};

static uint64_t now_usec(struct turn *t)
{
	uint64_t now = 0;

	sd_event_now(t->loop, CLOCK_MONOTONIC, &now);
	return now;
}

static void held_unlink(struct held *h)
{
	*h->previous = h->next;
	if (h->next != NULL)
		h->next->previous = h->previous;
	h->next = NULL;
	h->previous = NULL;
}

static void held_link(struct held **list, struct held *h)
{
	h->next = *list;
	h->previous = list;
	if (h->next != NULL)
		h->next->previous = &h->next;
	*list = h;
}

/* In the order in which they were held. A release may hold, forget or free any of the others. */
static void release_all(struct turn *t, bool committed)
{
	struct held *list = NULL, *h;

	while ((h = t->first) != NULL) {
		held_unlink(h);
		held_link(&list, h);
	}
	t->count = 0;
	while ((h = list) != NULL) {
		held_unlink(h);
		h->release(h, committed);
	}
}

static uint64_t clock_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool commit(struct turn *t)
{
	struct turn_stats *s = &t->stats;
	uint64_t before = clock_usec(), took;
	bool done = store_commit(t->store) == 0;
	size_t i = 0;

	took = clock_usec() - before;
	while (i < TURN_BUCKETS - 1 && took > turn_bounds[i])
		i++;
	s->buckets[i]++;
	s->commit_usec += took;
	return done;
}

static void turn_end(struct turn *t)
{
	bool committed = !t->failed && commit(t);

	if (!committed)
		store_rollback(t->store);
	t->stats.committed += committed;
	t->stats.failed += !committed;
	t->open = false;
	sd_event_source_set_enabled(t->end, SD_EVENT_OFF);
	release_all(t, committed);
}

/* Where nobody else waits for the store, when no more input is waiting; else at once. */
static int arm_end(struct turn *t)
{
	bool at_once = t->shared && t->open;

	sd_event_source_set_priority(
		t->end, at_once ? SD_EVENT_PRIORITY_IMPORTANT : SD_EVENT_PRIORITY_IDLE);
	int r = sd_event_source_set_enabled(t->end, SD_EVENT_ONESHOT);
	return r < 0 ? log_err(r, "cannot arm the end of a turn") : 0;
}

/* ---- work on a shared store */

static void run_work(struct turn *t, size_t most, uint64_t usec, int error)
{
	uint64_t until = clock_usec() + usec;

	for (size_t i = 0; t->work != NULL && i < most && (i == 0 || clock_usec() < until); i++) {
		struct work *w = t->work;

		t->work = w->next;
		if (t->work == NULL)
			t->last = &t->work;
		w->next = NULL;
		t->queued--;
		w->run(w, error);
	}
}

/* Without a transaction: all that has gathered hears of it. */
static void refuse_work(struct turn *t, int error)
{
	t->waits = 0;
	t->unavailable = error;
	run_work(t, t->queued, UINT32_MAX, error);
	t->unavailable = 0;
}

static void arm_again(struct turn *t, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(t->again, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(t->again, SD_EVENT_ONESHOT);
	if (r < 0)
		log_err(r, "cannot set the timer of a turn");
}

/* Until no more input is waiting, or as long as a turn may last. */
static void gather(struct turn *t)
{
	(void)arm_end(t);
	arm_again(t, TURN_USEC_MAX);
}

static void begin_work(struct turn *t)
{
	int r = store_try(t->store);

	if (r == -EBUSY && t->waits == 0)
		t->waits = now_usec(t);
	if (r == -EBUSY && now_usec(t) - t->waits < BUSY_LIMIT) {
		arm_again(t, BUSY_USEC);
		return;
	}
	if (r < 0) {
		refuse_work(t, r);
		return;
	}
	t->waits = 0;
	t->open = true;
	t->failed = false;
	sd_event_source_set_enabled(t->again, SD_EVENT_OFF);
	run_work(t, WORK_MAX, WORK_USEC, 0);
	turn_end(t);
	if (t->work != NULL)
		gather(t);
}

static void end_or_begin(struct turn *t)
{
	if (t->open)
		turn_end(t);
	if (t->work != NULL)
		begin_work(t);
}

static int on_again(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	end_or_begin(userdata);
	return 0;
}

static int on_end(sd_event_source *source, void *userdata)
{
	struct turn *t = userdata;

	(void)source;
	if (t->open || t->waits == 0) /* else the timer tries it */
		end_or_begin(t);
	return 0;
}

void turn_share(struct turn *t)
{
	t->shared = true;
}

bool turn_is_shared(const struct turn *t)
{
	return t->shared;
}

void turn_queue(struct turn *t, struct work *w)
{
	if (t->work == NULL) {
		t->began = now_usec(t);
		gather(t);
	}
	w->next = NULL;
	*t->last = w;
	t->last = &w->next;
	if (++t->queued >= WORK_MAX)
		sd_event_source_set_priority(t->end, SD_EVENT_PRIORITY_IMPORTANT);
}

void turn_unqueue(struct turn *t, struct work *w)
{
	struct work **at = &t->work;

	while (*at != NULL && *at != w)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = w->next;
	t->queued--;
	if (t->last == &w->next)
		t->last = at;
}

/* ---- making and ending */

int turn_new(sd_event *loop, struct store *store, struct turn **ret)
{
	struct turn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->loop = loop;
	t->store = store;
	t->last = &t->work;
	int r = sd_event_add_defer(loop, &t->end, on_end, t);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->end, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time(loop, &t->again, CLOCK_MONOTONIC, 0, 1, on_again, t);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->again, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_unref(t->end);
		sd_event_source_unref(t->again);
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct turn *turn_free(struct turn *t)
{
	if (t == NULL)
		return NULL;
	if (t->open)
		turn_end(t);
	refuse_work(t, -ESHUTDOWN);
	sd_event_source_disable_unref(t->end);
	sd_event_source_disable_unref(t->again);
	free(t);
	return NULL;
}

/* The end is never called from here: those who call us are in the middle of something. */
static void hurry_if_large(struct turn *t)
{
	if (t->count >= TURN_HELD_MAX || now_usec(t) - t->began >= TURN_USEC_MAX)
		sd_event_source_set_priority(t->end, SD_EVENT_PRIORITY_IMPORTANT);
}

int turn_enter(struct turn *t)
{
	if (t->open) {
		hurry_if_large(t);
		return 0;
	}
	if (t->unavailable < 0)
		return t->unavailable;
	int r = store_begin(t->store);
	if (r < 0)
		return r;
	t->open = true;
	t->failed = false;
	t->began = now_usec(t);
	r = arm_end(t);
	if (r < 0) {
		store_rollback(t->store);
		t->open = false;
	}
	return r;
}

const struct turn_stats *turn_stats(const struct turn *t)
{
	return &t->stats;
}

bool turn_is_open(const struct turn *t)
{
	return t->open;
}

void turn_fail(struct turn *t)
{
	t->failed = true;
}

void turn_hold(struct turn *t, struct held *h)
{
	if (!t->open) {
		h->release(h, true);
		return;
	}
	if (turn_is_held(h))
		return;
	held_link(&t->first, h);
	t->count++;
	hurry_if_large(t);
}

void turn_forget(struct held *h)
{
	if (turn_is_held(h))
		held_unlink(h);
}

bool turn_is_held(const struct held *h)
{
	return h->previous != NULL;
}
