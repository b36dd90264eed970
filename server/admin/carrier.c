/* SPDX-License-Identifier: MIT */
#include "carrier.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "../http_answer.h"
#include "../http_parser.h"
#include "../log.h"

#define PART            16384
#define STEP_PAUSE_USEC 500 /* between the steps of a long work: others have their turn */
#define REST_USEC       200000
#define BATCH           8 /* connections accepted in one event */

enum carrier_state {
	CARRIER_IDLE,      /* no byte of a request yet */
	CARRIER_READING,   /* a request's head or body */
	CARRIER_BUSY,      /* the request is under way: until its answer may leave */
	CARRIER_WRITING,   /* its answer leaves */
	CARRIER_STREAMING, /* it goes on leaving */
	CARRIER_LINGERING, /* all is said; what still comes is dropped */
};

struct carrier {
	struct door *door;
	struct carrier *next, **previous;
	struct visitor visitor;
	enum carrier_state state;
	sd_event_source *io;
	sd_event_source *timer;
	sd_event_source *work; /* timer, while a call has steps to do */
	struct http_parser *parser;
	struct buffer in, out;
	size_t sent; /* of out */
	struct api_call call;
	struct held held;
	void (*gone)(void *userdata);
	void *userdata;
	bool entered;
	bool stream; /* the answer under way is one */
	bool chunked;
	bool last; /* the answer under way is the last */
	bool eof;  /* the peer sends no more */
};

static void carrier_free(struct carrier *c)
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
		sd_event_source_set_enabled(d->accept, SD_EVENT_ON);
	}
	free(c);
}

/* ---- states and their time-outs */

static uint64_t from_now(uint64_t usec)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + usec;
}

