/* SPDX-License-Identifier: MIT */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "server.h"
#include "source.h"
#include "stream.h"

#define BACKLOG   4096
#define REST_USEC 200000u

/* Connections accepted in one event. The loop takes this and a batch of what is ready on those that
 * there are (poller.h) in turns, and a connection is ready some five times until it is through: so
 * those that have begun get done before many others begin. Else, when thousands come at once, all
 * of them would be half done for as long as all of them take, beyond every time-out. */
#define BATCH 6

struct socket {
	int fd;
	sd_event_source *source;
};

struct listener {
	struct server *server;
	struct socket sockets[LISTEN_MAX];
	size_t count;
	struct crowd *crowd;
	sd_event_source *rest; /* ends a pause */
	uint32_t connections;
};

/* ---- accepting */

static void set_listening(struct listener *l, bool on)
{
	for (size_t i = 0; i < l->count; i++)
		sd_event_source_set_enabled(l->sockets[i].source, on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_rested(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	set_listening(userdata, true);
	return 0;
}

/* What can't be accepted now stays in the kernel's queue; without a pause the loop would spin. */
static void rest(struct listener *l, const char *why)
{
	static struct log_rate rate;
	uint64_t now = 0;

	log_limited(&rate, LOG_WARNING, "not accepting connections for a moment: %s (%u are open)",
		why, l->connections);
	sd_event_now(l->server->loop, CLOCK_MONOTONIC, &now);
	if (sd_event_source_set_time(l->rest, now + REST_USEC) < 0 ||
		sd_event_source_set_enabled(l->rest, SD_EVENT_ONESHOT) < 0)
		return;
	set_listening(l, false);
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	static struct log_rate rate;
	static const int one = 1;
	struct source source = source_of(peer), network = source_network(&source);
	char address[ADDRESS_SIZE];

	if (crowd_enter(l->crowd, &network, l->server->config.connections_per_source) < 0) {
		source_text(&source, address);
		log_limited(&rate, LOG_WARNING, "refused a connection: %s has too many", address);
		close(fd);
		return;
	}
	l->connections++;
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
	crowd_leave(s->listeners->crowd, &network);
}

/* ---- sockets */

static void address_text(int fd, char ret[static LISTENER_TEXT], uint16_t *ret_port)
{
	struct sockaddr_storage own = {};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&own;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&own;
	socklen_t len = sizeof(own);
	char host[INET6_ADDRSTRLEN] = "?";

	getsockname(fd, (struct sockaddr *)&own, &len);
	if (own.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		*ret_port = ntohs(v6->sin6_port);
		snprintf(ret, LISTENER_TEXT, "[%s]:%u", host, *ret_port);
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		*ret_port = ntohs(v4->sin_port);
		snprintf(ret, LISTENER_TEXT, "%s:%u", host, *ret_port);
	}
}

static int add_socket(struct listener *l, int fd)
{
	struct socket *s = &l->sockets[l->count];

	s->fd = fd;
	int r = sd_event_add_io(l->server->loop, &s->source, fd, EPOLLIN, on_waiting, l);
	if (r < 0) {
		close(fd);
		return log_err(r, "cannot watch a listening socket");
	}
	l->count++;
	return 0;
}

static int listen_to(struct listener *l, const struct listen_address *a)
{
	static const int one = 1, zero = 0;
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	scoped(closep) int fd =
		socket(a->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* A machine without IPv6 can still serve every address it has. */
	if (fd < 0 && errno == EAFNOSUPPORT && a->address.ss_family == AF_INET6) {
		struct listen_address v4;
		char text[32];

		snprintf(text, sizeof(text), "0.0.0.0:%u",
			ntohs(((const struct sockaddr_in6 *)&a->address)->sin6_port));
		if (config_parse_listen(text, &v4) == 0)
			return listen_to(l, &v4);
	}
	getnameinfo((const struct sockaddr *)&a->address, a->len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	if (fd < 0)
		return log_err(-errno, "cannot listen on %s port %s", host, port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&a->address, a->len) < 0 || listen(fd, BACKLOG) < 0)
		return log_err(-errno, "cannot listen on %s port %s", host, port);
	int given = fd;
	fd = -1;
	return add_socket(l, given);
}

/* How many sockets systemd has given; then Listen= says nothing. */
static int take_given(struct listener *l)
{
	int n = sd_listen_fds(1);

	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
			sd_is_socket_unix(fd, 0, -1, NULL, 0) > 0) {
			log_at(LOG_ERR, "systemd gave a socket that is not a listening TCP socket");
			return -EINVAL;
		}
		if (l->count == LISTEN_MAX)
			return log_err(-E2BIG, "systemd gave too many sockets");
		/* accept4() is called until nothing is waiting. */
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return log_err(-errno, "cannot use the socket that systemd gave");
		/* systemd's are blocking: an accept that finds nobody would hold the loop. */
		int r = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : add_socket(l, fd);
		if (r < 0)
			return log_err(r, "cannot use a socket that systemd gave");
	}
	return n;
}

/* As `hostname -f` has it, or what there is of it. */
static void own_name(char ret[static 256])
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM }, *found;

	if (gethostname(ret, 254) < 0)
		strcpy(ret, "localhost");
	ret[254] = '\0';
	if (strchr(ret, '.') != NULL || getaddrinfo(ret, NULL, &hints, &found) != 0)
		return;
	if (found->ai_canonname != NULL && strlen(found->ai_canonname) < 254)
		strcpy(ret, found->ai_canonname);
	freeaddrinfo(found);
}

