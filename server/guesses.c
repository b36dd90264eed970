/* SPDX-License-Identifier: MIT */
#include "guesses.h"

#include <errno.h>
#include <string.h>

#define WAYS 8u
#define SETS 512u

/* A bucket is kept as the time at which it will be full again (GCRA): each wrong guess moves it by
 * one refill into the future; what lies too far ahead is over the limit. */
struct guesser {
	struct source network;
	uint64_t full_ms;
	uint32_t wrong; /* not told yet */
};

struct guesses {
	uint32_t per_source, overall;
	uint64_t all_full_us;
	uint32_t others, others_wrong; /* not told yet, of networks whose place was taken */
	struct guesser sets[SETS][WAYS];
};

int guesses_new(struct guesses **ret)
{
	struct guesses *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	guesses_limit(g, 10, 100);
	*ret = g;
	return 0;
}

struct guesses *guesses_free(struct guesses *g)
{
	free(g);
	return NULL;
}

void guesses_limit(struct guesses *g, uint32_t per_source, uint32_t overall)
{
	g->per_source = per_source;
	g->overall = overall;
}

static bool is_free(const struct guesser *e, uint64_t now_ms)
{
	return e->full_ms <= now_ms && e->wrong == 0;
}

/* The network's entry, or NULL. */
static struct guesser *find(struct guesses *g, const struct source *network)
{
	struct guesser *set = g->sets[source_hash(network) % SETS];

	for (size_t i = 0; i < WAYS; i++)
		if (source_equal(&set[i].network, network))
			return &set[i];
	return NULL;
}

/* Time until `full` is at most `room` ahead of now, all in one unit. */
static uint64_t too_far(uint64_t full, uint64_t now, uint64_t room)
{
	return full > now + room ? full - now - room : 0;
}

uint32_t guesses_wait(struct guesses *g, const struct source *s, uint64_t now_ms)
{
	struct source network = source_network(s);
	const struct guesser *e = find(g, &network);

	if (e == NULL || e->full_ms <= now_ms)
		return 0;
	uint64_t own =
		too_far(e->full_ms, now_ms, (uint64_t)(g->per_source - 1) * GUESSES_REFILL_MS);
	uint64_t all = too_far(g->all_full_us, now_ms * 1000, 1000000 - 1000000 / g->overall);
	uint64_t ms = own > all / 1000 ? own : (all + 999) / 1000;
	return (uint32_t)((ms + 999) / 1000);
}

/* A place for the network: a free one, or that of who will be forgiven first. */
static struct guesser *place(struct guesses *g, const struct source *network, uint64_t now_ms)
{
	struct guesser *set = g->sets[source_hash(network) % SETS], *best = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (is_free(&set[i], now_ms)) {
			best = &set[i];
			break;
		}
		if (set[i].full_ms < best->full_ms)
			best = &set[i];
	}
	if (best->wrong > 0) {
		g->others++;
		g->others_wrong += best->wrong;
	}
	*best = (struct guesser){ .network = *network };
	return best;
}

void guesses_wrong(struct guesses *g, const struct source *s, uint64_t now_ms)
{
	struct source network = source_network(s);
	struct guesser *e = find(g, &network);
	uint64_t now_us = now_ms * 1000;

	if (e == NULL)
		e = place(g, &network, now_ms);
	e->full_ms = (e->full_ms > now_ms ? e->full_ms : now_ms) + GUESSES_REFILL_MS;
	e->wrong++;
	g->all_full_us = (g->all_full_us > now_us ? g->all_full_us : now_us) + 1000000 / g->overall;
}

/* Keeps the busiest, in order. What falls out is counted among the others. */
static size_t keep_busiest(
	struct guesses *g, struct guesses_row *rows, size_t n, struct guesses_row row)
{
	size_t at = n;

	while (at > 0 && rows[at - 1].wrong < row.wrong)
		at--;
	if (n == GUESSES_TOLD) {
		g->others++;
		g->others_wrong += at == n ? row.wrong : rows[n - 1].wrong;
		if (at == n)
			return n;
		n--;
	}
	memmove(rows + at + 1, rows + at, (n - at) * sizeof(*rows));
	rows[at] = row;
	return n + 1;
}

size_t guesses_summary(struct guesses *g, struct guesses_row ret[static GUESSES_TOLD],
	uint32_t *ret_others, uint32_t *ret_others_wrong)
{
	size_t n = 0;

	for (size_t i = 0; i < SETS * WAYS; i++) {
		struct guesser *e = &g->sets[i / WAYS][i % WAYS];

		if (e->wrong > 0)
			n = keep_busiest(g, ret, n, (struct guesses_row){ e->network, e->wrong });
		e->wrong = 0;
	}
	*ret_others = g->others;
	*ret_others_wrong = g->others_wrong;
	g->others = g->others_wrong = 0;
	return n;
}
