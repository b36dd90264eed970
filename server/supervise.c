/* SPDX-License-Identifier: MIT */
#include "supervise.h"

#include <signal.h>

void supervise_init(struct supervisor *v, unsigned count, uint64_t now)
{
	*v = (struct supervisor){ .count = count };
	for (unsigned i = 0; i < count; i++)
		v->of[i].since = now;
}

static void set_state(struct worker *w, enum worker_state state, uint64_t since)
{
	w->state = state;
	w->since = since;
}

/* ---- what has happened */

static bool all_are(const struct supervisor *v, unsigned from, enum worker_state state)
{
	for (unsigned i = from; i < v->count; i++)
		if (v->of[i].state != state)
			return false;
	return true;
}

void supervise_alive(struct supervisor *v, unsigned worker, uint64_t now)
{
	v->of[worker].heard = now;
}

void supervise_ready(struct supervisor *v, unsigned worker, uint64_t now)
{
	struct worker *w = &v->of[worker];

	w->heard = now;
	if (w->state == WORKER_STARTING)
		set_state(w, WORKER_READY, now);
	else if (w->reloading)
		w->reload = w->reloading = false;
}

static uint64_t pause_of(const struct worker *w)
{
	uint64_t ms = SUPERVISE_PAUSE_MS;

	for (unsigned i = 1; i < w->endings && ms < SUPERVISE_PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < SUPERVISE_PAUSE_MAX_MS ? ms : SUPERVISE_PAUSE_MAX_MS;
}

void supervise_ended(struct supervisor *v, unsigned worker, uint64_t now)
{
	struct worker *w = &v->of[worker];

	if (w->state == WORKER_READY && now - w->since >= SUPERVISE_STEADY_MS)
		w->endings = 0;
	w->endings++;
	w->reload = w->reloading = w->stopping = false; /* it reads everything anew */
	set_state(w, WORKER_DOWN, now + pause_of(w));
	if (v->started || v->stopping)
		return;
	v->failed = true;
	supervise_stop(v, now);
}

void supervise_reload(struct supervisor *v)
{
	if (v->stopping)
		return;
	v->reloading = true;
	for (unsigned i = 0; i < v->count; i++) {
		struct worker *w = &v->of[i];

		w->reload = w->state == WORKER_STARTING || w->state == WORKER_READY;
		w->reloading = false; /* one that is under way may have read too early */
	}
}

void supervise_stop(struct supervisor *v, uint64_t now)
{
	if (v->stopping)
		return;
	v->stopping = true;
	v->reloading = false;
	v->stop_since = now;
}

/* ---- what is to be done */

static struct supervise_act nothing(void)
{
	return (struct supervise_act){ .what = SUPERVISE_NOTHING };
}

static struct supervise_act send_signal(unsigned worker, int number)
{
	return (struct supervise_act){
		.what = SUPERVISE_SIGNAL, .worker = worker, .signal = number
	};
}

static struct supervise_act kill_it(struct supervisor *v, unsigned worker, uint64_t now)
{
	set_state(&v->of[worker], WORKER_KILLED, now);
	return send_signal(worker, SIGKILL);
}

static void sooner(uint64_t *next, uint64_t at)
{
	if (at < *next)
		*next = at;
}

/* The first worker ends when all others have. */
static struct supervise_act next_of_stop(struct supervisor *v, uint64_t now, uint64_t *next)
{
	bool late = now >= v->stop_since + SUPERVISE_STOP_MS;

	if (all_are(v, 0, WORKER_DOWN))
		return (struct supervise_act){ .what = SUPERVISE_OVER };
	for (unsigned i = v->count; i-- > 0;) {
		struct worker *w = &v->of[i];

		if (w->state == WORKER_DOWN || w->state == WORKER_KILLED)
			continue;
		if (late)
			return kill_it(v, i, now);
		if (w->stopping || (i == 0 && !all_are(v, 1, WORKER_DOWN)))
			continue;
		w->stopping = true;
		return send_signal(i, SIGTERM);
	}
	if (!late)
		sooner(next, v->stop_since + SUPERVISE_STOP_MS);
	return nothing();
}

static struct supervise_act spawn(struct supervisor *v, unsigned i, uint64_t now)
{
	set_state(&v->of[i], WORKER_STARTING, now);
	v->of[i].heard = now;
	return (struct supervise_act){ .what = SUPERVISE_SPAWN, .worker = i };
}

/* Of one worker, when nothing stops. */
static struct supervise_act next_of_worker(
	struct supervisor *v, unsigned i, uint64_t now, uint64_t *next)
{
	struct worker *w = &v->of[i];
	uint64_t limit = 0;

	switch (w->state) {
	case WORKER_DOWN:
		if (i > 0 && !v->started && v->of[0].state != WORKER_READY)
			return nothing();
		if (now >= w->since)
			return spawn(v, i, now);
		limit = w->since;
		break;
	case WORKER_STARTING:
		limit = w->since + SUPERVISE_START_MS;
		break;
	case WORKER_READY:
		limit = w->heard + SUPERVISE_SILENT_MS;
		break;
	case WORKER_KILLED:
		return nothing();
	}
	if (now >= limit)
		return kill_it(v, i, now);
	sooner(next, limit);
	return nothing();
}

static struct supervise_act next_of_reload(struct supervisor *v)
{
	bool waits = false;

	for (unsigned i = 0; i < v->count; i++) {
		struct worker *w = &v->of[i];

		if (!w->reload)
			continue;
		if (w->state == WORKER_READY && !w->reloading && (i == 0 || !v->of[0].reload)) {
			w->reloading = true;
			return send_signal(i, SIGHUP);
		}
		waits = true;
	}
	if (waits)
		return nothing();
	v->reloading = false;
	return (struct supervise_act){ .what = SUPERVISE_RELOADED };
}

struct supervise_act supervise_next(struct supervisor *v, uint64_t now, uint64_t *ret_next)
{
	struct supervise_act act = nothing();

	*ret_next = UINT64_MAX;
	if (v->stopping)
		return next_of_stop(v, now, ret_next);
	for (unsigned i = 0; i < v->count && act.what == SUPERVISE_NOTHING; i++)
		act = next_of_worker(v, i, now, ret_next);
	if (act.what == SUPERVISE_NOTHING && !v->started && all_are(v, 0, WORKER_READY)) {
		v->started = true;
		act.what = SUPERVISE_STARTED;
	}
	if (act.what == SUPERVISE_NOTHING && v->started && v->reloading)
		act = next_of_reload(v);
	return act;
}
