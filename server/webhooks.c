/* SPDX-License-Identifier: MIT */
#include "webhooks.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "changes.h"
#include "lib/backoff.h"
#include "log.h"
#include "presence.h"
#include "server.h"

#define SCAN_ROWS    500       /* entries looked at in one step */
#define SAVE_ROWS    1000      /* passed over: then how far it has come is written down */
#define AGAIN_USEC   10000u    /* while a turn is open */
#define LOOK_USEC    30000000u /* between looks without being told: another process may have written */
#define SPREAD_USEC  1000u     /* accuracy of the timers */
#define RETRY_MS     5000u
#define RETRY_CAP_MS 3600000u

struct hook {
	struct webhooks *all;
	struct hook *next;
	struct webhook_record record; /* position: done with, in memory */
	uint64_t saved;               /* position in the store */
	uint64_t sending;             /* seq of the entry under way */
	struct delivery *delivery;    /* NULL: none */
	sd_event_source *timer;       /* for the next step */
	struct backoff backoff;
	bool known; /* still in the table, while it's read again */
	bool stale; /* another server has sent since: record is as of then */
};

struct webhooks {
	struct server *server;
	struct multi *multi;
	struct hook *first;
	struct watcher watcher;
	struct held held; /* until what the table is now is durable */
	uint64_t delivered, failed;
};

struct delivery_rules webhooks_rules(const struct server *s)
{
	return (struct delivery_rules){ .local = s->config.webhooks_local,
		.plain = s->config.webhooks_http,
		.ca_file = s->config.webhooks_ca };
}

