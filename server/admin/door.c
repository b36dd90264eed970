/* SPDX-License-Identifier: MIT */
#include "door.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "../log.h"
#include "carrier.h"

#define REST_USEC 200000
#define BACKLOG   128
#define BATCH     8 /* connections accepted in one event */

static bool is_waiting(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool pause_accepting(struct door *d)
{
	if (sd_event_source_set_time_relative(d->rest, REST_USEC) < 0 ||
		sd_event_source_set_enabled(d->rest, SD_EVENT_ONESHOT) < 0)
		return false;
	sd_event_source_set_enabled(d->accept, SD_EVENT_OFF);
	return true;
}

/* Who is idle goes, for one that may have something to say. */
static bool make_room(struct door *d)
{
	if (d->count < d->limit)
		return true;
	if (!is_waiting(d->fd))
		return false;
	if (carrier_end_idle(d))
		return true;
	/* Until one ends or is idle. A new one's grace may be over sooner. */
	d->full = pause_accepting(d);
	return false;
}

static void accept_again(struct door *d)
{
	d->full = false;
	sd_event_source_set_enabled(d->rest, SD_EVENT_OFF);
	sd_event_source_set_enabled(d->accept, SD_EVENT_ON);
}

void door_has_room(struct door *d)
{
	if (d->full) /* a pause for another reason takes its time */
		accept_again(d);
}

/* What can't be accepted now stays in the kernel's queue; without a pause the loop would spin. */
static void rest(struct door *d)
{
	static struct log_rate rate;

	log_limited(
		&rate, LOG_WARNING, "not accepting administrators' connections for a moment: %m");
	(void)pause_accepting(d);
}

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct door *d = userdata;

	(void)source, (void)usec;
	accept_again(d);
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

int door_listen(struct door *d, const struct listen_address *a, char ret[static ADDRESS_TEXT_SIZE])
{
	int fd = -1, r = address_listen(a, BACKLOG, &fd);

	if (r < 0)
		return r;
	(void)address_of_socket(fd, ret);
	return door_open(d, fd);
}

void door_close(struct door *d)
{
	carrier_end_all(d);
	d->accept = sd_event_source_disable_unref(d->accept);
	d->rest = sd_event_source_disable_unref(d->rest);
	if (d->open)
		close(d->fd);
	d->open = false;
}
