/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <string.h>

#include "listener.h"
#include "log.h"
#include "server.h"
#include "workers.h"

#define PUT_USEC 1000000u

_Static_assert(sizeof(struct tally) % sizeof(uint64_t) == 0, "it is read word by word");

static void load(tally_slot *slot, struct tally *ret)
{
	uint64_t words[TALLY_WORDS];

	for (size_t i = 0; i < TALLY_WORDS; i++)
		words[i] = atomic_load_explicit(&(*slot)[i], memory_order_relaxed);
	memcpy(ret, words, sizeof(*ret));
}

static void add(struct tally *sum, const struct tally *t)
{
	uint64_t a[TALLY_WORDS], b[TALLY_WORDS];

	memcpy(a, sum, sizeof(a));
	memcpy(b, t, sizeof(b));
	for (size_t i = 0; i < TALLY_WORDS; i++)
		a[i] += b[i];
	memcpy(sum, a, sizeof(a));
}

static void own(const struct server *s, struct tally *ret)
{
	*ret = (struct tally){ .metrics = s->metrics,
		.turns = *turn_stats(s->turn),
		.connections = listener_connections(s) };
	add(ret, &s->tally_base);
}

static void put(const struct server *s)
{
	tally_slot *slot = board_tally(s, s->worker);
	uint64_t words[TALLY_WORDS];
	struct tally t;

	own(s, &t);
	memcpy(words, &t, sizeof(words));
	for (size_t i = 0; i < TALLY_WORDS; i++)
		atomic_store_explicit(&(*slot)[i], words[i], memory_order_relaxed);
}

static int on_put(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	put(userdata);
	int r = sd_event_source_set_time_relative(source, PUT_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int tally_start(struct server *s)
{
	int r;

	if (s->board == NULL)
		return 0;
	load(board_tally(s, s->worker), &s->tally_base);
	s->tally_base.connections = s->tally_base.metrics.streams = 0; /* these are no counters */
	r = sd_event_add_time_relative(
		s->loop, &s->tally_timer, CLOCK_MONOTONIC, PUT_USEC, 0, on_put, s);
	return r < 0 ? log_err(r, "cannot make a timer") : 0;
}

void tally_stop(struct server *s)
{
	if (s->tally_timer != NULL)
		put(s);
	s->tally_timer = sd_event_source_disable_unref(s->tally_timer);
}

void tally_sum(const struct server *s, struct tally *ret)
{
	struct tally t;

	own(s, ret);
	for (unsigned i = 0; s->board != NULL && i < s->config.workers; i++) {
		if (i == s->worker)
			continue;
		load(board_tally(s, i), &t);
		add(ret, &t);
	}
}