static void arm(struct hook *h, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(h->timer, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_err(r, "a webhook's timer can't be set");
}

/* There may be something new. One that waits after a failure goes on waiting. */
static void wake(struct hook *h)
{
	if (h->delivery == NULL && h->record.disabled == 0 && h->record.failing_since == 0)
		arm(h, 0);
}

/* ---- messages */

/* {"type":ACT,"timestamp":TIME,"data":DATA}; data is taken over. */
static char *message(const char *type, uint64_t time, json_t *data)
{
	char when[32];
	time_t t = (time_t)time;
	struct tm tm;
	json_t *object;
	char *text;

	gmtime_r(&t, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	object = json_pack("{s:s, s:s, s:o}", "type", type, "timestamp", when, "data", data);
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return text;
}

struct search {
	const struct hook *hook;
	uint64_t seen; /* the last entry looked at */
	size_t rows;
	char *body; /* of the entry found, or NULL */
};

static int look(void *userdata, const struct audit_record *a)
{
	struct search *f = userdata;
	char hash[2 * sizeof(a->hash) + 1];

	f->seen = a->seq;
	f->rows++;
	if (!webhook_wants(f->hook->record.events, a->act))
		return 0;
	sodium_bin2hex(hash, sizeof(hash), a->hash, sizeof(a->hash));
	f->body = message(a->act, a->time,
		json_pack("{s:I, s:s, s:s, s:s, s:s}", "seq", (json_int_t)a->seq, "actor", a->actor,
			"object", a->object, "detail", a->detail, "hash", hash));
	return f->body ? 1 : -ENOMEM;
}

static int start(struct server *s, const struct webhook_record *w, const char *id, const char *body,
	delivery_done done, void *userdata, struct delivery **ret)
{
	struct delivery_spec spec = {
		.url = w->url, .id = id, .body = body, .time = (uint64_t)time(NULL)
	}; /* the receiver compares it with its own */
	struct delivery_rules rules = webhooks_rules(s);
	int r = store_webhook_secret(s->store, w->id, spec.secret);

	if (r == 0)
		r = delivery_start(s->webhooks->multi, &spec, &rules, done, userdata, ret);
	sodium_memzero(spec.secret, sizeof(spec.secret));
	return r;
}

/* ---- steps of a hook */

/* How it went is written down in a turn. If the store fails it's as if it had not been: the entry is
 * sent again. */
static void write_down(struct hook *h, int (*write)(struct hook *h))
{
	struct server *s = h->all->server;
	int r = turn_enter(s->turn);

	if (r == 0) {
		r = write(h);
		if (r < 0 && r != -ENOENT)
			turn_fail(s->turn);
	}
	if (r < 0 && r != -ENOENT) /* removed meanwhile: the table is read again soon */
		log_err(r, "how webhook %s goes on can't be written down", h->record.id);
}

static int write_delivered(struct hook *h)
{
	return store_webhook_done(h->all->server->store, h->record.id, h->record.position, true);
}

static int write_passed(struct hook *h)
{
	return store_webhook_done(h->all->server->store, h->record.id, h->record.position, false);
}

static int write_failed(struct hook *h)
{
	return store_webhook_failed(
		h->all->server->store, h->record.id, h->record.error, h->record.disabled != 0);
}

static void succeeded(struct hook *h)
{
	if (h->record.failing_since != 0)
		log_info("webhook %s works again", h->record.id);
	h->all->delivered++;
	h->record.position = h->saved = h->sending;
	h->record.failing_since = 0;
	h->record.error[0] = '\0';
	backoff_reset(&h->backoff);
	write_down(h, write_delivered);
	arm(h, 0);
}

static void failed(struct hook *h, const char *error, bool gone)
{
	uint64_t now = store_now(h->all->server->store);

	h->all->failed++;
	if (h->record.failing_since == 0) {
		h->record.failing_since = now;
		log_warning("webhook %s can't be delivered: %s", h->record.id, error);
	}
	snprintf(h->record.error, sizeof(h->record.error), "%s", error);
	if (gone || now - h->record.failing_since > WEBHOOKS_PATIENCE) {
		h->record.disabled = now;
		log_warning("webhook %s is disabled: %s", h->record.id, error);
	}
	write_down(h, write_failed);
	changes_tell(h->all->server, CHANGE_ACCESS, h->record.id);
	if (h->record.disabled == 0)
		arm(h, backoff_next(&h->backoff) * 1000);
}

static void on_delivered(void *userdata, const char *error, bool gone)
{
	struct hook *h = userdata;

	if (error == NULL)
		succeeded(h);
	else
		failed(h, error, gone);
	h->delivery = delivery_free(h->delivery);
}

static void send_found(struct hook *h, const struct search *f)
{
	char id[WEBHOOK_ID_SIZE + 24];
	int r;

	snprintf(id, sizeof(id), "%s-%llu", h->record.id, (unsigned long long)f->seen);
	h->sending = f->seen;
	r = start(h->all->server, &h->record, id, f->body, on_delivered, h, &h->delivery);
	if (r < 0)
		failed(h, strerror(-r), false);
}

static void pass_over(struct hook *h, const struct search *f)
{
	h->record.position = f->seen;
	if (h->record.position - h->saved >= SAVE_ROWS) {
		h->saved = h->record.position;
		write_down(h, write_passed);
	}
	arm(h, f->rows == SCAN_ROWS ? 0 : LOOK_USEC);
}

/* 1: this server is the one to send (presence.h), and knows how far the one before it has come. */
static int is_ours(struct hook *h)
{
	struct server *s = h->all->server;
	int r = presence_leads(s);

	if (r == 0)
		h->stale = true;
	if (r == 0 || !h->stale)
		return r;
	r = store_webhook_get(s->store, h->record.id, &h->record);
	h->saved = h->record.position;
	h->stale = r < 0;
	return r < 0 ? r : h->record.disabled == 0;
}

static int on_step(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hook *h = userdata;
	struct server *s = h->all->server;
	struct search f = { .hook = h, .seen = h->record.position };
	int r;

	(void)source, (void)usec;
	if (h->delivery != NULL)
		return 0;
	if (turn_is_open(s->turn)) { /* what it has added may be undone yet */
		arm(h, AGAIN_USEC);
		return 0;
	}
	if (is_ours(h) <= 0) {
		arm(h, PRESENCE_LEAD_USEC);
		return 0;
	}
	f.seen = h->record.position;
	r = store_audit_each(s->store, h->record.position, SCAN_ROWS, look, &f);
	if (r < 0)
		arm(h, backoff_next(&h->backoff) * 1000);
	else if (f.body)
		send_found(h, &f);
	else
		pass_over(h, &f);
	free(f.body);
	return 0;
}

/* ---- the table */

static void hook_free(struct hook *h)
{
	delivery_free(h->delivery);
	sd_event_source_disable_unref(h->timer);
	free(h);
}

static struct hook *find(const struct webhooks *all, const char *id)
{
	struct hook *h = all->first;

	while (h != NULL && strcmp(h->record.id, id) != 0)
		h = h->next;
	return h;
}

static int hook_new(struct webhooks *all, const struct webhook_record *w, struct hook **ret)
{
	struct hook *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL)
		return -ENOMEM;
	h->all = all;
	h->record = *w;
	h->saved = w->position;
	h->backoff = (struct backoff){ .base_ms = RETRY_MS, .cap_ms = RETRY_CAP_MS };
	r = sd_event_add_time_relative(
		all->server->loop, &h->timer, CLOCK_MONOTONIC, 0, SPREAD_USEC, on_step, h);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	if (r < 0) {
		hook_free(h);
		return r;
	}
	h->next = all->first;
	all->first = h;
	*ret = h;
	return 0;
}

/* A new one begins at once, and so does one that was disabled or waits, and has been enabled. */
static int take_row(void *userdata, const struct webhook_record *w)
{
	struct webhooks *all = userdata;
	struct hook *h = find(all, w->id);
	bool is_new = h == NULL;
	int r = h ? 0 : hook_new(all, w, &h);

	if (r < 0)
		return r;
	h->known = true;
	if (h->record.disabled != 0 && w->disabled == 0)
		h->record.disabled = h->record.failing_since = 0;
	else if (h->record.failing_since != 0 && w->failing_since == 0) /* "now", somebody says */
		h->record.failing_since = 0;
	else if (!is_new)
		return 0;
	backoff_reset(&h->backoff);
	if (h->delivery == NULL && h->record.disabled == 0)
		arm(h, 0);
	return 0;
}

static void drop_unknown(struct webhooks *all)
{
	struct hook **at = &all->first, *h;

	while ((h = *at) != NULL) {
		if (h->known) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		hook_free(h);
	}
}

static int read_table(struct webhooks *all)
{
	struct server *s = all->server;
	int r;

	for (struct hook *h = all->first; h != NULL; h = h->next)
		h->known = false;
	r = store_webhook_each(s->store, take_row, all);
	if (r < 0)
		return log_err(r, "the webhooks can't be read");
	drop_unknown(all);
	if (all->first == NULL)
		changes_unwatch(s, &all->watcher);
	else if (all->watcher.previous == NULL)
		changes_watch(s, &all->watcher);
	return 0;
}

static void on_release(struct held *held, bool committed)
{
	struct webhooks *all = (struct webhooks *)((char *)held - offsetof(struct webhooks, held));

	if (committed)
		(void)read_table(all); /* it has been logged */
}

void webhooks_changed(struct server *s)
{
	if (s->webhooks != NULL)
		turn_hold(s->turn, &s->webhooks->held);
}

static void on_changes(struct watcher *w, const struct change *changes, size_t count)
{
	struct webhooks *all = (struct webhooks *)((char *)w - offsetof(struct webhooks, watcher));

	for (size_t i = 0; i < count; i++)
		if (changes[i].topic == CHANGE_AUDIT)
			for (struct hook *h = all->first; h != NULL; h = h->next)
				wake(h);
}

int webhooks_test(struct server *s, const struct webhook_record *w, delivery_done done,
	void *userdata, struct delivery **ret)
{
	char id[WEBHOOK_ID_SIZE + 32];
	char *body = message("webhook.test", store_now(s->store), json_pack("{s:s}", "id", w->id));
	int r = -ENOMEM;

	snprintf(id, sizeof(id), "%s-test-%llu", w->id, (unsigned long long)time(NULL));
	if (body != NULL && s->webhooks != NULL)
		r = start(s, w, id, body, done, userdata, ret);
	free(body);
	return r;
}

int webhooks_stats(struct server *s, struct webhooks_stats *ret)
{
	uint64_t last = 0;
	int r = store_audit_count(s->store, &last);

	*ret = (struct webhooks_stats){};
	if (r < 0 || s->webhooks == NULL)
		return r;
	ret->delivered = s->webhooks->delivered;
	ret->failed = s->webhooks->failed;
	for (const struct hook *h = s->webhooks->first; h != NULL; h = h->next) {
		uint64_t behind = last > h->record.position ? last - h->record.position : 0;

		ret->hooks++;
		ret->disabled += h->record.disabled != 0;
		ret->failing += h->record.disabled == 0 && h->record.failing_since != 0;
		if (h->record.disabled == 0 && behind > ret->waiting)
			ret->waiting = behind;
	}
	return 0;
}

int webhooks_start(struct server *s)
{
	struct webhooks *all = calloc(1, sizeof(*all));
	int r = all ? delivery_multi(s->loop, &all->multi) : -ENOMEM;

	if (r < 0) {
		free(all);
		return log_err(r, "cannot prepare webhooks");
	}
	all->server = s;
	all->watcher.changed = on_changes;
	all->held.release = on_release;
	s->webhooks = all;
	return read_table(all);
}

void webhooks_stop(struct server *s)
{
	struct webhooks *all = s->webhooks;
	struct hook *next;

	if (all == NULL)
		return;
	changes_unwatch(s, &all->watcher);
	turn_forget(&all->held);
	for (struct hook *h = all->first; h != NULL; h = next) {
		next = h->next;
		hook_free(h);
	}
	multi_free(all->multi);
	free(all);
	s->webhooks = NULL;
}
