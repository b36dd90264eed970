/* SPDX-License-Identifier: MIT */
/* Webhooks. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "../webhooks.h"
#include "answer.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define TEST_PAUSE 50000 /* microseconds between looks */

/* "active" also before the first delivery; "failing": the last attempt failed, and there will be
 * another. */
static const char *state_of(const struct webhook_record *w)
{
	return w->disabled ? "disabled" : w->failing_since ? "failing" : "active";
}

static json_t *events_list(const char *events)
{
	json_t *list = json_array();

	while (list && *events) {
		size_t len = strcspn(events, ",");

		json_array_append_new(list, json_stringn(events, len));
		events += len + (events[len] == ',');
	}
	return list;
}

static json_t *webhook_object(const struct webhook_record *w)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		w->id, "url", value_said(w->url), "events", events_list(w->events), "state",
		state_of(w), "position", (json_int_t)w->position, "delivered",
		value_time(w->delivered), "failing_since", value_time(w->failing_since), "disabled",
		value_time(w->disabled), "error", value_said_or_null(w->error), "note",
		value_said_or_null(w->note), "created", value_time(w->created), "created_by",
		value_said(w->created_by));
}

/* ---- making one */

static bool read_url(struct api_call *c, const char **ret)
{
	struct delivery_rules rules = webhooks_rules(c->server);
	const char *why;

	if (!read_string(c, "url", WEBHOOK_URL_SIZE, ret))
		return false;
	why = *ret ? delivery_refuses(*ret, &rules) : "it is missing";
	if (!why)
		return true;
	answer_refuse(c, 400, "bad-field", "field 'url': %s", why);
	return false;
}

/* The patterns with commas between them; none given: all events. */
static bool read_events(struct api_call *c, char ret[static WEBHOOK_EVENTS_SIZE])
{
	json_t *list = json_object_get(c->body, "events"), *value;
	size_t i, len = 0;
	bool good = !list || (json_is_array(list) && json_array_size(list) > 0);

	snprintf(ret, WEBHOOK_EVENTS_SIZE, "%s", list ? "" : "*");
	json_array_foreach (list, i, value) {
		const char *text = json_string_value(value);

		good = good && text && !strchr(text, ',') &&
		       len + strlen(text) + 1 < WEBHOOK_EVENTS_SIZE;
		if (!good)
			break;
		len += (size_t)snprintf(
			ret + len, WEBHOOK_EVENTS_SIZE - len, "%s%s", i ? "," : "", text);
	}
	if (good && webhook_events_ok(ret))
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'events' must be a list of acts of the audit log, as \"token.create\" or "
		"\"client.*\"");
	return false;
}

static json_t *with_secret(struct api_call *c, const struct webhook_record *w)
{
	char text[DELIVERY_SECRET_TEXT_SIZE];
	uint8_t secret[WEBHOOK_SECRET_SIZE];
	json_t *object = webhook_object(w);
	int r = store_webhook_secret(c->server->store, w->id, secret);

	delivery_secret_text(secret, text);
	if (object && (r < 0 || json_object_set_new(object, "secret", json_string(text)) < 0)) {
		json_decref(object);
		object = NULL;
	}
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text, sizeof(text));
	return object;
}

void api_webhook_create(struct api_call *c)
{
	static const char *const fields[] = { "url", "events", "note", NULL };
	char events[WEBHOOK_EVENTS_SIZE];
	struct webhook_spec spec = { .actor = c->actor, .events = events };
	struct webhook_record made;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_url(c, &spec.url) ||
		!read_events(c, events) || !read_string(c, "note", NOTE_SIZE, &spec.note) ||
		!answer_may_write(c))
		return;
	r = store_webhook_create(c->server->store, &spec, &made);
	if (r == -E2BIG) {
		answer_refuse(c, 409, "too-many", "there are %d webhooks already", WEBHOOKS_MAX);
		return;
	}
	if (r < 0) {
		answer_store_error(c, r == -ENOENT ? -EIO : r, "webhook");
		return;
	}
	webhooks_changed(c->server);
	changes_tell(c->server, CHANGE_ACCESS, made.id);
	c->secret = true;
	answer_json(c, 201, with_secret(c, &made));
}

/* ---- the others */

static int list_one(void *userdata, const struct webhook_record *w)
{
	return page_add(userdata, webhook_object(w)) < 0 ? -ENOMEM : 0;
}

void api_webhook_list(struct api_call *c)
{
	struct page page = {};
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = store_webhook_each(c->server->store, list_one, &page);
	if (r < 0 && page.error == 0)
		answer_store_error(c, r, "webhook");
	else
		page_answer(c, &page, NULL, "webhooks", "");
	page_endp(&page);
}

static void act(struct api_call *c,
	int (*what)(struct store *s, const char *id, const char *actor, struct webhook_record *ret))
{
	static const char *const fields[] = { NULL };
	struct webhook_record w;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = what(c->server->store, c->id, c->actor, &w);
	if (r < 0) {
		answer_store_error(c, r, "webhook");
		return;
	}
	webhooks_changed(c->server);
	changes_tell(c->server, CHANGE_ACCESS, w.id);
	answer_json(c, 200, webhook_object(&w));
}

void api_webhook_remove(struct api_call *c)
{
	act(c, store_webhook_remove);
}

void api_webhook_enable(struct api_call *c)
{
	act(c, store_webhook_enable);
}

/* ---- a test, which waits for its end */

struct test {
	struct delivery *delivery;
	bool done, delivered;
	char error[DELIVERY_ERROR_SIZE];
};

static void on_tested(void *userdata, const char *error, bool gone)
{
	struct test *t = userdata;

	(void)gone;
	t->done = true;
	t->delivered = error == NULL;
	snprintf(t->error, sizeof(t->error), "%s", error ? error : "");
	t->delivery = delivery_free(t->delivery);
}

static bool look(struct api_call *c)
{
	struct test *t = c->state;

	if (!t->done)
		return true;
	answer_json(c, 200,
		json_pack("{s:b, s:o}", "delivered", t->delivered, "error",
			value_said_or_null(t->error)));
	return false;
}

static void end_test(void *state)
{
	struct test *t = state;

	t->delivery = delivery_free(t->delivery);
}

void api_webhook_test(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	struct test *t = api_state(c, sizeof(*t));
	struct webhook_record w;
	int r;

	if (!t || !read_query(c, NULL, 0) || !read_fields(c, fields))
		return;
	r = store_webhook_get(c->server->store, c->id, &w);
	if (r < 0) {
		answer_store_error(c, r, "webhook");
		return;
	}
	r = webhooks_test(c->server, &w, on_tested, t, &t->delivery);
	if (r < 0) {
		c->error = r;
		return;
	}
	c->end = end_test;
	c->step = look;
	c->pause = TEST_PAUSE;
}
