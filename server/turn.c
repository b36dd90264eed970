/* SPDX-License-Identifier: MIT */
#include "turn.h"

#include <errno.h>

#include "log.h"

/* A turn that has grown to this ends before any other input is looked at, so that load can't put
 * the commit off for ever. */
#define TURN_HELD_MAX 256
#define TURN_USEC_MAX 5000

struct turn {
	sd_event *loop;
	struct store *store;
	sd_event_source *end; /* enabled while a transaction is open */
	struct held *first;   /* the newest first */
	size_t count;
	uint64_t began; /* microseconds, monotonic */
	bool open;
	bool failed;
};

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

static void turn_end(struct turn *t)
{
	bool committed = !t->failed && store_commit(t->store) == 0;

	if (!committed)
		store_rollback(t->store);
	t->open = false;
	sd_event_source_set_enabled(t->end, SD_EVENT_OFF);
	release_all(t, committed);
}

static int on_end(sd_event_source *source, void *userdata)
{
	(void)source;
	turn_end(userdata);
	return 0;
}

int turn_new(sd_event *loop, struct store *store, struct turn **ret)
{
	struct turn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->loop = loop;
	t->store = store;
	int r = sd_event_add_defer(loop, &t->end, on_end, t);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->end, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_unref(t->end);
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
	sd_event_source_unref(t->end);
	free(t);
	return NULL;
}

static uint64_t now_usec(struct turn *t)
{
	uint64_t now = 0;

	sd_event_now(t->loop, CLOCK_MONOTONIC, &now);
	return now;
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
	int r = store_begin(t->store);
	if (r < 0)
		return r;
	t->open = true;
	t->failed = false;
	t->began = now_usec(t);
	sd_event_source_set_priority(t->end, SD_EVENT_PRIORITY_IDLE);
	r = sd_event_source_set_enabled(t->end, SD_EVENT_ONESHOT);
	if (r < 0) {
		store_rollback(t->store);
		t->open = false;
		return log_err(r, "cannot arm the end of a turn");
	}
	return 0;
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
