/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <errno.h>
#include <string.h>

#include "../changes.h"
#include "../dblink.h"
#include "../log.h"
#include "access.h"
#include "answer.h"
#include "carrier_stream.h"
#include "lib/secret.h"
#include "lib/text.h"
#include "read.h"

#define EPOCH_SIZE 17 /* 16 hex digits */

/* One that has been given out. */
struct event {
	enum change_topic topic;
	char id[CHANGE_ID_SIZE];
};

struct event_stream {
	struct events *events;
	struct event_stream *next, **previous;
	struct carrier *carrier;
	struct caller who;
	unsigned topics; /* bits by enum change_topic */
};

struct events {
	struct server *server;
	struct watcher watcher;
	struct event_stream *streams;
	size_t count;
	sd_event_source *gather; /* ends the moment in which changes come together */
	sd_event_source *beat;
	struct change_list pending;
	/* Numbers are this server's, since it has listened without a gap: the epoch. */
	char epoch[EPOCH_SIZE];
	uint64_t last;                  /* number of the latest event */
	struct event kept[EVENTS_KEPT]; /* number n is at n % EVENTS_KEPT */
};

/* ---- one stream */

static void stream_free(struct event_stream *e)
{
	struct events *all = e->events;

	*e->previous = e->next;
	if (e->next != NULL)
		e->next->previous = e->previous;
	all->count--;
	all->server->metrics.streams = all->count;
	free(e);
}

static void on_gone(void *userdata)
{
	stream_free(userdata);
}

/* The carrier calls on_gone() later if it's too much. */
static void push(struct event_stream *e, const void *text, size_t len)
{
	(void)carrier_push(e->carrier, text, len);
}

static bool wants(const struct event_stream *e, enum change_topic topic)
{
	return (e->topics & 1u << topic) != 0;
}

/* ---- what an event looks like */

static int write_change(struct buffer *out, enum change_topic topic, const char *id)
{
	json_t *data = json_pack(
		"{s:s, s:s?}", "topic", change_topic_name(topic), "id", id[0] != '\0' ? id : NULL);
	scoped(freep) char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;

	json_decref(data);
	return text ? buffer_printf(out, "event: change\ndata: %s\n\n", text) : -ENOMEM;
}

static int write_event(struct buffer *out, const struct events *all, uint64_t number)
{
	const struct event *e = &all->kept[number % EVENTS_KEPT];
	int r = buffer_printf(out, "id: %s-%llu\n", all->epoch, (unsigned long long)number);

	return r < 0 ? r : write_change(out, e->topic, e->id);
}

/* As it is when it's told, whatever it has been since. */
static const char *database_state(const struct server *s)
{
	return dblink_up(s) ? "back" : "away";
}

/* "EPOCH-NUMBER" of this epoch, and nothing after it is lost: *ret is that number. */
static bool is_kept(const struct events *all, const char *last, uint64_t *ret)
{
	size_t len = strlen(all->epoch);

	return strncmp(last, all->epoch, len) == 0 && last[len] == '-' &&
	       text_number(last + len + 1, 0, all->last, ret) == 0 &&
	       all->last - *ret < EVENTS_KEPT;
}

/* After what the reader has seen last; that he has missed something if it's too long ago. */
static int write_missed(struct buffer *out, const struct event_stream *e, const char *last)
{
	const struct events *all = e->events;
	uint64_t number;
	int r = 0;

	if (!is_kept(all, last, &number))
		return buffer_printf(out, "id: %s-%llu\nevent: reset\ndata: {}\n\n", all->epoch,
			(unsigned long long)all->last);
	while (r >= 0 && number++ < all->last)
		if (wants(e, all->kept[number % EVENTS_KEPT].topic))
			r = write_event(out, all, number);
	return r;
}

/* ---- all streams */

static void give_out_one(struct events *all, const struct change *c)
{
	struct event *e = &all->kept[++all->last % EVENTS_KEPT];
	struct buffer text = {};

	*e = (struct event){ .topic = c->topic };
	snprintf(e->id, sizeof(e->id), "%s",
		c->topic == CHANGE_DATABASE ? database_state(all->server) : c->id);
	if (write_event(&text, all, all->last) >= 0)
		for (struct event_stream *to = all->streams; to != NULL; to = to->next)
			if (wants(to, c->topic))
				push(to, text.data, text.len);
	buffer_clear(&text);
}

/* Roles change, tokens are revoked, sessions end: who has no right any more hears no more. */
static void check_rights(struct events *all)
{
	struct event_stream *next;

	for (struct event_stream *e = all->streams; e != NULL; e = next) {
		next = e->next;
		if (access_stands(all->server, &e->who))
			continue;
		carrier_end(e->carrier);
		stream_free(e);
	}
}

static bool has_topic(const struct change_list *l, enum change_topic topic)
{
	return l->each[topic] > 0;
}

static int on_gathered(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct events *all = userdata;
	struct change_list list = all->pending;

	(void)source, (void)usec;
	all->pending = (struct change_list){};
	if (has_topic(&list, CHANGE_ACCESS))
		check_rights(all);
	for (size_t i = 0; i < list.count; i++)
		give_out_one(all, &list.of[i]);
	return 0;
}

static void on_changes(struct watcher *w, const struct change *changes, size_t count)
{
	struct events *all = (struct events *)((char *)w - offsetof(struct events, watcher));

	if (all->pending.count == 0 &&
		(sd_event_source_set_time_relative(all->gather, EVENTS_GATHER_USEC) < 0 ||
			sd_event_source_set_enabled(all->gather, SD_EVENT_ONESHOT) < 0))
		log_warning("the timer of events can't be set");
	for (size_t i = 0; i < count; i++)
		change_list_add(&all->pending, changes[i].topic, changes[i].id);
}

