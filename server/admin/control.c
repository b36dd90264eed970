/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../log.h"
#include "../server.h"
#include "api.h"
#include "embed.h"
#include "lib/text.h"

#define CONNECTIONS_MAX 64
#define IDLE_SECONDS    60
#define INPUT_MAX       (API_CONTENT_MAX + 16384)
#define STEP_PAUSE_USEC 500 /* between the steps of a long work: others have their turn */
#define TICK_SECONDS    60

struct connection {
	struct control *control;
	struct connection *next, **previous;
	int fd;
	char actor[ACTOR_SIZE];
	sd_event_source *io;
	sd_event_source *idle; /* timer */
	sd_event_source *work; /* timer, while a call has steps to do */
	struct http_parser *parser;
	struct buffer in, out;
	size_t sent; /* of out */
	struct api_call call;
	struct held held;
	bool busy; /* a request is under way: until its answer may leave */
	bool last; /* the answer under way is the last */
	bool eof;  /* the peer sends no more */
};

struct control {
	struct server *server;
	struct embed *embed;
	int fd;
	sd_event_source *accept;
	sd_event_source *tick;
	dev_t dev; /* of the socket's file, to know it again */
	ino_t ino;
	struct connection *connections;
	size_t count;
};

struct embed *control_embed(const struct server *s)
{
	return s->control ? s->control->embed : NULL;
}

/* ---- one connection */

static void connection_end(struct connection *c)
{
	struct control *control = c->control;

	turn_forget(&c->held);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->idle);
	sd_event_source_disable_unref(c->work);
	api_call_end(&c->call);
	http_parser_free(c->parser);
	buffer_clear(&c->in);
	buffer_clear(&c->out);
	closep(&c->fd);
	if (c->previous) {
		*c->previous = c->next;
		if (c->next)
			c->next->previous = c->previous;
		control->count--;
		sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
	}
	free(c);
}

static uint64_t from_now(uint64_t usec)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + usec;
}

static void rearm(struct connection *c)
{
	sd_event_source_set_time(c->idle, from_now(IDLE_SECONDS * 1000000ull));
}

/* What the connection waits for now. */
static int watch(struct connection *c)
{
	bool reads = !c->eof && c->in.len < INPUT_MAX;
	bool writes = !c->busy && c->out.len > 0;

	return sd_event_source_set_io_events(
		c->io, (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u));
}

/* HEAD's answer is GET's without the body. */
static void cut_body(struct buffer *out)
{
	uint8_t *end = memmem(out->data, out->len, "\r\n\r\n", 4);

	if (end)
		out->len = (size_t)(end + 4 - out->data);
}

/* The answer is in out: it leaves when the turn has committed. */
static void answered(struct connection *c)
{
	const struct http_request *q = http_parser_request(c->parser);

	if (q->method == HTTP_METHOD_HEAD)
		cut_body(&c->out);
	if (!q->keep_alive)
		c->last = true;
	api_call_end(&c->call);
	http_parser_next(c->parser);
	turn_hold(c->control->server->turn, &c->held);
}

static void on_release(struct held *h, bool committed)
{
	struct connection *c = (struct connection *)((char *)h - offsetof(struct connection, held));

	if (!committed) {
		buffer_clear(&c->out);
		c->last = true;
		if (http_answer_problem(&c->out, 503, "store-failed",
			    "the database failed; nothing was changed; see the server's log", false,
			    NULL) < 0)
			shutdown(c->fd, SHUT_RDWR);
	}
	c->busy = false;
	/* May run within the connection's own event, so it doesn't end here: that comes as
	 * EPOLLHUP. */
	if (watch(c) < 0)
		shutdown(c->fd, SHUT_RDWR);
}

/* -ECONNABORTED: the connection must end. */
static int call_done(struct connection *c)
{
	if (c->call.error < 0)
		return -ECONNABORTED;
	answered(c);
	return 0;
}

static uint64_t pause_of(const struct connection *c)
{
	return c->call.pause > 0 ? c->call.pause : STEP_PAUSE_USEC;
}

static int on_work(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct connection *c = userdata;

	(void)usec;
	rearm(c);
	if (c->call.step(&c->call)) {
		sd_event_source_set_time(source, from_now(pause_of(c)));
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	if (call_done(c) < 0)
		connection_end(c);
	return 0;
}

static int start_work(struct connection *c)
{
	sd_event *loop = c->control->server->loop;

	c->work = sd_event_source_disable_unref(c->work);
	return sd_event_add_time(
		loop, &c->work, CLOCK_MONOTONIC, from_now(pause_of(c)), 1, on_work, c);
}

static int handle(struct connection *c)
{
	c->busy = true;
	c->call = (struct api_call){
		.server = c->control->server,
		.request = http_parser_request(c->parser),
		.actor = c->actor,
		.out = &c->out,
	};
	api_handle(&c->call);
	return c->call.step && c->call.error == 0 ? start_work(c) : call_done(c);
}

static int refuse(struct connection *c, int status)
{
	c->last = true;
	buffer_clear(&c->in);
	return http_answer_problem(&c->out, status, "bad-request",
		status == 413 ? "the body is longer than any request's may be"
			      : "this is not an HTTP/1.1 request as muster takes them",
		false, NULL);
}

/* The next request, if a whole one is there and the one before is done with. */
static int process(struct connection *c)
{
	size_t used;
	int r;

	if (c->busy || c->last || c->out.len > 0 || c->in.len == 0)
		return 0;
	r = http_parser_feed(c->parser, c->in.data, c->in.len, &used);
	buffer_consume(&c->in, used);
	if (r < 0)
		return refuse(c, -r);
	return r == 0 ? 0 : handle(c);
}

static int receive(struct connection *c)
{
	uint8_t *room = buffer_reserve(&c->in, 16384);
	ssize_t n = room ? recv(c->fd, room, 16384, 0) : -1;

	if (!room)
		return -ENOMEM;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		c->eof = true;
	buffer_grew(&c->in, (size_t)n);
	return 0;
}

static int transmit(struct connection *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->sent += (size_t)n;
	if (c->sent < c->out.len)
		return 0;
	buffer_clear(&c->out);
	c->sent = 0;
	return c->last ? -ESHUTDOWN : 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *c = userdata;
	int r = events & (EPOLLHUP | EPOLLERR) ? -ECONNRESET : 0;

	(void)source, (void)fd;
	rearm(c);
	if (r == 0 && events & EPOLLIN)
		r = receive(c);
	if (r == 0 && !c->busy && c->out.len > 0)
		r = transmit(c);
	if (r == 0)
		r = process(c);
	if (r == 0)
		r = watch(c);
	if (r < 0 || (c->eof && !c->busy && c->out.len == 0))
		connection_end(c);
	return 0;
}

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	connection_end(userdata);
	return 0;
}

