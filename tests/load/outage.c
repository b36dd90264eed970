/* SPDX-License-Identifier: MIT */
/*
 * muster-outage: what agents do to their servers after an outage, simulated with the agents' own
 * choice of address and pauses (lib/retry.c) and time-out. All lose their connection at once; until
 * the servers are back every attempt fails at once, then attempts wait in one queue that is served at
 * a steady rate.
 *
 *	muster-outage [--agents N] [--outage SECONDS] [--rate N] [--servers N]
 *
 * With servers, which is 2 to 8, one of so many is lost: its share of the agents, who know them all,
 * tries it in vain as long as the outage lasts, and the others anew, which take them at their share
 * of the rate. rate: connections a second that all servers together can take; by default what a process of the
 * server for each 15,000 agents does at 640 microseconds each (make bench). It prints lines of a
 * name and a value. The exit code is 1 if more than twice the rate arrived in a second, or an agent
 * didn't come back.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/retry.h"
#include "lib/secret.h"
#include "lib/text.h"

#define BACKOFF_MS  1000 /* as agent/agent.h and muster-agent.conf(5) have it */
#define CAP_MS      300000
#define TIMEOUT_MS  30000
#define PER_PROCESS 15000
#define CONNECT_US  640
#define HORIZON_MS  (3600u * 1000)
#define NOBODY      UINT32_MAX
#define SECONDS     (HORIZON_MS / 1000)
#define AGENTS_MAX  10000000
#define OUTAGE_MAX  1800
#define RATE_MAX    100000000

struct agent {
	struct retry retry;
	uint32_t next;  /* in the list of its millisecond, or in the queue */
	uint32_t since; /* milliseconds: came into the queue */
	bool again;     /* this is not its first attempt at servers that are there */
};

struct world {
	size_t count;
	uint64_t outage_ms, rate;
	uint64_t servers; /* the first of them is lost, or the only one there is */
	struct agent *agents;
	uint32_t *due;                               /* for each millisecond its first agent */
	uint32_t head, tail;                         /* the queue */
	uint64_t refused[SECONDS], arrived[SECONDS]; /* attempts: without servers, and with */
	uint64_t back, again, timeouts;
	uint64_t half_ms, most_ms, last_ms; /* when half of them, 99 of 100, and all were back */
};

static void fail(struct world *w, uint32_t i, uint64_t now, enum retry_end end)
{
	struct agent *a = &w->agents[i];
	uint64_t at = now + retry_after(&a->retry, end);

	if (at >= HORIZON_MS)
		return; /* it counts as one that didn't come back */
	a->next = w->due[at];
	w->due[at] = i;
}

static void arrive(struct world *w, uint32_t i, uint64_t now)
{
	struct agent *a = &w->agents[i];

	if (now < w->outage_ms && retry_place(&a->retry) == 0) {
		w->refused[now / 1000]++;
		fail(w, i, now, RETRY_FAILED);
		return;
	}
	w->arrived[now / 1000]++;
	a->since = (uint32_t)now;
	a->next = NOBODY;
	if (w->head == NOBODY)
		w->head = i;
	else
		w->agents[w->tail].next = i;
	w->tail = i;
}

/* false: nobody waits. Who has waited too long has gone already, and costs the servers nothing. */
static bool serve_one(struct world *w, uint64_t now)
{
	while (w->head != NOBODY) {
		uint32_t i = w->head;
		struct agent *a = &w->agents[i];

		w->head = a->next;
		if (now - a->since > TIMEOUT_MS) {
			w->timeouts++;
			w->again += !a->again;
			a->again = true;
			fail(w, i, now, RETRY_FAILED);
			continue;
		}
		w->last_ms = now - (w->servers > 1 ? 0 : w->outage_ms);
		if (++w->back == w->count / 2)
			w->half_ms = w->last_ms;
		if (w->back == w->count / 100 * 99)
			w->most_ms = w->last_ms;
		return true;
	}
	return false;
}

