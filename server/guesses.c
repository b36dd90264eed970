/* SPDX-License-Identifier: MIT */
#include "guesses.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

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
	pthread_mutex_t lock;
	uint32_t per_source, overall;
	uint32_t refill_ms;
	uint64_t all_full_us;
	uint32_t others, others_wrong; /* not told yet, of networks whose place was taken */
	struct guesser sets[SETS][WAYS];
};

/* ---- the lock */

/* Whoever died while he held it has left numbers that are at most one guess off. */
static void lock(struct guesses *g)
{
	if (pthread_mutex_lock(&g->lock) == EOWNERDEAD)
		(void)pthread_mutex_consistent(&g->lock);
}

static void unlock(struct guesses *g)
{
	(void)pthread_mutex_unlock(&g->lock);
}

static int make_lock(pthread_mutex_t *ret)
{
	pthread_mutexattr_t a;
	int r = pthread_mutexattr_init(&a);

	if (r == 0)
		r = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	if (r == 0)
		r = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (r == 0)
		r = pthread_mutex_init(ret, &a);
	(void)pthread_mutexattr_destroy(&a);
	return -r;
}

int guesses_new(struct guesses **ret)
{
	struct guesses *g =
		mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct source nobody = {};

	if (g == MAP_FAILED)
		return -errno;
	int r = make_lock(&g->lock);
	if (r < 0) {
		munmap(g, sizeof(*g));
		return r;
	}
	(void)source_hash(&nobody); /* its key is made at the first use: the same for all */
	guesses_limit(g, 10, 100);
	guesses_pace(g, GUESSES_REFILL_MS);
	*ret = g;
	return 0;
}

struct guesses *guesses_free(struct guesses *g)
{
	if (g != NULL)
		munmap(g, sizeof(*g));
	return NULL;
}

void guesses_limit(struct guesses *g, uint32_t per_source, uint32_t overall)
{
	g->per_source = per_source;
	g->overall = overall;
}

void guesses_pace(struct guesses *g, uint32_t refill_ms)
{
	g->refill_ms = refill_ms;
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

static uint32_t wait_of(struct guesses *g, const struct source *network, uint64_t now_ms)
{
	const struct guesser *e = find(g, network);

	if (e == NULL || e->full_ms <= now_ms)
		return 0;
	uint64_t own = too_far(e->full_ms, now_ms, (uint64_t)(g->per_source - 1) * g->refill_ms);
	uint64_t all = too_far(g->all_full_us, now_ms * 1000, 1000000 - 1000000 / g->overall);
	uint64_t ms = own > all / 1000 ? own : (all + 999) / 1000;
	return (uint32_t)((ms + 999) / 1000);
}

uint32_t guesses_wait(struct guesses *g, const struct source *s, uint64_t now_ms)
{
	struct source network = source_network(s);

	lock(g);
	uint32_t seconds = wait_of(g, &network, now_ms);
	unlock(g);
	return seconds;
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
	uint64_t now_us = now_ms * 1000;

	lock(g);
	struct guesser *e = find(g, &network);
	if (e == NULL)
		e = place(g, &network, now_ms);
	e->full_ms = (e->full_ms > now_ms ? e->full_ms : now_ms) + g->refill_ms;
	e->wrong++;
	g->all_full_us = (g->all_full_us > now_us ? g->all_full_us : now_us) + 1000000 / g->overall;
	unlock(g);
}

/* What has been refilled meanwhile stays so. */
static uint64_t sooner(uint64_t full, uint64_t by, uint64_t now)
{
	return full > now + by ? full - by : now;
}

void guesses_right(struct guesses *g, const struct source *s, uint64_t now_ms)
{
	struct source network = source_network(s);
	struct guesser *e = find(g, &network);

	if (e == NULL)
		return;
	e->full_ms = sooner(e->full_ms, g->refill_ms, now_ms);
	e->wrong -= e->wrong > 0;
	g->all_full_us = sooner(g->all_full_us, 1000000 / g->overall, now_ms * 1000);
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

	lock(g);
	for (size_t i = 0; i < SETS * WAYS; i++) {
		struct guesser *e = &g->sets[i / WAYS][i % WAYS];

		if (e->wrong > 0)
			n = keep_busiest(g, ret, n, (struct guesses_row){ e->network, e->wrong });
		e->wrong = 0;
	}
	*ret_others = g->others;
	*ret_others_wrong = g->others_wrong;
	g->others = g->others_wrong = 0;
	unlock(g);
	return n;
}