/* A new epoch: nobody who comes back later can take its numbers for those before. */
static void start_listening(struct events *all)
{
	uint8_t bytes[(EPOCH_SIZE - 1) / 2];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(all->epoch + 2 * i, 3, "%02x", bytes[i]);
	all->last = 0;
	changes_watch(all->server, &all->watcher);
}

/* With nobody left since the last beat nothing is listened to any more. */
static int on_beat(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct events *all = userdata;
	int r;

	(void)usec;
	check_rights(all);
	if (all->streams == NULL) {
		changes_unwatch(all->server, &all->watcher);
		return 0;
	}
	for (struct event_stream *e = all->streams; e != NULL; e = e->next)
		push(e, ":\n\n", 3);
	r = sd_event_source_set_time_relative(source, EVENTS_BEAT_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int listen_to(struct events *all)
{
	int r;

	if (all->watcher.previous != NULL)
		return 0;
	r = sd_event_source_set_time_relative(all->beat, EVENTS_BEAT_USEC);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->beat, SD_EVENT_ONESHOT);
	if (r >= 0)
		start_listening(all);
	return r;
}

/* ---- the route */

static bool find_topic(const char *name, size_t len, enum change_topic *ret)
{
	for (int t = 0; t < CHANGE_TOPICS; t++) {
		const char *known = change_topic_name((enum change_topic)t);

		if (strlen(known) == len && strncmp(known, name, len) == 0) {
			*ret = (enum change_topic)t;
			return true;
		}
	}
	return false;
}

/* "clients,status"; what only administrators see is left out for others. */
static bool read_topics(struct api_call *c, const struct param *p, unsigned *ret)
{
	const char *at = p->value;
	enum change_topic topic;

	*ret = p->given ? 0 : (1u << CHANGE_TOPICS) - 1;
	while (p->given) {
		size_t len = strcspn(at, ",");

		if (!find_topic(at, len, &topic)) {
			answer_refuse(c, 400, "bad-parameter",
				"parameter 'topics': there is no topic '%.*s'",
				(int)(len < 64 ? len : 64), at);
			return false;
		}
		*ret |= 1u << topic;
		at += len;
		if (*at++ != ',')
			break;
	}
	if (c->who.role < ROLE_ADMINISTRATOR)
		*ret &= ~(1u << CHANGE_ACCESS);
	return true;
}

static int open_stream(struct api_call *c, struct events *all, unsigned topics)
{
	struct event_stream *e = calloc(1, sizeof(*e));
	int r = e ? listen_to(all) : -ENOMEM;

	if (r >= 0)
		r = carrier_stream(c, "text/event-stream",
			"Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n", on_gone, e,
			&e->carrier);
	if (r < 0) {
		free(e);
		return r;
	}
	e->events = all;
	e->who = c->who;
	e->topics = topics;
	e->next = all->streams;
	e->previous = &all->streams;
	if (e->next != NULL)
		e->next->previous = &e->next;
	all->streams = e;
	all->server->metrics.streams = ++all->count;
	return 0;
}

/* The first bytes tell the reader at once that the stream is there; and that the database isn't,
 * which happened before. */
static void greet(struct api_call *c, struct events *all)
{
	struct event_stream *e = all->streams;
	struct buffer text = {};
	int r = buffer_printf(&text, "retry: 2000\n\n");

	if (r >= 0 && c->request->last_event_id)
		r = write_missed(&text, e, c->request->last_event_id);
	if (r >= 0 && wants(e, CHANGE_DATABASE) && !dblink_up(c->server))
		r = write_change(&text, CHANGE_DATABASE, database_state(c->server));
	if (r >= 0)
		push(e, text.data, text.len);
	buffer_clear(&text);
}

void api_events(struct api_call *c)
{
	struct param params[] = { { .name = "topics" } };
	struct events *all = c->server->events;
	unsigned topics;
	int r;

	if (!read_query(c, params, COUNT(params)) || !read_topics(c, &params[0], &topics))
		return;
	if (all == NULL || all->count >= EVENTS_STREAMS_MAX) {
		answer_refuse(c, 503, "too-many-streams", "%d event streams are open already",
			EVENTS_STREAMS_MAX);
		return;
	}
	if (c->request->method == HTTP_METHOD_HEAD) { /* nothing to stream */
		struct buffer nothing = {};

		answer_text(c, "text/event-stream", &nothing);
		return;
	}
	r = open_stream(c, all, topics);
	if (r < 0)
		c->error = r;
	else
		greet(c, all);
}

int events_start(struct server *s)
{
	struct events *all = calloc(1, sizeof(*all));
	int r = all ? sd_event_add_time_relative(s->loop, &all->gather, CLOCK_MONOTONIC, 0,
			      EVENTS_GATHER_USEC / 4, on_gathered, all)
		    : -ENOMEM;

	if (r >= 0)
		r = sd_event_source_set_enabled(all->gather, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(
			s->loop, &all->beat, CLOCK_MONOTONIC, 0, 0, on_beat, all);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->beat, SD_EVENT_OFF);
	if (all != NULL) {
		all->server = s;
		all->watcher.changed = on_changes;
		s->events = all;
	}
	if (r >= 0)
		return 0;
	events_stop(s);
	return log_err(r, "cannot prepare the telling of events");
}

void events_stop(struct server *s)
{
	struct events *all = s->events;

	if (all == NULL)
		return;
	while (all->streams != NULL) {
		carrier_end(all->streams->carrier);
		stream_free(all->streams);
	}
	changes_unwatch(s, &all->watcher);
	sd_event_source_disable_unref(all->gather);
	sd_event_source_disable_unref(all->beat);
	free(all);
	s->events = NULL;
}