static void simulate(struct world *w)
{
	uint64_t credit = 0; /* thousandths of a connection that can be taken */

	for (uint64_t now = 0; now < HORIZON_MS && w->back < w->count; now++) {
		uint32_t next;

		for (uint32_t i = w->due[now]; i != NOBODY; i = next) {
			next = w->agents[i].next;
			arrive(w, i, now);
		}
		for (credit += w->rate; credit >= 1000 && serve_one(w, now);)
			credit -= 1000;
		if (w->head == NOBODY)
			credit = 0;
	}
}

static uint64_t most(const uint64_t *counts, uint64_t *ret_second)
{
	uint64_t top = 0;

	*ret_second = 0;
	for (size_t i = 0; i < SECONDS; i++) {
		if (counts[i] > top) {
			top = counts[i];
			*ret_second = i;
		}
	}
	return top;
}

static int tell(const struct world *w)
{
	uint64_t second, peak, refused = most(w->refused, &second);

	printf("agents %zu\nrate %llu\n", w->count, (unsigned long long)w->rate);
	printf("refused_peak %llu\nrefused_peak_second %llu\n", (unsigned long long)refused,
		(unsigned long long)second);
	peak = most(w->arrived, &second);
	printf("peak %llu\npeak_second %llu\npeak_of_rate %.3f\n", (unsigned long long)peak,
		(unsigned long long)second, (double)peak / (double)w->rate);
	printf("back %llu\nhalf_back_seconds %.1f\nmost_back_seconds %.1f\nback_seconds %.1f\n",
		(unsigned long long)w->back, (double)w->half_ms / 1e3, (double)w->most_ms / 1e3,
		(double)w->last_ms / 1e3);
	printf("second_attempts %llu\ntimeouts %llu\n", (unsigned long long)w->again,
		(unsigned long long)w->timeouts);
	return peak <= 2 * w->rate && w->back == w->count ? 0 : 1;
}

static int run(struct world *w)
{
	w->head = w->tail = NOBODY;
	w->agents = calloc(w->count, sizeof *w->agents);
	w->due = malloc(HORIZON_MS * sizeof *w->due);
	if (!w->agents || !w->due)
		return 2;
	memset(w->due, 0xff, HORIZON_MS * sizeof *w->due);
	for (size_t i = 0; i < w->count; i++) {
		struct retry *r = &w->agents[i].retry;

		retry_begin(r, w->servers, BACKOFF_MS, CAP_MS);
		while (retry_place(r) != 0)
			(void)retry_after(r, RETRY_FAILED);
		fail(w, (uint32_t)i, 0, RETRY_LOST);
	}
	simulate(w);
	free(w->agents);
	free(w->due);
	return tell(w);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "agents", required_argument, NULL, 'n' },
		{ "outage", required_argument, NULL, 'o' },
		{ "rate", required_argument, NULL, 'r' },
		{ "servers", required_argument, NULL, 's' }, {} };
	static struct world w = { .servers = 1 };
	uint64_t agents = 1000000, outage = 60;
	int which, r = secret_init();

	while (r == 0 && (which = getopt_long(argc, argv, "", options, NULL)) >= 0)
		r = which == 'n'   ? text_number(optarg, 1, AGENTS_MAX, &agents)
		    : which == 'o' ? text_number(optarg, 0, OUTAGE_MAX, &outage)
		    : which == 'r' ? text_number(optarg, 1, RATE_MAX, &w.rate)
		    : which == 's' ? text_number(optarg, 2, ADDRESSES_MAX, &w.servers)
				   : -1;
	if (r < 0 || optind < argc) {
		fprintf(stderr, "usage: muster-outage [--agents N] [--outage SECONDS] [--rate N] "
				"[--servers N]\n");
		return 2;
	}
	w.count = agents;
	w.outage_ms = outage * 1000;
	if (w.rate == 0)
		w.rate = (agents + PER_PROCESS - 1) / PER_PROCESS * (1000000 / CONNECT_US);
	if (w.servers > 1) {
		w.count = agents / w.servers;
		w.rate -= w.rate / w.servers;
	}
	return run(&w);
}
