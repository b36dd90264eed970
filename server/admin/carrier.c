/* SPDX-License-Identifier: MIT */
#include "carrier.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "carrier_call.h"
#include "carrier_internal.h"

#define PART 16384

void carrier_free(struct carrier *c)
{
	struct door *d = c->door;

	turn_forget(&c->held);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	sd_event_source_disable_unref(c->work);
	if (c->gone)
		c->gone(c->userdata);
	api_call_end(&c->call);
	http_parser_free(c->parser);
	buffer_clear(&c->in);
	buffer_clear(&c->out);
	if (c->entered && d->leave)
		d->leave(d, &c->visitor);
	closep(&c->visitor.fd);
	if (c->previous) {
		*c->previous = c->next;
		if (c->next)
			c->next->previous = c->previous;
		d->count--;
		door_has_room(d);
	}
	free(c);
}

/* ---- states and their time-outs */

uint64_t carrier_from_now(uint64_t usec)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + usec;
}

void carrier_set_deadline(struct carrier *c, uint32_t seconds)
{
	sd_event_source_set_time(c->timer, carrier_from_now(seconds * 1000000ull));
	sd_event_source_set_enabled(c->timer, seconds > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static uint32_t seconds_in(const struct carrier *c, enum carrier_state state)
{
	switch (state) {
	case CARRIER_IDLE:
		return c->door->idle;
	case CARRIER_READING:
		return CARRIER_HEAD_SECONDS;
	case CARRIER_WRITING:
	case CARRIER_STREAMING: /* until there is nothing to send */
		return CARRIER_WRITE_SECONDS;
	case CARRIER_LINGERING:
		return CARRIER_LINGER_SECONDS;
	case CARRIER_BUSY: /* our own time */
		break;
	}
	return 0;
}

void carrier_change_state(struct carrier *c, enum carrier_state state)
{
	if (c->state == state)
		return;
	c->state = state;
	c->grace_ends = 0;
	carrier_set_deadline(c, seconds_in(c, state));
	if (state == CARRIER_IDLE) /* it could give way */
		door_has_room(c->door);
}

static bool may_send(const struct carrier *c)
{
	return (c->state == CARRIER_WRITING || c->state == CARRIER_STREAMING) && c->out.len > 0;
}

/* What the connection waits for now. */
static int watch(struct carrier *c)
{
	bool reads = !c->eof && c->in.len < PART;

	return sd_event_source_set_io_events(
		c->io, (reads ? EPOLLIN : 0u) | (may_send(c) ? EPOLLOUT : 0u));
}

/* It comes back as EPOLLHUP. */
void carrier_abort(struct carrier *c)
{
	shutdown(c->visitor.fd, SHUT_RDWR);
}

void carrier_watch(struct carrier *c)
{
	if (watch(c) < 0)
		carrier_abort(c);
}

/* Whether there is something that has come and is yet to be read. */
static bool has_spoken(const struct carrier *c)
{
	char first;

	return recv(c->visitor.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct carrier *c = userdata;

	(void)source, (void)usec;
	if (c->state == CARRIER_IDLE && has_spoken(c)) { /* at the last moment */
		carrier_set_deadline(c, CARRIER_HEAD_SECONDS);
		return 0;
	}
	if (c->state == CARRIER_STREAMING)
		c->door->server->metrics.streams_ended++;
	carrier_free(c);
	return 0;
}

/* ---- requests */

static size_t on_head(void *userdata, const struct http_request *head)
{
	struct carrier *c = userdata;

	carrier_set_deadline(c, CARRIER_REQUEST_SECONDS);
	return c->door->body_max ? c->door->body_max(c->door, &c->visitor, head)
				 : c->door->body_limit;
}

/* What is asked for may be sent: its body is wanted. Nothing else is being sent while it is read, so
 * these few bytes fit. */
static int wish_for_body(struct carrier *c)
{
	static const char wish[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t n = send(c->visitor.fd, wish, sizeof(wish) - 1, MSG_NOSIGNAL);

	return n == sizeof(wish) - 1 ? 0 : -ECONNRESET;
}

/* The next request, if a whole one is there and the one before is done with. */
static int process(struct carrier *c)
{
	size_t used;
	int r;

	if ((c->state != CARRIER_IDLE && c->state != CARRIER_READING) || c->in.len == 0)
		return 0;
	carrier_change_state(c, CARRIER_READING);
	r = http_parser_feed(c->parser, c->in.data, c->in.len, &used);
	buffer_consume(&c->in, used);
	if (r < 0)
		return carrier_refuse(c, -r);
	if (r == 0)
		return http_parser_expects(c->parser) ? wish_for_body(c) : 0;
	return carrier_handle(c);
}

static int receive(struct carrier *c)
{
	uint8_t *room = buffer_reserve(&c->in, PART);
	ssize_t n = room ? recv(c->visitor.fd, room, PART, 0) : -1;

	if (!room)
		return -ENOMEM;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->eof = n == 0;
	buffer_grew(&c->in, (size_t)n);
	if (c->state == CARRIER_LINGERING || c->stream)
		buffer_clear(&c->in); /* nobody asked for it */
	return 0;
}

/* The last answer is out. An end now, with something unread, would take it away from the peer. */
static int linger(struct carrier *c)
{
	if (c->eof || shutdown(c->visitor.fd, SHUT_WR) < 0)
		return -ESHUTDOWN;
	buffer_clear(&c->in);
	carrier_change_state(c, CARRIER_LINGERING);
	return 0;
}

static int transmit(struct carrier *c)
{
	ssize_t n = send(c->visitor.fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->sent += (size_t)n;
	carrier_set_deadline(c, c->sent < c->out.len ? CARRIER_WRITE_SECONDS : 0);
	if (c->sent < c->out.len)
		return 0;
	buffer_clear(&c->out);
	c->sent = 0;
	if (c->stream)
		return 0;
	if (c->last)
		return linger(c);
	carrier_change_state(c, CARRIER_IDLE);
	return 0;
}

static bool is_over(const struct carrier *c)
{
	if (!c->eof)
		return false;
	return c->state == CARRIER_IDLE || c->state == CARRIER_READING ||
	       c->state == CARRIER_LINGERING || c->state == CARRIER_STREAMING;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct carrier *c = userdata;
	int r = events & (EPOLLHUP | EPOLLERR) ? -ECONNRESET : 0;

	(void)source, (void)fd;
	if (r == 0 && events & EPOLLIN)
		r = receive(c);
	if (r == 0 && may_send(c))
		r = transmit(c);
	if (r == 0)
		r = process(c);
	if (r == 0)
		r = watch(c);
	if (r < 0 || is_over(c))
		carrier_free(c);
	return 0;
}

/* ---- beginning and end */

static int carrier_start(struct carrier *c)
{
	struct door *d = c->door;
	sd_event *loop = d->server->loop;
	int r = d->enter ? d->enter(d, &c->visitor) : 0;

	c->entered = r >= 0;
	c->held.release = carrier_release;
	c->grace_ends = carrier_from_now(d->grace * 1000000ull);
	c->out.limit = API_ANSWER_MAX + PART;
	c->in.limit = 2 * PART;
	if (r >= 0)
		r = http_parser_new(d->body_limit, &c->parser);
	if (r >= 0)
		r = sd_event_add_io(loop, &c->io, c->visitor.fd, EPOLLIN, on_io, c);
	if (r >= 0)
		r = sd_event_add_time(loop, &c->timer, CLOCK_MONOTONIC,
			carrier_from_now(d->idle * 1000000ull), 1000000, on_timer, c);
	if (r < 0)
		return r;
	http_parser_on_head(c->parser, on_head, c);
	http_parser_watch(c->parser, d->watched);
	return 0;
}

void carrier_new(struct door *d, int fd, const struct sockaddr_storage *peer)
{
	struct carrier *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->door = d;
	c->visitor.fd = fd;
	c->visitor.source = source_of(peer);
	if (carrier_start(c) < 0) {
		carrier_free(c);
		return;
	}
	c->next = d->carriers;
	c->previous = &d->carriers;
	if (c->next)
		c->next->previous = &c->next;
	d->carriers = c;
	d->count++;
}

bool carrier_end_idle(struct door *d)
{
	struct carrier *oldest = NULL;
	uint64_t now = carrier_from_now(0);

	for (struct carrier *c = d->carriers; c; c = c->next)
		if (c->state == CARRIER_IDLE && c->grace_ends <= now && !has_spoken(c))
			oldest = c;
	if (oldest)
		carrier_free(oldest);
	return oldest;
}

void carrier_end_all(struct door *d)
{
	while (d->carriers)
		carrier_free(d->carriers);
}
