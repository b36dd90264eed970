/* SPDX-License-Identifier: MIT */
/* Runs of agents that are enrolled already: they connect, and then something is asked of them. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "worker.h"

static bool connect_all(struct swarm *s, const struct mode *mode)
{
	uint64_t began = now_us();

	if (workers_start(s, mode) < 0)
		return false;
	if (!wait_until(s, all_up)) {
		printf("connected %ju\n", (uintmax_t)s->board->up);
		tell_failures(s->board);
		return false;
	}
	printf("connected %ju\nconnected_seconds %.1f\n", (uintmax_t)s->board->up,
		(double)(now_us() - began) / 1e6);
	fflush(stdout);
	return true;
}

static int finish_life(struct swarm *s, bool good, uint64_t since)
{
	int r = 0;

	if (s->control)
		r = ask_connected(s, since);
	workers_end(s);
	tell_failures(s->board);
	return good ? r : -EIO;
}

int run_idle(struct swarm *s)
{
	uint64_t since = (uint64_t)time(NULL) - 1;
	bool good = connect_all(s, &mode_steady);

	if (!good)
		return finish_life(s, false, 0);
	sleep(s->settle);
	struct measure m = measure_start(s);
	tell_memory(s);
	sleep(s->seconds);
	printf("seconds %.3f\nacks %ju\n", (double)(now_us() - m.began) / 1e6,
		(uintmax_t)(s->board->acks - m.acks));
	tell_cpu(s, &m);
	printf("lost %ju\n", (uintmax_t)s->board->lost);
	return finish_life(s, all_up(s) && s->board->lost == 0, since);
}

int run_return(struct swarm *s)
{
	struct board *b = s->board;

	if (!connect_all(s, &mode_return) || !wait_until(s, all_lost))
		return finish_life(s, false, 0);
	uint64_t refused = b->failures[FAIL_REFUSED], before = board_failures(b);
	printf("lost %ju\n", (uintmax_t)b->lost);
	fflush(stdout);
	bool good = wait_until(s, all_up);
	printf("back %ju\nback_seconds %.3f\nsecond_attempts %ju\nrefused_attempts %ju\n"
	       "other_failures %ju\n",
		(uintmax_t)b->up, (double)(b->last_well - b->first_loss) / 1e6, (uintmax_t)b->again,
		(uintmax_t)b->failures[FAIL_REFUSED],
		(uintmax_t)(board_failures(b) - before - (b->failures[FAIL_REFUSED] - refused)));
	tell_latency(s);
	tell_memory(s);
	fflush(stdout);
	return finish_life(s, good, 0);
}

/* ---- a configuration, or the release, for all of them */

#define FANOUT_NAME "load"

static bool all_taken(const struct swarm *s)
{
	return s->board->taken >= s->board->to_take;
}

/* What all agents are to take, and how it is known that all have: durably, told as told. */
struct offer {
	int (*order)(const struct swarm *s);
	int (*ask)(const struct swarm *s, size_t *ret_count);
	const char *told;
};

/* The server's account says when their answers are durable; its own cost isn't theirs. */
static int await_account(const struct swarm *s, const struct offer *o, const struct measure *m)
{
	uint64_t until = now_us() + s->limit * 1000000ull;
	size_t count = 0;
	int r;

	do {
		tell_cpu(s, m);
		r = o->ask(s, &count);
	} while (r == 0 && count < s->agents && now_us() < until);
	printf("durable_seconds %.3f\n%s %zu\n", (double)(now_us() - m->began) / 1e6, o->told,
		count);
	return r == 0 && count < s->agents ? -ETIMEDOUT : r;
}

static int run_offer(struct swarm *s, const struct offer *o)
{
	bool good = connect_all(s, &mode_steady);
	struct measure m;
	int r;

	if (!good)
		return finish_life(s, false, 0);
	sleep(s->settle);
	m = measure_start(s);
	s->board->to_take = s->board->taken + s->agents; /* they took what there was before */
	r = o->order(s);
	if (r == 0 && !wait_until(s, all_taken))
		r = -ETIMEDOUT;
	printf("taken %ju\ntaken_seconds %.3f\n", (uintmax_t)s->board->taken,
		(double)(s->board->last_fact - m.began) / 1e6);
	if (r == 0)
		r = await_account(s, o, &m);
	printf("lost %ju\n", (uintmax_t)s->board->lost);
	return finish_life(s, r == 0 && s->board->lost == 0, 0);
}

static int push_load(const struct swarm *s)
{
	return ask_push(s, FANOUT_NAME);
}

static int ask_load_holders(const struct swarm *s, size_t *ret)
{
	return ask_holders(s, FANOUT_NAME, ret);
}

int run_fanout(struct swarm *s)
{
	return run_offer(s, &(struct offer){ push_load, ask_load_holders, "holders" });
}

int run_rollout(struct swarm *s)
{
	return run_offer(s, &(struct offer){ ask_rollout, ask_updated, "updated" });
}

/* ---- messages of all of them */

int run_flood(struct swarm *s)
{
	bool good = connect_all(s, &mode_flood);
	struct measure m;

	if (!good)
		return finish_life(s, false, 0);
	sleep(s->settle);
	m = measure_start(s);
	s->board->flood = true;
	good = wait_until(s, all_done) && board_failures(s->board) == 0;
	printf("stored %ju\nseconds %.3f\n", (uintmax_t)s->board->stored,
		(double)(s->board->last_fact - m.began) / 1e6);
	tell_cpu(s, &m);
	workers_end(s);
	tell_failures(s->board);
	int asked = ask_messages(s);
	return good ? asked : -EIO;
}
