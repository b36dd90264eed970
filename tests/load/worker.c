/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/secret.h"

#define EVENTS       256
#define GRAIN_US     4000u /* due times are looked at so often */
#define WATCH_US     50000u
#define READY_WAITUS 1000u

/* ---- agents */

uint64_t random_between(uint64_t low, uint64_t high)
{
	uint64_t random;

	random_bytes(&random, sizeof random);
	return low + random % (high - low + 1);
}

void facts_of(const struct agent *a, struct facts *ret)
{
	*ret = (struct facts){ .os = "Debian GNU/Linux 12 (bookworm)",
		.kernel = "6.1.0-30-amd64",
		.arch = "x86_64",
		.version = MUSTER_VERSION };
	snprintf(ret->hostname, sizeof ret->hostname, "machine-%zu.example.org", a->number);
	memcpy(ret->machine, a->member->pin, sizeof ret->machine);
}

void agent_arm(struct worker *w, struct agent *a, uint64_t at)
{
	w->due[a - w->agents] = at;
	if (at < w->next)
		w->next = at;
}

static void watch(struct worker *w, struct agent *a)
{
	uint32_t events = EPOLLIN | (a->dial.wants_out ? EPOLLOUT : 0);
	struct epoll_event e = { .events = events, .data.ptr = a };

	if (events == a->watched)
		return;
	(void)epoll_ctl(w->epoll, a->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, a->dial.fd, &e);
	a->watched = events;
}

void agent_end(struct worker *w, struct agent *a, enum failure why)
{
	dial_close(&a->dial); /* and out of epoll by that */
	a->watched = 0;
	w->mode->over(w, a, why);
}

void agent_connect(struct worker *w, struct agent *a, uint64_t limit_us)
{
	static const uint8_t zeros[CLIENT_ID_SIZE];
	bool enrolled = w->mode->certificate;

	a->began = now_us();
	agent_arm(w, a, a->began + limit_us);
	if (dial_open(&a->dial, &w->swarm->target, (unsigned)a->number, a->identity,
		    enrolled ? a->member->client_id : zeros, enrolled ? &a->tls : NULL) < 0)
		agent_end(w, a, a->dial.failure);
	else
		watch(w, a);
}

static int take_messages(struct worker *w, struct agent *a)
{
	struct message m;
	int r;

	while ((r = dial_next(&a->dial, &m)) > 0) {
		r = w->mode->take(w, a, &m);
		if (r < 0 || a->dial.state == DIAL_NONE)
			return r;
	}
	return r;
}

static void on_event(struct worker *w, struct agent *a)
{
	if (a->dial.state == DIAL_NONE)
		return;
	int r = dial_step(&a->dial);
	if (r > 0)
		r = w->mode->up(w, a);
	if (r >= 0 && a->dial.state == DIAL_CHANNEL)
		r = take_messages(w, a);
	if (r < 0)
		agent_end(w, a, a->dial.failure);
	else if (a->dial.state != DIAL_NONE)
		watch(w, a);
}

/* ---- the loop */

static void run_due(struct worker *w, uint64_t now)
{
	w->next = NEVER;
	for (size_t i = 0; i < w->count; i++) {
		if (w->due[i] <= now) {
			w->due[i] = NEVER;
			w->mode->due(w, &w->agents[i]);
			if (w->agents[i].dial.state != DIAL_NONE)
				watch(w, &w->agents[i]);
		}
		if (w->due[i] < w->next)
			w->next = w->due[i];
	}
	if (w->next < now + GRAIN_US)
		w->next = now + GRAIN_US;
}

static int wait_ms(const struct worker *w)
{
	uint64_t now = now_us(), until = now + WATCH_US;

	if (w->next < until)
		until = w->next;
	return until <= now ? 0 : (int)((until - now + 999) / 1000);
}

static void loop(struct worker *w)
{
	struct epoll_event events[EVENTS];

	while (!w->swarm->board->stop) {
		int n = epoll_wait(w->epoll, events, EVENTS, wait_ms(w));

		for (int i = 0; i < n; i++)
			on_event(w, events[i].data.ptr);
		uint64_t now = now_us();
		if (w->next <= now)
			run_due(w, now);
	}
}

static int prepare(struct worker *w, unsigned number)
{
	const struct swarm *s = w->swarm;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->agents = calloc(s->agents / s->processes + 1, sizeof *w->agents);
	w->due = calloc(s->agents / s->processes + 1, sizeof *w->due);
	if (w->epoll < 0 || !w->agents || !w->due)
		return -ENOMEM;
	w->next = NEVER;
	for (size_t i = number; i < s->agents; i += s->processes) {
		struct agent *a = &w->agents[w->count];

		w->due[w->count++] = NEVER;
		a->number = i;
		a->member = &s->members[s->first + i];
		int r = identity_from_secret(a->member->secret, &a->identity);
		if (r == 0 && w->mode->certificate)
			r = member_tls(a->member, &a->tls);
		if (r < 0)
			return r;
	}
	return 0;
}

static _Noreturn void run(const struct swarm *s, const struct mode *m, unsigned number)
{
	struct worker w = { .swarm = s, .mode = m };
	int r = prepare(&w, number);

	if (r < 0) {
		fprintf(stderr, "muster-swarm: cannot prepare agents: %s\n", strerror(-r));
		_exit(1);
	}
	s->board->ready++;
	while (!s->board->go && !s->board->stop)
		usleep(READY_WAITUS);
	m->start(&w);
	loop(&w);
	for (size_t i = 0; i < w.count; i++)
		dial_close(&w.agents[i].dial);
	_exit(0);
}

int workers_start(struct swarm *s, const struct mode *m)
{
	pid_t parent = getpid();

	for (unsigned n = 0; n < s->processes; n++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (pid > 0)
			continue;
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		run(s, m, n);
	}
	while (s->board->ready < s->processes) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			return -ECHILD;
		usleep(READY_WAITUS);
	}
	s->board->go = true;
	return 0;
}

void workers_end(struct swarm *s)
{
	s->board->stop = true;
	while (wait(NULL) > 0)
		continue;
}
