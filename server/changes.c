/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/body.h"
#include "log.h"
#include "server.h"

struct changes {
	struct server *server;
	struct watcher *first;
	struct watcher *current; /* the next to be told, while changes are given out */
	sd_event_source *idle;   /* armed by what is told outside of a turn */
	struct held held;
	struct change_list pending;
};

const char *change_topic_name(enum change_topic topic)
{
	static const char *const names[] = {
		[CHANGE_STATUS] = "status",
		[CHANGE_TOKENS] = "tokens",
		[CHANGE_CLIENTS] = "clients",
		[CHANGE_CONFIGS] = "configs",
		[CHANGE_RECEIPTS] = "receipts",
		[CHANGE_MESSAGES] = "messages",
		[CHANGE_AUDIT] = "audit",
		[CHANGE_ACCESS] = "access",
		[CHANGE_DATABASE] = "database",
		[CHANGE_ROLLOUTS] = "rollouts",
	};

	return names[topic];
}

/* ---- giving out */

/* A watcher that has come meanwhile is at the list's head, and gets what is told next. */
static void give_out(struct changes *all)
{
	struct change list[COUNT(all->pending.of)];
	size_t count = all->pending.count;
	struct watcher *w;

	memcpy(list, all->pending.of, count * sizeof(list[0]));
	all->pending.count = 0;
	memset(all->pending.each, 0, sizeof(all->pending.each));
	if (count == 0)
		return;
	all->current = all->first;
	while ((w = all->current) != NULL) {
		all->current = w->next;
		w->changed(w, list, count);
	}
}

/* Who is connected is not in the store, nor whether that can be reached: both stay true after a
 * turn that failed. */
static void drop_undone(struct change_list *l)
{
	struct change_list rest = {};

	for (size_t i = 0; i < l->count; i++)
		if (l->of[i].topic == CHANGE_STATUS || l->of[i].topic == CHANGE_DATABASE)
			change_list_add(&rest, l->of[i].topic, l->of[i].id);
	*l = rest;
}

static void on_release(struct held *h, bool committed)
{
	struct changes *all = (struct changes *)((char *)h - offsetof(struct changes, held));

	if (!committed)
		drop_undone(&all->pending);
	give_out(all);
}

static int on_idle(sd_event_source *source, void *userdata)
{
	struct changes *all = userdata;

	(void)source;
	if (turn_is_open(all->server->turn))
		turn_hold(all->server->turn, &all->held);
	else
		give_out(all);
	return 0;
}

/* Without a turn, what comes together is given out together all the same. */
static void arm(struct changes *all)
{
	if (turn_is_open(all->server->turn))
		turn_hold(all->server->turn, &all->held);
	else if (sd_event_source_set_enabled(all->idle, SD_EVENT_ONESHOT) < 0)
		give_out(all);
}

/* ---- telling */

/* Too many of a topic: all of them become one. */
static void collapse(struct change_list *l, enum change_topic topic)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->of[i].topic != topic)
			l->of[kept++] = l->of[i];
	l->of[kept++] = (struct change){ .topic = topic };
	l->count = kept;
	l->each[topic] = 1;
}

/* There already: by itself, or as one of any. */
static bool is_in(const struct change_list *l, enum change_topic topic, const char *id)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct change *c = &l->of[i];

		if (c->topic == topic && (c->id[0] == '\0' || strcmp(c->id, id) == 0))
			return true;
	}
	return false;
}

void change_list_add(struct change_list *l, enum change_topic topic, const char *id)
{
	struct change *c;

	if (is_in(l, topic, id))
		return;
	if (id[0] == '\0' || l->each[topic] == CHANGES_EACH) {
		collapse(l, topic);
		return;
	}
	c = &l->of[l->count++];
	c->topic = topic;
	snprintf(c->id, sizeof(c->id), "%s", id);
	l->each[topic]++;
}

void changes_tell(struct server *s, enum change_topic topic, const char *id)
{
	if (!changes_watched(s))
		return;
	if (id == NULL || strlen(id) >= CHANGE_ID_SIZE)
		id = "";
	change_list_add(&s->changes->pending, topic, id);
	arm(s->changes);
}

void changes_tell_client(struct server *s, enum change_topic topic, const uint8_t *client)
{
	char id[CLIENT_ID_TEXT_SIZE];

	if (!changes_watched(s))
		return;
	changes_tell(s, topic, sodium_bin2hex(id, sizeof(id), client, CLIENT_ID_SIZE));
}

void changes_pass_on(
	struct server *s, const struct watcher *but, const struct change *changes, size_t count)
{
	struct changes *all = s->changes;
	struct watcher *w;

	all->current = all->first;
	while ((w = all->current) != NULL) {
		all->current = w->next;
		if (w != but)
			w->changed(w, changes, count);
	}
}

static void on_audit(void *userdata)
{
	changes_tell(userdata, CHANGE_AUDIT, NULL);
}

/* ---- watching */

bool changes_watched(const struct server *s)
{
	return s->changes != NULL && s->changes->first != NULL;
}

void changes_watch(struct server *s, struct watcher *w)
{
	w->next = s->changes->first;
	w->previous = &s->changes->first;
	if (w->next != NULL)
		w->next->previous = &w->next;
	s->changes->first = w;
}

void changes_unwatch(struct server *s, struct watcher *w)
{
	if (w->previous == NULL)
		return;
	if (s->changes->current == w)
		s->changes->current = w->next;
	*w->previous = w->next;
	if (w->next != NULL)
		w->next->previous = w->previous;
	w->next = NULL;
	w->previous = NULL;
}

int changes_start(struct server *s)
{
	struct changes *all = calloc(1, sizeof(*all));
	int r = all != NULL ? sd_event_add_defer(s->loop, &all->idle, on_idle, all) : -ENOMEM;

	if (r >= 0)
		r = sd_event_source_set_enabled(all->idle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_priority(all->idle, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		if (all != NULL)
			sd_event_source_unref(all->idle);
		free(all);
		return log_err(r, "cannot prepare the telling of changes");
	}
	all->server = s;
	all->held.release = on_release;
	s->changes = all;
	store_watch_audit(s->store, on_audit, s);
	return 0;
}

void changes_stop(struct server *s)
{
	if (s->changes == NULL)
		return;
	store_watch_audit(s->store, NULL, NULL);
	turn_forget(&s->changes->held);
	sd_event_source_disable_unref(s->changes->idle);
	free(s->changes);
	s->changes = NULL;
}
