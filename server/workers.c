/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "mesh.h"
#include "notice.h"
#include "server.h"
#include "supervise.h"

#define LIFE_USEC   10000000u
#define STATUS_USEC 10000000u
#define NOTICE_MAX  256

struct board {
	_Atomic uint32_t connected[WORKERS_MAX];
	_Atomic uint32_t open[WORKERS_MAX]; /* and one more; 0: it doesn't accept */
	tally_slot tally[WORKERS_MAX];
};

tally_slot *board_tally(const struct server *s, unsigned worker)
{
	return &s->board->tally[worker];
}

void board_connected(struct server *s, size_t count)
{
	if (s->board != NULL)
		s->board->connected[s->worker] = (uint32_t)count;
}

size_t board_all_connected(const struct server *s)
{
	size_t all = 0;

	for (unsigned i = 0; i < s->config.workers; i++)
		all += s->board->connected[i];
	return all;
}

void board_open(struct server *s, uint32_t connections)
{
	if (s->board != NULL)
		s->board->open[s->worker] = connections + 1;
}

void board_shut(struct server *s)
{
	if (s->board != NULL)
		s->board->open[s->worker] = 0;
}

/* The difference that is let pass grows with the number, or workers that are at their limit would
 * wait for one another. */
bool board_is_ahead(const struct server *s, uint32_t connections)
{
	for (unsigned i = 0; s->board != NULL && i < s->config.workers; i++) {
		uint32_t open = s->board->open[i];

		if (open > 0 && connections > open + open / 8)
			return true;
	}
	return false;
}

/* ---- the supervisor */

struct crew;

struct member {
	struct crew *crew;
	unsigned index;
	pid_t pid; /* 0: none */
	int life;  /* its notices come here */
	sd_event_source *notices, *end;
};

struct crew {
	struct server *server;
	struct supervisor decisions;
	sd_event *loop;
	sd_event_source *timer, *signals[3];
	struct member of[WORKERS_MAX];
	void (*reread)(void *userdata);
	void *userdata;
	char status[96];
};

static uint64_t now_ms(void)
{
	struct timespec t = {};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void forget(struct member *m)
{
	m->notices = sd_event_source_disable_unref(m->notices);
	m->end = sd_event_source_disable_unref(m->end);
	if (m->life >= 0)
		close(m->life);
	m->life = -1;
	m->pid = 0;
}

static void tell_end(const struct member *m, const siginfo_t *info)
{
	const struct supervisor *v = &m->crew->decisions;
	const struct worker *w = &v->of[m->index];

	if (v->stopping && (info->si_code == CLD_EXITED && info->si_status == 0))
		return;
	if (w->state == WORKER_KILLED)
		log_warning("worker %u hung and was killed", m->index);
	else if (info->si_code == CLD_EXITED)
		log_warning("worker %u has ended with exit code %d", m->index, info->si_status);
	else
		log_warning("worker %u was ended by signal %d (%s)", m->index, info->si_status,
			strsignal(info->si_status));
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct member *m = userdata;

	(void)source;
	tell_end(m, info);
	m->crew->server->board->connected[m->index] = 0;
	m->crew->server->board->open[m->index] = 0;
	forget(m);
	supervise_ended(&m->crew->decisions, m->index, now_ms());
	return 0;
}

static int on_notice(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct member *m = userdata;
	char text[NOTICE_MAX + 1];
	ssize_t n = recv(fd, text, NOTICE_MAX, MSG_DONTWAIT);

	(void)events;
	if (n <= 0) { /* it has closed its end, or died */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	text[n] = '\0';
	if (strncmp(text, "READY=1", strlen("READY=1")) == 0)
		supervise_ready(&m->crew->decisions, m->index, now_ms());
	else
		supervise_alive(&m->crew->decisions, m->index, now_ms());
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct crew *c = userdata;

	(void)source;
	if (info->ssi_signo != SIGHUP) {
		log_info("stopping (%s)", strsignal((int)info->ssi_signo));
		(void)sd_notify(0, "STOPPING=1");
		supervise_stop(&c->decisions, now_ms());
		return 0;
	}
	(void)sd_notifyf(
		0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_ms() * 1000);
	c->reread(c->userdata);
	supervise_reload(&c->decisions);
	return 0;
}

/* Only wakes: what is due is done after each event. */
static int on_timer(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	(void)userdata;
	return 0;
}

static int crew_start(struct crew *c)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int r = sd_event_new(&c->loop); /* not the default one: that is the worker's */
	for (size_t i = 0; r >= 0 && i < COUNT(signals); i++)
		r = sd_event_add_signal(c->loop, &c->signals[i], signals[i], on_signal, c);
	if (r >= 0)
		r = sd_event_add_time(c->loop, &c->timer, CLOCK_MONOTONIC, 0, 0, on_timer, c);
	if (r >= 0)
		r = sd_event_set_watchdog(c->loop, true);
	return r < 0 ? r : 0;
}

/* Also in a worker, which has inherited it all. */
static void crew_end(struct crew *c)
{
	for (size_t i = 0; i < WORKERS_MAX; i++)
		if (c->of[i].crew != NULL)
			forget(&c->of[i]);
	for (size_t i = 0; i < COUNT(c->signals); i++)
		sd_event_source_disable_unref(c->signals[i]);
	sd_event_source_disable_unref(c->timer);
	sd_event_unref(c->loop);
}

/* In the new process: nothing of the supervisor's is left. */
static void become_worker(struct crew *c, unsigned index, int life, pid_t parent)
{
	char name[16];

	snprintf(name, sizeof(name), "muster-worker%u", index % 100);
	(void)prctl(PR_SET_NAME, name);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it has died already */
		_exit(EXIT_FAILURE);
	c->server->worker = index;
	crew_end(c);
	notice_use(life);
}

/* 1: in the worker. */
static int spawn(struct crew *c, unsigned index)
{
	struct member *m = &c->of[index];
	pid_t self = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	m->life = ends[0];
	m->pid = fork();
	if (m->pid == 0) {
		become_worker(c, index, ends[1], self);
		return 1;
	}
	int r = m->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r >= 0)
		r = sd_event_add_child(c->loop, &m->end, m->pid, WEXITED, on_end, m);
	if (r >= 0)
		r = sd_event_add_io(c->loop, &m->notices, m->life, EPOLLIN, on_notice, m);
	if (r >= 0) /* what it said last comes before its end */
		r = sd_event_source_set_priority(m->notices, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0 && m->pid > 0) {
		kill(m->pid, SIGKILL);
		waitpid(m->pid, NULL, 0);
	}
	if (r < 0)
		forget(m);
	return r < 0 ? r : 0;
}

