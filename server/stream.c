/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "listener.h"
#include "log.h"
#include "poller.h"
#include "server.h"
#include "web.h"

#define OUT_LIMIT      (256u << 10)
#define LINGER_SECONDS 5
#define HURRY_SECONDS  1

enum stream_state {
	STREAM_CONNECTING, /* dialled, and not there yet */
	STREAM_HANDSHAKE,  /* TLS isn't up yet */
	STREAM_OPEN,       /* its user has it */
	STREAM_FINISHING,  /* what is queued goes out, nothing is read */
	STREAM_LINGERING,  /* our end is shut; what still comes is thrown away */
};

struct stream {
	struct server *server;
	struct stream *next, **previous; /* all of the server's */
	SSL *ssl;
	const struct stream_user *user; /* NULL: nobody's yet */
	void *owner;
	struct buffer out;
	struct deadline deadline;
	struct source from;
	int fd;
	uint32_t watched; /* epoll events */
	enum stream_state state : 8;
	bool dialled : 1;
	bool corked : 1;
	bool more : 1;     /* the user has more to do */
	bool wants_in : 1; /* what TLS said at its last step in vain */
	bool wants_out : 1;
	bool hurried : 1;
	bool busy : 1; /* inside its own event */
	bool dead : 1; /* to be freed when that is over */
};

static void stream_free(struct stream *s)
{
	if (s->user != NULL)
		s->user->end(s->owner);
	deadline_clear(&s->deadline);
	poller_remove(s->server->poller, s->fd, s);
	SSL_free(s->ssl);
	close(s->fd);
	buffer_clear(&s->out);
	if (s->previous != NULL) {
		*s->previous = s->next;
		if (s->next != NULL)
			s->next->previous = s->previous;
		if (!s->dialled)
			listener_left(s->server, &s->from);
	}
	free(s);
}

void stream_end(struct stream *s)
{
	if (s->busy)
		s->dead = true;
	else
		stream_free(s);
}

/* What TLS asks for after a step that did not succeed. 0: wait for it; negative: the end. */
static int wait_for(struct stream *s, int result)
{
	int error = SSL_get_error(s->ssl, result);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
		s->wants_in = true;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->wants_out = true;
		return 0;
	default:
		return -ECONNRESET;
	}
}

/* ---- the events' steps */

static int handshake(struct stream *s)
{
	int r = s->dialled ? SSL_connect(s->ssl) : SSL_accept(s->ssl);

	if (r != 1) {
		r = wait_for(s, r);
		s->server->metrics.handshakes[HANDSHAKE_FAILED] += r < 0;
		return r;
	}
	s->server->metrics.handshakes[HANDSHAKE_DONE]++;
	s->state = STREAM_OPEN;
	return s->dialled ? s->user->step(s->owner) : web_start(s);
}

static int connected(struct stream *s)
{
	if (stream_why(s) != 0)
		return -ECONNREFUSED;
	s->state = STREAM_HANDSHAKE;
	return handshake(s);
}

static int write_some(struct stream *s)
{
	if (s->out.len == 0)
		return 0;
	while (s->out.len > 0) {
		size_t part = s->out.len < STREAM_SLICE ? s->out.len : STREAM_SLICE;
		int n = SSL_write(s->ssl, s->out.data, (int)part);

		if (n <= 0)
			return wait_for(s, n);
		buffer_consume(&s->out, (size_t)n);
	}
	if (s->user->written != NULL)
		s->user->written(s->owner);
	return 0;
}

static int read_some(struct stream *s)
{
	/* One record at most; nothing of it stays here. */
	static uint8_t record[STREAM_SLICE];
	int n = SSL_read(s->ssl, record, sizeof(record));

	if (n <= 0)
		return wait_for(s, n);
	return s->user->input(s->owner, record, (size_t)n);
}

/* Our side is over: the peer is told, and has a moment to read what we wrote. A close() with
 * unread input would be a reset, which destroys what the peer has not read yet. */
static int start_lingering(struct stream *s)
{
	SSL_shutdown(s->ssl);
	ERR_clear_error();
	s->state = STREAM_LINGERING;
	shutdown(s->fd, SHUT_WR);
	if (!s->hurried)
		stream_deadline(s, DEADLINE_LINGER, LINGER_SECONDS);
	return 0;
}

static int linger(struct stream *s)
{
	uint8_t waste[4096];
	ssize_t n = recv(s->fd, waste, sizeof(waste), 0);

	return n > 0 || (n < 0 && errno == EAGAIN) ? 0 : -ECONNRESET;
}

static bool may_read(const struct stream *s)
{
	return s->state == STREAM_OPEN && !s->more && s->out.len < STREAM_HIGH;
}

static int open_step(struct stream *s)
{
	int r = 0;

	if (!s->corked)
		r = write_some(s);
	if (r >= 0 && may_read(s))
		r = read_some(s);
	if (r >= 0 && s->state == STREAM_OPEN && s->out.len < STREAM_HIGH) {
		r = s->user->step(s->owner);
		s->more = r > 0;
	}
	if (r >= 0 && !s->corked)
		r = write_some(s);
	if (r >= 0 && s->state == STREAM_FINISHING && !s->corked && s->out.len == 0)
		r = start_lingering(s);
	return r;
}

static void watch(struct stream *s)
{
	uint32_t events = 0;

	if (s->wants_in || may_read(s) || s->state == STREAM_LINGERING)
		events |= EPOLLIN;
	if (s->wants_out ||
		(!s->corked && s->state != STREAM_LINGERING && (s->more || s->out.len > 0)))
		events |= EPOLLOUT;
	if (events != s->watched && poller_set(s->server->poller, s->fd, events, s) >= 0)
		s->watched = events;
}

