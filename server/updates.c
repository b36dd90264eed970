/* SPDX-License-Identifier: MIT */
#include "updates.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "changes.h"
#include "channels.h"
#include "dblink.h"
#include "dialer.h"
#include "log.h"
#include "mesh.h"
#include "presence.h"
#include "server.h"
#include "store/listening.h"
#include "store/updates.h"

#define SERVE_MAX  8         /* channels in one event of the loop */
#define SLICE_USEC 1000u     /* between two of them */
#define TICK_USEC  15000000u /* between two looks that nobody has asked for */
#define ACCURACY   1000000u

#define BACK_SECONDS 15 /* an agent that restarts listens again */

struct updates {
	struct server *server;
	sd_event_source *work, *timer;
	struct work serving; /* in a transaction, where that has to be waited for */
	bool queued;
	struct channel *first, **last; /* who may be meant */
	struct rollout_record now;     /* the newest, as of the last look; id 0: there is none */
	bool stale;                    /* that is to be looked up before anything else */
	bool runs;                     /* it does, and is of the release offered here */
	bool idle;                     /* it has ended, and nobody is under way */
	bool news;                     /* by the last look */
	bool places_freed;             /* since machines that listen were thought of */
	uint32_t hopes;                /* of those, so many are worth a dial */
};

/* ---- the queue */