/* ---- who calls */

/* From the local file only: a name service on the network must not stop the loop. */
static void name_of(uid_t uid, char ret[static 65])
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	*ret = '\0';
	while (file && (entry = fgetpwent(file)))
		if (entry->pw_uid == uid &&
			text_printable(entry->pw_name, strlen(entry->pw_name))) {
			snprintf(ret, 65, "%s", entry->pw_name);
			break;
		}
	if (file)
		fclose(file);
}

static int find_actor(int fd, char ret[static ACTOR_SIZE])
{
	struct ucred who;
	socklen_t len = sizeof(who);
	char name[65];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	name_of(who.uid, name);
	snprintf(ret, ACTOR_SIZE, *name ? "uid:%u(%s)" : "uid:%u", who.uid, name);
	return 0;
}

/* ---- new connections */

static int connection_start(struct control *control, struct connection *c)
{
	sd_event *loop = control->server->loop;
	int r = find_actor(c->fd, c->actor);

	c->held.release = on_release;
	c->out.limit = API_ANSWER_MAX;
	c->in.limit = INPUT_MAX + 32768;
	if (r == 0)
		r = http_parser_new(API_CONTENT_MAX, &c->parser);
	if (r == 0)
		r = sd_event_add_io(loop, &c->io, c->fd, EPOLLIN, on_io, c);
	if (r >= 0)
		r = sd_event_add_time(loop, &c->idle, CLOCK_MONOTONIC,
			from_now(IDLE_SECONDS * 1000000ull), 1000000, on_idle, c);
	return r;
}

static void connection_new(struct control *control, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->control = control;
	c->fd = fd;
	if (connection_start(control, c) < 0) {
		connection_end(c);
		return;
	}
	c->next = control->connections;
	c->previous = &control->connections;
	if (c->next)
		c->next->previous = &c->next;
	control->connections = c;
	if (++control->count == CONNECTIONS_MAX)
		sd_event_source_set_enabled(control->accept, SD_EVENT_OFF);
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)source, (void)events;
	if (peer >= 0)
		connection_new(userdata, peer);
	return 0;
}

/* A turn a minute even if nothing else happens: the store's clock is kept up to date by it. */
static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control *control = userdata;

	(void)usec;
	if (turn_enter(control->server->turn) < 0)
		log_warning("the store's clock could not be kept");
	sd_event_source_set_time(source, from_now(TICK_SECONDS * 1000000ull));
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the socket */

/* Somebody listens there: 1; nobody, but a socket was left: 0. */
static int answers(const struct sockaddr_un *address)
{
	scoped(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 1;
	return errno == ECONNREFUSED ? 0 : errno == EAGAIN ? 1 : -errno;
}

static int clear_place(const struct sockaddr_un *address)
{
	struct stat st;
	int r;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = answers(address);
	if (r != 0)
		return r > 0 ? -EADDRINUSE : r;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_socket(struct control *c, const struct sockaddr_un *address)
{
	mode_t before = umask(0117); /* from its first moment on 0660 */
	int r = bind(c->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	struct stat st;

	umask(before);
	if (r < 0)
		return r;
	if (lstat(address->sun_path, &st) < 0 || listen(c->fd, 16) < 0)
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return 0;
}

static int open_socket(struct control *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	r = clear_place(&address);
	return r < 0 ? r : bind_socket(c, &address);
}

int control_start(struct server *s)
{
	struct control *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (r == 0) {
		c->server = s;
		c->fd = -1;
		s->control = c;
		r = open_socket(c, s->config.control);
	}
	if (r == 0)
		r = embed_new(&c->embed);
	if (r == 0)
		r = sd_event_add_io(s->loop, &c->accept, c->fd, EPOLLIN, on_accept, c);
	if (r >= 0)
		r = sd_event_add_time(s->loop, &c->tick, CLOCK_MONOTONIC,
			from_now(TICK_SECONDS * 1000000ull), 0, on_tick, c);
	if (r >= 0)
		return 0;
	log_err(r,
		r == -EADDRINUSE ? "another server answers at the control socket '%s'"
				 : "cannot make the control socket '%s'",
		s->config.control);
	control_stop(s);
	return r;
}

static void remove_socket(const struct control *c)
{
	const char *path = c->server->config.control;
	struct stat st;

	if (c->ino != 0 && lstat(path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(path);
}

void control_stop(struct server *s)
{
	struct control *c = s->control;

	if (!c)
		return;
	s->control = NULL;
	while (c->connections)
		connection_end(c->connections);
	sd_event_source_disable_unref(c->accept);
	sd_event_source_disable_unref(c->tick);
	embed_free(c->embed);
	remove_socket(c);
	closep(&c->fd);
	free(c);
}
