/* SPDX-License-Identifier: MIT */
#include "dblink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "beats.h"
#include "changes.h"
#include "lib/text.h"
#include "log.h"
#include "outlet.h"
#include "server.h"

#define ACCURACY 10000u
#define WHY_SIZE 512

struct dblink {
	struct server *server;
	sd_event_source *io, *timer, *soon;
	int watched; /* the database's descriptor, of which io has a copy: it may be closed and its
			number used again before io ends */
	bool reachable;       /* as the driver says, at once */
	bool up;              /* what has been told */
	uint64_t since;       /* of being down: CLOCK_MONOTONIC, microseconds */
	char why[WHY_SIZE];   /* it is down, as it is now */
	char first[WHY_SIZE]; /* as it began */
	db_listener heard;
	void *userdata;
	void (*changed)(void *userdata);
	void *changed_userdata;
};

static void step(struct dblink *d);

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source, (void)fd, (void)events;
	step(userdata);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source, (void)at;
	step(userdata);
	return 0;
}

static int on_soon(sd_event_source *source, void *userdata)
{
	(void)source;
	step(userdata);
	return 0;
}

static void woken(void *userdata, bool up)
{
	struct dblink *d = userdata;

	d->reachable = up;
	int r = sd_event_source_set_enabled(d->soon, SD_EVENT_ONESHOT);
	if (r < 0 && r != -ESTALE) /* the loop has ended */
		log_at(LOG_ERR, "cannot look after the database's connection");
}

static void on_notice(void *userdata, const char *text)
{
	struct dblink *d = userdata;

	if (d->heard)
		d->heard(d->userdata, text);
}

static uint64_t now_usec(const struct dblink *d)
{
	uint64_t now = 0;

	sd_event_now(d->server->loop, CLOCK_MONOTONIC, &now);
	return now;
}

/* ---- up and down */

static void audit_outage(struct server *s, uint64_t seconds, const char *why)
{
	char detail[WHY_SIZE + 64];
	int r = turn_enter(s->turn);

	snprintf(detail, sizeof(detail), "could not be reached for %llu s: %s",
		(unsigned long long)seconds, why);
	if (r >= 0)
		r = store_audit(s->store, "server", "server.database", "", detail);
	if (r < 0)
		turn_fail(s->turn);
}

static void tell_changed(const struct dblink *d)
{
	changes_tell(d->server, CHANGE_DATABASE, NULL);
	if (d->changed)
		d->changed(d->changed_userdata);
}

static void change(struct dblink *d, bool up)
{
	struct server *s = d->server;

	if (up == d->up)
		return;
	if (!up) {
		d->up = false;
		d->since = now_usec(d);
		memcpy(d->first, d->why, sizeof(d->first));
		tell_changed(d);
		return;
	}
	uint64_t seconds = dblink_down_for(s);
	d->up = true;
	tell_changed(d);
	audit_outage(s, seconds, d->first);
	beats_flush(s->beats);
	outlet_wake(s);
}

static void watch(struct dblink *d, int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int r = copy < 0 && fd >= 0 ? -errno : 0;

	d->io = sd_event_source_disable_unref(d->io);
	d->watched = fd;
	if (copy < 0 && r == 0)
		return;
	if (r == 0)
		r = sd_event_add_io(d->server->loop, &d->io, copy, EPOLLIN, on_io, d);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(d->io, true);
	if (r < 0)
		log_err(r, "cannot watch the database's connection");
}

/* It has libpq's words in it, and the database's. */
static void note_reason(struct dblink *d, const char *why)
{
	scoped(freep) char *clean = text_escape(why, strlen(why));

	snprintf(d->why, sizeof(d->why), "%s", clean ? clean : "");
}

static void step(struct dblink *d)
{
	struct db_link link = store_tend(d->server->store, on_notice, d);

	if (link.fd != d->watched || link.up != d->up)
		watch(d, link.fd);
	if (link.due != UINT64_MAX && sd_event_source_set_time(d->timer, link.due) >= 0)
		(void)sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
	d->reachable = link.up;
	note_reason(d, link.why);
	change(d, link.up);
}

/* ---- start and stop */

int dblink_start(struct server *s)
{
	struct dblink *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	*d = (struct dblink){ .server = s, .watched = -1, .reachable = true, .up = true };
	s->dblink = d;
	int r = sd_event_add_time(s->loop, &d->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_time, d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(s->loop, &d->soon, on_soon, d);
	if (r >= 0)
		r = store_attend(s->store, s->config.store_timeout * 1000, woken, d);
	if (r >= 0)
		woken(d, true);
	return r < 0 ? log_err(r, "cannot look after the database's connection") : 0;
}

void dblink_stop(struct server *s)
{
	struct dblink *d = s->dblink;

	if (d == NULL)
		return;
	if (s->store != NULL && store_attend(s->store, 0, NULL, NULL) < 0)
		log_at(LOG_ERR, "cannot leave the database's connection alone"); /* can't be */
	sd_event_source_disable_unref(d->io);
	sd_event_source_disable_unref(d->timer);
	sd_event_source_disable_unref(d->soon);
	free(d);
	s->dblink = NULL;
}

bool dblink_up(const struct server *s)
{
	return s->dblink == NULL || s->dblink->reachable;
}

uint64_t dblink_down_for(const struct server *s)
{
	const struct dblink *d = s->dblink;

	return d == NULL || d->up ? 0 : (now_usec(d) - d->since) / 1000000 + 1;
}

const char *dblink_why(const struct server *s)
{
	return dblink_up(s) ? "" : s->dblink->why;
}

void dblink_listen(struct server *s, db_listener heard, void *userdata)
{
	s->dblink->heard = heard;
	s->dblink->userdata = userdata;
}

void dblink_watch(struct server *s, void (*changed)(void *userdata), void *userdata)
{
	s->dblink->changed = changed;
	s->dblink->changed_userdata = userdata;
}
