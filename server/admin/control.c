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
#include "carrier.h"
#include "embed.h"
#include "lib/text.h"

#define CONNECTIONS_MAX 64
#define TICK_SECONDS    60

struct control {
	struct server *server;
	struct embed *embed;
	struct door door;
	sd_event_source *tick;
	dev_t dev; /* of the socket's file, to know it again */
	ino_t ino;
};

struct embed *control_embed(const struct server *s)
{
	return s->control ? s->control->embed : NULL;
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

static int enter(struct door *d, struct visitor *v)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	char name[65];

	(void)d;
	if (getsockopt(v->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	name_of(who.uid, name);
	snprintf(v->actor, sizeof(v->actor), *name ? "uid:%u(%s)" : "uid:%u", who.uid, name);
	return 0;
}

/* Whoever may open the socket is an administrator. */
static void handle(struct door *d, const struct visitor *v, struct api_call *c)
{
	(void)d;
	c->who = (struct caller){ .how = CALLER_SOCKET, .role = ROLE_ADMINISTRATOR };
	memcpy(c->who.actor, v->actor, sizeof(c->who.actor));
	api_handle(c);
}

/* A turn a minute even if nothing else happens: the store's clock is kept up to date by it. */
static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct control *control = userdata;

	(void)usec;
	if (turn_enter(control->server->turn) < 0)
		log_warning("the store's clock could not be kept");
	sd_event_source_set_time_relative(source, TICK_SECONDS * 1000000ull);
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

static int bind_socket(struct control *c, int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0117); /* from its first moment on 0660 */
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	struct stat st;

	umask(before);
	if (r < 0)
		return r;
	if (lstat(address->sun_path, &st) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return 0;
}

static int open_socket(struct control *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	scoped(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int given, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path));
	r = clear_place(&address);
	if (r == 0)
		r = bind_socket(c, fd, &address);
	if (r < 0)
		return r;
	given = fd;
	fd = -1;
	return door_open(&c->door, given);
}

int control_start(struct server *s)
{
	struct control *c = calloc(1, sizeof(*c));
	int r = c ? 0 : -ENOMEM;

	if (r == 0) {
		c->server = s;
		c->door = (struct door){ .server = s,
			.limit = CONNECTIONS_MAX,
			.idle = CARRIER_IDLE_SECONDS,
			.grace = CARRIER_GRACE_SECONDS,
			.body_limit = API_CONTENT_MAX,
			.enter = enter,
			.handle = handle };
		s->control = c;
		r = embed_new(&c->embed);
	}
	if (r == 0)
		r = open_socket(c, s->config.control);
	if (r >= 0)
		r = sd_event_add_time_relative(s->loop, &c->tick, CLOCK_MONOTONIC,
			TICK_SECONDS * 1000000ull, 0, on_tick, c);
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
	door_close(&c->door);
	sd_event_source_disable_unref(c->tick);
	embed_free(c->embed);
	remove_socket(c);
	free(c);
}