static int set_name(struct server *s, uint16_t port)
{
	char host[256];

	if (s->config.name[0] != '\0')
		return 0;
	own_name(host);
	snprintf(s->config.name, sizeof(s->config.name), "%s:%u", host, port);
	if (config_name_ok(s->config.name))
		return 0;
	log_at(LOG_ERR, "'%s' can't be used as this server's name; set Name= in the configuration",
		s->config.name);
	return -EINVAL;
}

static int open_sockets(struct server *s, struct listener *l)
{
	char text[LISTENER_TEXT];
	uint16_t port = 0, first = 0;

	int r = take_given(l);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < s->config.listen_count; i++) {
		int error = listen_to(l, &s->config.listen[i]);
		if (error < 0)
			return error;
	}
	for (size_t i = 0; i < l->count; i++) {
		address_text(l->sockets[i].fd, text, &port);
		first = i == 0 ? port : first;
		log_info("listening on %s", text);
	}
	return set_name(s, first);
}

int listener_start(struct server *s)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return log_err(-ENOMEM, "cannot listen");
	l->server = s;
	int r = crowd_new(&l->crowd);
	if (r >= 0)
		r = sd_event_add_time(s->loop, &l->rest, CLOCK_MONOTONIC, 0, 0, on_rested, l);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->rest, SD_EVENT_OFF);
	if (r >= 0)
		r = open_sockets(s, l);
	if (r < 0) {
		listener_free(l);
		return r;
	}
	s->listeners = l;
	return 0;
}

static void close_sockets(struct listener *l)
{
	for (size_t i = 0; i < l->count; i++) {
		sd_event_source_unref(l->sockets[i].source);
		close(l->sockets[i].fd);
	}
	l->count = 0;
}

void listener_stop(struct server *s)
{
	if (s->listeners != NULL)
		close_sockets(s->listeners);
}

struct listener *listener_free(struct listener *l)
{
	if (l == NULL)
		return NULL;
	close_sockets(l);
	sd_event_source_unref(l->rest);
	crowd_free(l->crowd);
	free(l);
	return NULL;
}

size_t listener_addresses(const struct server *s, char ret[][LISTENER_TEXT], size_t max)
{
	const struct listener *l = s->listeners;
	uint16_t port;
	size_t n = 0;

	for (; l != NULL && n < l->count && n < max; n++)
		address_text(l->sockets[n].fd, ret[n], &port);
	return n;
}