static int step(struct stream *s)
{
	s->wants_in = s->wants_out = false;
	switch (s->state) {
	case STREAM_CONNECTING:
		return connected(s);
	case STREAM_HANDSHAKE:
		return handshake(s);
	case STREAM_OPEN:
	case STREAM_FINISHING:
		return open_step(s);
	case STREAM_LINGERING:
		return linger(s);
	}
	return -EINVAL;
}

/* Runs one step, then frees the stream if it is over, or watches for what it waits for. */
static void run(struct stream *s)
{
	s->busy = true;
	int r = step(s);
	s->busy = false;
	if (r < 0 || s->dead)
		stream_free(s);
	else
		watch(s);
}

void stream_ready(void *owner, uint32_t events)
{
	struct stream *s = owner;

	if ((events & (EPOLLERR | EPOLLHUP)) == 0) {
		run(s);
		return;
	}
	s->server->metrics.handshakes[HANDSHAKE_FAILED] += s->state == STREAM_HANDSHAKE;
	stream_free(s);
}

/* ---- for its users */

static void link_stream(struct stream *s)
{
	struct server *server = s->server;

	s->next = server->streams;
	s->previous = &server->streams;
	if (s->next != NULL)
		s->next->previous = &s->next;
	server->streams = s;
}

int stream_new(struct server *server, int fd, const struct source *source)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(fd);
		return -ENOMEM;
	}
	s->server = server;
	s->fd = fd;
	s->from = *source;
	s->out.limit = OUT_LIMIT;
	s->watched = EPOLLIN;
	s->state = STREAM_HANDSHAKE;
	s->ssl = SSL_new(server->tls);
	int r = s->ssl != NULL && SSL_set_fd(s->ssl, fd) == 1 ? 0 : -ENOMEM;
	if (r >= 0)
		r = poller_add(server->poller, fd, s->watched, s);
	if (r < 0) {
		stream_free(s);
		return r;
	}
	link_stream(s);
	stream_deadline(s, DEADLINE_HANDSHAKE, server->config.handshake_timeout);
	return 0;
}

static int connect_socket(const struct sockaddr_storage *to)
{
	static const int one = 1;
	socklen_t len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in);
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)to, len) < 0 && errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int stream_dial(struct server *server, const struct sockaddr_storage *to, SSL *ssl,
	const struct stream_user *user, void *owner, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	int fd = s != NULL ? connect_socket(to) : -ENOMEM;

	if (fd < 0) {
		SSL_free(ssl);
		free(s);
		return fd;
	}
	*s = (struct stream){ .server = server,
		.fd = fd,
		.ssl = ssl,
		.from = source_of(to),
		.out.limit = OUT_LIMIT,
		.watched = EPOLLOUT,
		.state = STREAM_CONNECTING,
		.dialled = true };
	int r = SSL_set_fd(ssl, fd) == 1 ? poller_add(server->poller, fd, s->watched, s) : -ENOMEM;
	if (r < 0) {
		stream_free(s);
		return r;
	}
	s->user = user;
	s->owner = owner;
	link_stream(s);
	stream_deadline(s, DEADLINE_HANDSHAKE, server->config.handshake_timeout);
	*ret = s;
	return 0;
}

bool stream_is_dialled(const struct stream *s)
{
	return s->dialled;
}

int stream_why(const struct stream *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

void stream_use(struct stream *s, const struct stream_user *user, void *owner)
{
	s->user = user;
	s->owner = owner;
}

void stream_finish(struct stream *s)
{
	if (s->state == STREAM_OPEN)
		s->state = STREAM_FINISHING;
	stream_deadline(s, DEADLINE_REQUEST, s->server->config.request_timeout);
}

void stream_hurry(struct stream *s)
{
	s->hurried = true;
	stream_deadline(s, DEADLINE_LINGER, HURRY_SECONDS);
}

struct buffer *stream_out(struct stream *s)
{
	return &s->out;
}

void stream_cork(struct stream *s)
{
	s->corked = true;
}

void stream_uncork(struct stream *s)
{
	s->corked = false;
	if (s->busy)
		return;
	s->busy = true;
	int r = write_some(s);
	if (r >= 0 && s->state == STREAM_FINISHING && s->out.len == 0)
		r = start_lingering(s);
	s->busy = false;
	if (r < 0 || s->dead)
		stream_free(s);
	else
		watch(s);
}

void stream_enter(struct stream *s)
{
	s->busy = true;
}

void stream_leave(struct stream *s)
{
	s->busy = false;
	if (s->dead)
		stream_free(s);
	else if (!s->corked)
		stream_uncork(s);
}

void stream_deadline(struct stream *s, enum deadline_kind kind, uint32_t seconds)
{
	deadline_set(s->server->deadlines, &s->deadline, kind, seconds);
}

SSL *stream_tls(const struct stream *s)
{
	return s->ssl;
}

const struct source *stream_source(const struct stream *s)
{
	return &s->from;
}

struct server *stream_server(const struct stream *s)
{
	return s->server;
}

void streams_end(struct server *server)
{
	while (server->streams != NULL)
		stream_free(server->streams);
}

void stream_expired(struct deadline *d)
{
	struct stream *s = (struct stream *)((char *)d - offsetof(struct stream, deadline));

	s->server->metrics.handshakes[HANDSHAKE_LATE] += s->state == STREAM_HANDSHAKE;
	stream_end(s);
}
