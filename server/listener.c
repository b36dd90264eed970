/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "log.h"
#include "server.h"
#include "source.h"
#include "stream.h"
#include "workers.h"

#define REST_USEC 200000u
#define LEFT_USEC 4000u /* that another process has time to take a connection */

/* Connections accepted in one event. The loop takes this and a batch of what is ready on those that
 * there are (poller.h) in turns, and a connection is ready some five times until it is through: so
 * those that have begun get done before many others begin. Else, when thousands come at once, all
 * of them would be half done for as long as all of them take, beyond every time-out. */
#define BATCH 6

struct listener {
	struct server *server;
	sd_event_source *sources[LISTEN_MAX]; /* of the server's sockets */
	size_t count;
	struct crowd *crowd;
	sd_event_source *rest; /* ends a pause */
	uint32_t connections;
	bool insists; /* nobody else has taken the next one, so it does */
};

/* ---- accepting */

static void set_listening(struct listener *l, bool on)
{
	for (size_t i = 0; i < l->count; i++)
		sd_event_source_set_enabled(l->sources[i], on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_rested(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	set_listening(userdata, true);
	return 0;
}

static void pause_for(struct listener *l, uint64_t usec)
{
	if (sd_event_source_set_time_relative(l->rest, usec) >= 0 &&
		sd_event_source_set_enabled(l->rest, SD_EVENT_ONESHOT) >= 0)
		set_listening(l, false);
}

/* What can't be accepted now stays in the kernel's queue; without a pause the loop would spin. */
static void rest(struct listener *l, const char *why)
{
	static struct log_rate rate;

	log_limited(&rate, LOG_WARNING, "not accepting connections for a moment: %s (%u are open)",
		why, l->connections);
	pause_for(l, REST_USEC);
}

/* To a process that has fewer; once, then it's this one's. */
static bool leave_to_others(struct listener *l)
{
	if (!l->insists && board_is_ahead(l->server, l->connections)) {
		l->insists = true;
		pause_for(l, LEFT_USEC);
		return true;
	}
	l->insists = false;
	return false;
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	static struct log_rate rate;
	static const int one = 1;
	struct source source = source_of(peer), network = source_network(&source);
	char address[ADDRESS_SIZE];

	if (crowd_enter(l->crowd, &network, l->server->config.connections_per_source) < 0) {
		l->server->metrics.turned_away++;
		source_text(&source, address);
		log_limited(&rate, LOG_WARNING, "refused a connection: %s has too many", address);
		close(fd);
		return;
	}
	board_open(l->server, ++l->connections);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	int r = stream_new(l->server, fd, &source);
	if (r < 0) {
		log_limited(&rate, LOG_ERR, "cannot take a connection: %s", strerror(-r));
		listener_left(l->server, &source);
	}
}

/* 1: one was accepted; 0: none is waiting or it went away; negative: resources are short. */
static int accept_one(struct listener *l, int listening)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	int fd = accept4(listening, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		take(l, fd, &peer);
		return 1;
	}
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return -errno;
	case EAGAIN:
		return 0;
	default: /* accept(2): errors of the new connection itself */
		return 1;
	}
}

static int on_waiting(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct listener *l = userdata;

	(void)source;
	(void)events;
	for (size_t i = 0; i < BATCH; i++) {
		if (l->connections >= l->server->config.connections) {
			rest(l, "Connections= is reached");
			return 0;
		}
		if (leave_to_others(l))
			return 0;
		int r = accept_one(l, fd);
		if (r < 0)
			rest(l, strerror(-r));
		if (r <= 0)
			return 0;
	}
	return 0;
}

void listener_left(struct server *s, const struct source *source)
{
	struct source network = source_network(source);

	s->listeners->connections--;
	if (listener_is_open(s))
		board_open(s, s->listeners->connections);
	crowd_leave(s->listeners->crowd, &network);
}

/* ---- sockets */

static int add_socket(struct listener *l, int fd)
{
	int r = sd_event_add_io(l->server->loop, &l->sources[l->count], fd, EPOLLIN, on_waiting, l);

	if (r < 0)
		return log_err(r, "cannot watch a listening socket");
	l->count++;
	return 0;
}

int listener_start(struct server *s)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return log_err(-ENOMEM, "cannot listen");
	l->server = s;
	int r = crowd_new(&l->crowd);
	if (r >= 0)
		r = sd_event_add_time(s->loop, &l->rest, CLOCK_MONOTONIC, 0, 1, on_rested, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->rest, SD_EVENT_OFF);
	for (size_t i = 0; r >= 0 && i < s->sockets.count; i++)
		r = add_socket(l, s->sockets.fd[i]);
	if (r < 0) {
		listener_free(l);
		return r;
	}
	s->listeners = l;
	board_open(s, 0);
	return 0;
}

static void unwatch(struct listener *l)
{
	for (size_t i = 0; i < l->count; i++)
		sd_event_source_disable_unref(l->sources[i]);
	l->count = 0;
}

void listener_stop(struct server *s)
{
	if (s->listeners == NULL)
		return;
	unwatch(s->listeners);
	board_shut(s);
	sockets_close(&s->sockets);
}

struct listener *listener_free(struct listener *l)
{
	if (l == NULL)
		return NULL;
	unwatch(l);
	sd_event_source_unref(l->rest);
	crowd_free(l->crowd);
	free(l);
	return NULL;
}

bool listener_is_open(const struct server *s)
{
	return s->listeners != NULL && s->listeners->count > 0;
}

uint32_t listener_connections(const struct server *s)
{
	return s->listeners != NULL ? s->listeners->connections : 0;
}