static void arm(sd_event_source *timer, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(timer, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_err(r, "cannot set the timer of updates");
}

static void unqueue(struct updates *all, struct channel *c)
{
	struct update_sent *u = &c->update;

	if (u->previous == NULL)
		return;
	*u->previous = u->next;
	if (u->next != NULL)
		u->next->update.previous = u->previous;
	else
		all->last = u->previous;
	u->next = NULL;
	u->previous = NULL;
}

static void enqueue(struct updates *all, struct channel *c)
{
	if (c->update.previous != NULL)
		return;
	c->update.previous = all->last;
	*all->last = c;
	all->last = &c->update.next;
}

static void enqueue_first(struct updates *all, struct channel *c)
{
	struct channel *next = all->first;

	if (c->update.previous != NULL)
		return;
	c->update.next = next;
	c->update.previous = &all->first;
	if (next != NULL)
		next->update.previous = &c->update.next;
	else
		all->last = &c->update.next;
	all->first = c;
}

static bool can_be_asked(const struct channel *c)
{
	return c->connected && !c->suspended && c->update.sequence == 0;
}

static void make_due(void *userdata, struct channel *c)
{
	if (can_be_asked(c))
		enqueue(userdata, c);
}

void updates_due(struct channel *c)
{
	struct updates *all = c->server->updates;

	c->update.looked = false;
	if (all == NULL || !can_be_asked(c))
		return;
	enqueue(all, c);
	arm(all->work, 0);
}

void updates_forget(struct channel *c)
{
	if (c->server->updates == NULL)
		return;
	unqueue(c->server->updates, c);
	if (c->dialled && c->update.sequence != 0) /* its agent restarts, maybe */
		dialer_tell_after(c->server, c->id, BACK_SECONDS);
	c->update.sequence = 0;
	c->update.looked = false;
}

/* ---- what stands */

static bool is_offered(const struct server *s, const struct rollout_record *r)
{
	return s->release.manifest_text != NULL &&
	       memcmp(s->release.digest, r->release, sizeof(r->release)) == 0;
}

static uint32_t places(const struct rollout_record *r)
{
	return r->under_way < r->at_once ? r->at_once - (uint32_t)r->under_way : 0;
}

/* By a failure; an administrator's acts have been logged. */
static void log_halt(const struct server *s, const struct rollout_record *now)
{
	const struct rollout_record *before = &s->updates->now;

	if (s->worker == 0 && before->id == now->id && before->state == ROLLOUT_RUNNING &&
		now->state == ROLLOUT_HALTED && now->failed > now->failures)
		log_warning("roll-out %llu of version %s is halted%s%s",
			(unsigned long long)now->id, now->version, *now->reason ? ": " : "",
			now->reason);
}

/* What is new since the last look: then everybody may be meant. */
static int look(struct server *s)
{
	struct updates *all = s->updates;
	struct rollout_record now = {}, before = all->now;
	uint64_t under_way = 0;
	bool ran = all->runs;
	int r = store_rollout_get(s->store, 0, &now);

	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = store_rollout_under_way(s->store, &under_way);
	if (r < 0)
		return r;
	log_halt(s, &now);
	all->stale = false;
	all->now = now;
	all->runs = now.id > 0 && now.state == ROLLOUT_RUNNING && is_offered(s, &now);
	all->idle = now.id == 0 || (now.state == ROLLOUT_ENDED && under_way == 0);
	all->news = all->runs && (!ran || now.id != before.id || now.changed != before.changed);
	if (all->news) {
		channels_each(s->channels, make_due, all);
		all->hopes = places(&now);
	}
	if (all->news || now.done + now.failed != before.done + before.failed)
		all->places_freed = true;
	return 0;
}

void updates_look(struct server *s)
{
	if (s->updates == NULL)
		return;
	s->updates->stale = true;
	arm(s->updates->work, 0);
}

void updates_changed(struct server *s)
{
	mesh_updates(s);
	updates_look(s);
}

void updates_left(struct server *s)
{
	if (s->updates != NULL && !s->updates->idle)
		updates_changed(s);
}

/* ---- asking */

static void log_machine(const struct channel *c, int priority, const char *what, const char *more)
{
	char id[CLIENT_ID_TEXT_SIZE], message[1024];

	sodium_bin2hex(id, sizeof(id), c->id, CLIENT_ID_SIZE);
	snprintf(message, sizeof(message), "machine %s %s%s", id, what, more);
	log_fields(priority, message, "MUSTER_CLIENT", id, NULL);
}

void updates_tell(struct server *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	changes_tell_client(s, CHANGE_CLIENTS, client);
	changes_tell(s, CHANGE_ROLLOUTS, NULL);
}

static int send_order(struct channel *c, const struct update_record *u)
{
	struct server *s = c->server;
	struct update_order order = { .number = u->number };
	uint8_t body[128];
	ssize_t len;
	int r;

	memcpy(order.release, u->release, sizeof(order.release));
	memcpy(order.version, s->release.manifest.version, sizeof(order.version));
	len = update_order_encode(&order, body, sizeof(body));
	r = len < 0 ? (int)len : channel_send(c, OP_UPDATE, body, (size_t)len, &c->update.sequence);
	if (r < 0)
		return r;
	c->update.number = u->number;
	channel_linger(c);
	log_machine(c, LOG_INFO, "is to run version ", order.version);
	return 0;
}

/* In a transaction. 1: it was sent; 0: there is nothing for it; -EAGAIN: it has to wait; other
 * negative: the channel must end. */
static int ask(struct channel *c, const struct client_record *client)
{
	struct server *s = c->server;
	struct update_record u;
	int r = store_update_take(s->store, client, s->release.digest, &u);

	if (r < 0)
		return channel_store_failed(c, r);
	c->update.looked = true;
	if (r != UPDATE_TAKEN)
		return r == UPDATE_WAITS ? -EAGAIN : 0;
	s->updates->stale = true;
	updates_tell(s, c->id);
	r = send_order(c, &u);
	return r < 0 ? r : 1;
}

int updates_hello(struct channel *c, const struct client_record *client)
{
	struct updates *all = c->server->updates;
	int r;

	if (c->update.looked || all == NULL || c->update.sequence != 0)
		return 0;
	if (all->idle && !all->stale) {
		c->update.looked = true;
		return 0;
	}
	r = ask(c, client);
	if (r == -EAGAIN)
		enqueue(all, c);
	return r == -EAGAIN || r > 0 ? 0 : r;
}

/* 1: *ret is its client; 0: nobody to be asked. */
static int client_of(const struct channel *c, struct client_record *ret)
{
	int r = can_be_asked(c) ? store_client_by_id(c->server->store, c->id, ret) : -ENOENT;

	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* Those at the head for whom there is nothing leave the queue; only to be read is the store. 1: the
 * first is one to be asked; 0: there may be more; -EAGAIN: he has to wait. */
static int pass_by(struct server *s)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct updates *all = s->updates;

	for (size_t i = 0; i < SERVE_MAX && all->first != NULL; i++) {
		int r = client_of(all->first, &client);

		if (r > 0)
			r = store_update_look(s->store, &client, s->release.digest);
		if (r == UPDATE_WAITS && places(&all->now) == 0)
			return -EAGAIN;
		if (r != UPDATE_NOTHING)
			return r < 0 ? r : 1;
		all->first->update.looked = true;
		unqueue(all, all->first);
	}
	return 0;
}

/* May end it. */
static int serve_one(struct channel *c)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	int r = client_of(c, &client);

	if (r < 0)
		turn_fail(c->server->turn);
	else if (r > 0)
		r = ask(c, &client);
	if (r == -EAGAIN) {
		enqueue_first(c->server->updates, c);
		return r;
	}
	if (r < 0)
		stream_end(c->stream);
	else
		channel_hold(c);
	return r;
}

/* In a transaction. */
static void serve(struct server *s)
{
	struct updates *all = s->updates;
	int r = 0;

	for (size_t i = 0; i < SERVE_MAX && r >= 0 && all->first != NULL; i++) {
		struct channel *c = all->first;

		unqueue(all, c);
		r = serve_one(c);
	}
	all->stale = true;
	arm(all->work, SLICE_USEC);
}