static void tell_status(struct crew *c)
{
	size_t connected = board_all_connected(c->server);
	char status[sizeof(c->status)];

	snprintf(status, sizeof(status), "STATUS=%zu machine%s connected to %u workers", connected,
		connected == 1 ? "" : "s", c->decisions.count);
	if (!c->decisions.started || strcmp(status, c->status) == 0)
		return;
	strcpy(c->status, status);
	(void)sd_notify(0, status);
}

static void send_to(const struct member *m, int number)
{
	if (m->pid > 0)
		(void)kill(m->pid, number);
}

/* 1: in a worker; 0: the end; 2: more is to come. */
static int act(struct crew *c, const struct supervise_act *a)
{
	int r;

	switch (a->what) {
	case SUPERVISE_SPAWN:
		r = spawn(c, a->worker);
		if (r > 0)
			return 1;
		if (r < 0) {
			log_err(r, "cannot start worker %u", a->worker);
			supervise_ended(&c->decisions, a->worker, now_ms());
		}
		return 2;
	case SUPERVISE_SIGNAL:
		send_to(&c->of[a->worker], a->signal);
		return 2;
	case SUPERVISE_STARTED:
		log_info("muster-server " MUSTER_VERSION " is ready as %s, with %u workers",
			config_name(&c->server->config), c->decisions.count);
		(void)sd_notify(0, "READY=1");
		return 2;
	case SUPERVISE_RELOADED:
		(void)sd_notify(0, "READY=1");
		return 2;
	case SUPERVISE_OVER:
		return 0;
	case SUPERVISE_NOTHING:
		break;
	}
	return 2;
}

/* As act(): does all that is to be done now, and sets the timer for the rest. */
static int act_all(struct crew *c)
{
	struct supervise_act a;
	uint64_t next, status = now_ms() + STATUS_USEC / 1000;

	do {
		a = supervise_next(&c->decisions, now_ms(), &next);
		int r = act(c, &a);
		if (r != 2)
			return r;
	} while (a.what != SUPERVISE_NOTHING);
	tell_status(c);
	int r = sd_event_source_set_time(c->timer, (next < status ? next : status) * 1000);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
	return r < 0 ? r : 2;
}

static int supervise(struct crew *c)
{
	int r;

	while ((r = act_all(c)) == 2) {
		r = sd_event_run(c->loop, UINT64_MAX);
		if (r < 0)
			break;
	}
	if (r < 0) /* the workers end with this process */
		log_err(r, "the supervisor failed");
	return r;
}

/* What all of them have in common is made before the first. */
static int share(struct server *s)
{
	static struct mesh_sockets sockets;
	int r = mesh_sockets_open(&sockets, s->config.workers);

	s->mesh_sockets = &sockets;
	s->board = mmap(
		NULL, sizeof(*s->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->board == MAP_FAILED)
		r = -errno;
	return r < 0 ? log_err(r, "cannot share what workers have in common") : 0;
}

int workers_run(struct server *s, void (*reread)(void *userdata), void *userdata)
{
	static struct crew crew;

	crew = (struct crew){ .server = s, .reread = reread, .userdata = userdata };
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		crew.of[i] = (struct member){ .crew = &crew, .index = i, .life = -1 };
	if (share(s) < 0)
		return -ENOMEM;
	supervise_init(&crew.decisions, s->config.workers, now_ms());
	int r = crew_start(&crew);
	r = r < 0 ? log_err(r, "cannot supervise workers") : supervise(&crew);
	if (r == 1)
		return 1;
	mesh_sockets_close(s->mesh_sockets);
	if (r == 0 && crew.decisions.failed)
		r = -ECHILD; /* they have said why */
	crew_end(&crew);
	return r;
}

/* ---- in a worker */

static int on_life(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)userdata;
	notice_tell("WATCHDOG=1");
	int r = sd_event_source_set_time(source, at + LIFE_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int workers_start(struct server *s)
{
	if (s->board == NULL)
		return 0;
	int r = sd_event_add_time_relative(
		s->loop, &s->life_timer, CLOCK_MONOTONIC, LIFE_USEC, 0, on_life, s);
	return r < 0 ? log_err(r, "cannot make a timer") : 0;
}

void workers_stop(struct server *s)
{
	s->life_timer = sd_event_source_disable_unref(s->life_timer);
}