static void set_deadline(struct carrier *c, uint32_t seconds)
{
	sd_event_source_set_time(c->timer, from_now(seconds * 1000000ull));
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

static void change_state(struct carrier *c, enum carrier_state state)
{
	if (c->state == state)
		return;
	c->state = state;
	set_deadline(c, seconds_in(c, state));
}

/* What the connection waits for now. */
static int watch(struct carrier *c)
{
	bool reads = !c->eof && c->in.len < PART;
	bool writes =
		(c->state == CARRIER_WRITING || c->state == CARRIER_STREAMING) && c->out.len > 0;

	return sd_event_source_set_io_events(
		c->io, (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u));
}

/* Not from here, which may be within the connection's own event: it comes as EPOLLHUP. */
static void watch_or_end(struct carrier *c)
{
	if (watch(c) < 0)
		shutdown(c->visitor.fd, SHUT_RDWR);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct carrier *c = userdata;

	(void)source, (void)usec;
	if (c->state == CARRIER_STREAMING)
		c->door->server->metrics.streams_ended++;
	carrier_free(c);
	return 0;
}

/* ---- answers */

/* HEAD's answer is GET's without the body. */
static void cut_body(struct buffer *out)
{
	uint8_t *end = memmem(out->data, out->len, "\r\n\r\n", 4);

	if (end)
		out->len = (size_t)(end + 4 - out->data);
}

static int insert(struct buffer *b, size_t at, const char *text)
{
	size_t len = strlen(text);

	if (!buffer_reserve(b, len))
		return -ENOMEM;
	memmove(b->data + at + len, b->data + at, b->len - at);
	memcpy(b->data + at, text, len);
	buffer_grew(b, len);
	return 0;
}

/* The door's headers into the head of every answer, whoever made it; and nothing is to be kept by
 * a cache that does not say so itself. */
static int add_headers(struct carrier *c)
{
	static const char no_store[] = "Cache-Control: no-store\r\n";
	struct buffer *out = &c->out;
	uint8_t *line = out->len ? memmem(out->data, out->len, "\r\n", 2) : NULL;
	uint8_t *end =
		line ? memmem(line, out->len - (size_t)(line - out->data), "\r\n\r\n", 4) : NULL;
	size_t at = line ? (size_t)(line + 2 - out->data) : 0;
	int r;

	if (!c->door->headers || !end)
		return end ? 0 : -EBADMSG;
	r = memmem(line, (size_t)(end - line), "\r\nCache-Control:", 16)
		    ? 0
		    : insert(out, at, no_store);
	return r < 0 ? r : insert(out, at, c->door->headers);
}

static void on_release(struct held *h, bool committed)
{
	struct carrier *c = (struct carrier *)((char *)h - offsetof(struct carrier, held));

	if (!committed) {
		buffer_clear(&c->out);
		c->last = true;
		c->stream = false;
		if (http_answer_problem(&c->out, 503, "store-failed",
			    "the database failed; nothing was changed; see the server's log", false,
			    NULL) < 0 ||
			add_headers(c) < 0)
			shutdown(c->visitor.fd, SHUT_RDWR);
	}
	change_state(c, c->stream ? CARRIER_STREAMING : CARRIER_WRITING);
	watch_or_end(c);
}

/* "HTTP/1.1 200 ..." */
static void count_answer(struct carrier *c)
{
	unsigned hundreds = c->out.len > 9 ? c->out.data[9] - (unsigned)'0' : 0;

	if (hundreds < METRICS_STATUSES)
		c->door->server->metrics.answers[hundreds]++;
}

/* The answer is in out: it leaves when the turn has committed. */
static int answered(struct carrier *c)
{
	const struct http_request *q = http_parser_request(c->parser);
	int r = add_headers(c);

	if (r < 0)
		return r;
	count_answer(c);
	if (q->method == HTTP_METHOD_HEAD) {
		cut_body(&c->out);
		c->last |= c->stream;
		c->stream = false;
	}
	if (!q->keep_alive && !c->stream) /* a stream ends when its owner says so */
		c->last = true;
	api_call_end(&c->call);
	http_parser_next(c->parser);
	turn_hold(c->door->server->turn, &c->held);
	return 0;
}

/* Negative: the connection must end. */
static int call_done(struct carrier *c)
{
	return c->call.error < 0 ? -ECONNABORTED : answered(c);
}

static uint64_t pause_of(const struct carrier *c)
{
	return c->call.pause > 0 ? c->call.pause : STEP_PAUSE_USEC;
}

static int on_work(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct carrier *c = userdata;

	(void)usec;
	if (c->call.step(&c->call)) {
		sd_event_source_set_time(source, from_now(pause_of(c)));
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	if (call_done(c) < 0)
		carrier_free(c);
	return 0;
}

static int start_work(struct carrier *c)
{
	c->work = sd_event_source_disable_unref(c->work);
	return sd_event_add_time(c->door->server->loop, &c->work, CLOCK_MONOTONIC,
		from_now(pause_of(c)), 1, on_work, c);
}

void carrier_hasten(struct carrier *c, uint64_t usec)
{
	uint64_t due = 0, sooner = from_now(usec);

	if (c->work && sd_event_source_get_time(c->work, &due) >= 0 && sooner < due)
		sd_event_source_set_time(c->work, sooner);
}

static int handle(struct carrier *c)
{
	change_state(c, CARRIER_BUSY);
	c->call = (struct api_call){
		.server = c->door->server,
		.request = http_parser_request(c->parser),
		.carrier = c,
		.actor = c->visitor.actor,
		.out = &c->out,
	};
	c->door->handle(c->door, &c->visitor, &c->call);
	return c->call.step && c->call.error == 0 ? start_work(c) : call_done(c);
}

static int refuse(struct carrier *c, int status)
{
	c->last = true;
	buffer_clear(&c->in);
	if (http_answer_problem(&c->out, status, "bad-request",
		    status == 413 ? "the body is longer than this request's may be"
				  : "this is not an HTTP/1.1 request as muster takes them",
		    false, NULL) < 0)
		return -ENOMEM;
	change_state(c, CARRIER_WRITING);
	return add_headers(c);
}

/* ---- requests */

static size_t on_head(void *userdata, const struct http_request *head)
{
	struct carrier *c = userdata;

	set_deadline(c, CARRIER_REQUEST_SECONDS);
	return c->door->body_max ? c->door->body_max(c->door, &c->visitor, head)
				 : c->door->body_limit;
}

/* The next request, if a whole one is there and the one before is done with. */
static int process(struct carrier *c)
{
	size_t used;
	int r;

	if ((c->state != CARRIER_IDLE && c->state != CARRIER_READING) || c->in.len == 0)
		return 0;
	change_state(c, CARRIER_READING);
	r = http_parser_feed(c->parser, c->in.data, c->in.len, &used);
	buffer_consume(&c->in, used);
	if (r < 0)
		return refuse(c, -r);
	return r == 0 ? 0 : handle(c);
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
	change_state(c, CARRIER_LINGERING);
	return 0;
}

static int transmit(struct carrier *c)
{
	ssize_t n = send(c->visitor.fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->sent += (size_t)n;
	set_deadline(c, c->sent < c->out.len ? CARRIER_WRITE_SECONDS : 0);
	if (c->sent < c->out.len)
		return 0;
	buffer_clear(&c->out);
	c->sent = 0;
	if (c->stream)
		return 0;
	if (c->last)
		return linger(c);
	change_state(c, CARRIER_IDLE);
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
	if (r == 0 && c->out.len > 0 &&
		(c->state == CARRIER_WRITING || c->state == CARRIER_STREAMING))
		r = transmit(c);
	if (r == 0)
		r = process(c);
	if (r == 0)
		r = watch(c);
	if (r < 0 || is_over(c))
		carrier_free(c);
	return 0;
}

/* ---- streams */

int carrier_stream(struct api_call *call, const char *content_type, const char *headers,
	void (*gone)(void *userdata), void *userdata, struct carrier **ret)
{
	struct carrier *c = call->carrier;
	bool chunked = call->request->keep_alive;
	int r;

	if (!c)
		return -ENOTSUP;
	/* By itself the kernel lets megabytes wait for who doesn't read. */
	(void)setsockopt(
		c->visitor.fd, SOL_SOCKET, SO_SNDBUF, &(int){ CARRIER_STREAM_BUFFER }, sizeof(int));
	r = buffer_printf(&c->out,
		"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Type: %s\r\n%s%s"
		"X-Content-Type-Options: nosniff\r\n\r\n",
		chunked ? "keep-alive" : "close", content_type,
		chunked ? "Transfer-Encoding: chunked\r\n" : "", headers ? headers : "");
	if (r < 0)
		return r;
	c->stream = true;
	c->chunked = chunked;
	c->gone = gone;
	c->userdata = userdata;
	*ret = c;
	return 0;
}

static int push(struct carrier *c, const void *data, size_t len)
{
	int r = 0;

	if (c->out.len - c->sent + len > CARRIER_BACKLOG_MAX)
		return -EMSGSIZE;
	buffer_consume(&c->out, c->sent);
	c->sent = 0;
	if (c->chunked)
		r = buffer_printf(&c->out, "%zx\r\n", len);
	if (r == 0)
		r = buffer_append(&c->out, data, len);
	if (r == 0 && c->chunked)
		r = buffer_append(&c->out, "\r\n", 2);
	return r;
}

int carrier_push(struct carrier *c, const void *data, size_t len)
{
	bool idle = c->out.len == 0;
	int r;

	if (c->last || !c->stream)
		return -EPIPE;
	r = len > 0 ? push(c, data, len) : 0; /* a chunk of nothing would end the stream */
	if (r < 0) {
		c->last = true;
		c->door->server->metrics.streams_ended++;
		shutdown(c->visitor.fd, SHUT_RDWR);
		return -EMSGSIZE;
	}
	if (c->state == CARRIER_STREAMING && idle)
		set_deadline(c, CARRIER_WRITE_SECONDS);
	watch_or_end(c);
	return 0;
}

void carrier_end(struct carrier *c)
{
	static const char end[] = "0\r\n\r\n";
	int r = c->chunked && !c->last ? buffer_append(&c->out, end, sizeof(end) - 1) : 0;

	c->gone = NULL;
	c->stream = false;
	c->last = true;
	if (c->state == CARRIER_STREAMING)
		change_state(c, CARRIER_WRITING);
	if (r < 0 || c->out.len == 0)
		shutdown(c->visitor.fd, SHUT_RDWR);
	else
		watch_or_end(c);
}

/* ---- doors */

static int carrier_start(struct carrier *c)
{
	struct door *d = c->door;
	sd_event *loop = d->server->loop;
	int r = d->enter ? d->enter(d, &c->visitor) : 0;

	c->entered = r >= 0;
	c->held.release = on_release;
	c->out.limit = API_ANSWER_MAX + PART;
	c->in.limit = 2 * PART;
	if (r >= 0)
		r = http_parser_new(d->body_limit, &c->parser);
	if (r >= 0)
		r = sd_event_add_io(loop, &c->io, c->visitor.fd, EPOLLIN, on_io, c);
	if (r >= 0)
		r = sd_event_add_time(loop, &c->timer, CLOCK_MONOTONIC,
			from_now(d->idle * 1000000ull), 1000000, on_timer, c);
	if (r < 0)
		return r;
	http_parser_on_head(c->parser, on_head, c);
	http_parser_watch(c->parser, d->watched);
	return 0;
}

static void carrier_new(struct door *d, int fd, const struct sockaddr_storage *peer)
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

static bool is_waiting(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* The connection that has been idle among the longest goes, for one that may have something to say.
 */
static bool make_room(struct door *d)
{
	struct carrier *oldest = NULL;

	if (d->count < d->limit)
		return true;
	if (!is_waiting(d->fd))
		return false;
	for (struct carrier *c = d->carriers; c; c = c->next)
		if (c->state == CARRIER_IDLE)
			oldest = c;
	if (oldest)
		carrier_free(oldest);
	else
		sd_event_source_set_enabled(d->accept, SD_EVENT_OFF); /* until one ends */
	return oldest;
}

/* What can't be accepted now stays in the kernel's queue; without a pause the loop would spin. */
static void rest(struct door *d)
{
	static struct log_rate rate;

	log_limited(
		&rate, LOG_WARNING, "not accepting administrators' connections for a moment: %m");
	if (sd_event_source_set_time(d->rest, from_now(REST_USEC)) >= 0 &&
		sd_event_source_set_enabled(d->rest, SD_EVENT_ONESHOT) >= 0)
		sd_event_source_set_enabled(d->accept, SD_EVENT_OFF);
}

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct door *d = userdata;

	(void)source, (void)usec;
	sd_event_source_set_enabled(d->accept, d->count < d->limit ? SD_EVENT_ON : SD_EVENT_OFF);
	return 0;
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct door *d = userdata;

	(void)source, (void)events;
	for (size_t i = 0; i < BATCH && make_room(d); i++) {
		struct sockaddr_storage peer = {};
		socklen_t len = sizeof(peer);
		int got = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (got >= 0)
			carrier_new(d, got, &peer);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest(d);
		if (got < 0)
			return 0;
	}
	return 0;
}

int door_open(struct door *d, int fd)
{
	sd_event *loop = d->server->loop;
	int r;

	d->fd = fd;
	d->open = true;
	r = sd_event_add_io(loop, &d->accept, fd, EPOLLIN, on_accept, d);
	if (r >= 0)
		r = sd_event_add_time(loop, &d->rest, CLOCK_MONOTONIC, 0, 0, on_rested, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->rest, SD_EVENT_OFF);
	if (r < 0)
		door_close(d);
	return r < 0 ? r : 0;
}

void door_close(struct door *d)
{
	while (d->carriers)
		carrier_free(d->carriers);
	d->accept = sd_event_source_disable_unref(d->accept);
	d->rest = sd_event_source_disable_unref(d->rest);
	if (d->open)
		close(d->fd);
	d->open = false;
}