static void on_turn(struct work *w, int error)
{
	struct updates *all = (struct updates *)((char *)w - offsetof(struct updates, serving));

	all->queued = false;
	if (error == 0) /* else the next tick finds them again */
		serve(all->server);
}

static void serve_in_turn(struct server *s)
{
	struct updates *all = s->updates;

	if (turn_is_shared(s->turn)) {
		all->queued = true;
		turn_queue(s->turn, &all->serving);
	} else if (turn_enter(s->turn) >= 0) {
		serve(s);
	}
}

/* What is to be done by one process. */
static bool has_duty(const struct server *s)
{
	return s->worker == 0 && presence_leads(s);
}

/* They aren't connected, so no place that is free is seen by them. */
static void think_of_listening(struct server *s)
{
	struct updates *all = s->updates;
	uint64_t next;

	if (!has_duty(s))
		return;
	all->hopes = all->runs ? places(&all->now) : 0;
	if (!all->places_freed || all->hopes == 0)
		return;
	all->places_freed = false;
	if (store_listening_next(s->store, &next) == 0)
		dialer_tell_all(s);
}

static int on_work(sd_event_source *source, uint64_t at, void *userdata)
{
	struct server *s = userdata;
	struct updates *all = s->updates;
	int r = all->stale ? look(s) : 0;

	(void)source;
	(void)at;
	if (r == 0 && all->news)
		think_of_listening(s);
	all->news = false;
	if (r < 0 || !all->runs || all->queued || all->first == NULL)
		return 0;
	r = pass_by(s);
	if (r > 0)
		serve_in_turn(s);
	else if (r == 0 && all->first != NULL)
		arm(all->work, SLICE_USEC);
	return 0;
}

/* ---- what the machine says */

int updates_answer(struct channel *c, uint64_t sequence, uint16_t code, const char *text)
{
	struct server *s = c->server;
	char more[640];
	int r;

	if (c->update.sequence == 0 || sequence != c->update.sequence)
		return 0;
	if (turn_enter(s->turn) < 0)
		return -EIO; /* it is sent again on the next connection */
	r = store_update_answer(s->store, c->id, c->update.number, code, text);
	c->update.sequence = 0;
	if (r < 0)
		return channel_store_failed(c, r);
	if (r > 0) {
		snprintf(more, sizeof(more), "%s: %s", nack_name(code), text);
		log_machine(c, code ? LOG_WARNING : LOG_INFO,
			code ? "was not updated: " : "runs the version that it is to",
			code ? more : "");
		updates_tell(s, c->id);
		updates_changed(s);
	}
	updates_due(c);
	return 1;
}

/* ---- machines that listen */

int updates_worth_dialling(struct server *s, const struct client_record *client, uint32_t fails)
{
	struct updates *all = s->updates;
	int r = all == NULL || all->idle ? UPDATE_NOTHING
					 : store_update_look(s->store, client, s->release.digest);

	if (r < 0 || r == UPDATE_NOTHING)
		return r < 0 ? r : 0;
	if (r == UPDATE_TAKEN)
		return 1;
	if (!all->runs || fails > 0)
		return 0;
	if (all->hopes == 0) {
		all->places_freed = true; /* as far as he is concerned: at the next tick */
		return 0;
	}
	all->hopes--;
	return 1;
}

/* ---- now and then */

static int on_tick(sd_event_source *source, uint64_t at, void *userdata)
{
	struct server *s = userdata;

	(void)at;
	if (dblink_up(s)) {
		updates_look(s);
		think_of_listening(s);
	}
	arm(source, TICK_USEC);
	return 0;
}

/* ---- start and stop */

int updates_start(struct server *s)
{
	struct updates *all = calloc(1, sizeof(*all));
	int r = all != NULL ? 0 : -ENOMEM;

	if (r < 0)
		return log_err(r, "cannot prepare updates");
	all->server = s;
	all->serving.run = on_turn;
	all->last = &all->first;
	s->updates = all;
	r = sd_event_add_time_relative(s->loop, &all->work, CLOCK_MONOTONIC, 0, 1, on_work, s);
	if (r >= 0)
		r = sd_event_add_time_relative(
			s->loop, &all->timer, CLOCK_MONOTONIC, TICK_USEC, ACCURACY, on_tick, s);
	if (r >= 0)
		r = look(s);
	return r < 0 ? log_err(r, "cannot prepare updates") : 0;
}

void updates_stop(struct server *s)
{
	struct updates *all = s->updates;

	if (all == NULL)
		return;
	s->updates = NULL;
	sd_event_source_disable_unref(all->work);
	sd_event_source_disable_unref(all->timer);
	free(all);
}
