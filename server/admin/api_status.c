/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "../dblink.h"
#include "../presence.h"
#include "../server.h"
#include "answer.h"
#include "lib/pin.h"
#include "read.h"
#include "value.h"

static json_t *addresses(const struct server *s)
{
	char text[LISTEN_MAX][ADDRESS_TEXT_SIZE];
	size_t count = sockets_addresses(&s->sockets, text, LISTEN_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(text[i]));
	return list;
}

static json_t *names(const struct config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->names.count; i++)
		json_array_append_new(list, json_string(c->names.at[i]));
	return list;
}

/* null: nothing is offered. */
static json_t *manifest(const struct release *r)
{
	if (!r->manifest_text)
		return json_null();
	return json_pack("{s:I, s:s}", "serial", (json_int_t)r->manifest.serial, "version",
		r->manifest.version);
}

static json_t *keys(const struct server *s)
{
	char pin[PIN_TEXT_SIZE], identity[IDENTITY_TEXT_SIZE], release[MINISIGN_PUBLIC_TEXT_SIZE];

	pin_format(s->keys.tls.pin, pin);
	identity_public_to_text(identity_public(s->keys.identity), identity);
	minisign_public_format(&s->keys.release_public, release);
	return json_pack(
		"{s:s, s:s, s:s}", "pin", pin, "server_key", identity, "release_key", release);
}

static json_t *database(const struct server *s)
{
	const char *why = dblink_why(s);

	return json_pack("{s:s, s:o, s:o?}", "kind", s->config.store[0] ? "postgresql" : "sqlite",
		"unreachable",
		dblink_up(s) ? json_null() : json_integer((json_int_t)dblink_down_for(s)), "reason",
		*why ? json_string(why) : NULL);
}

/* Unknown while the database can't be reached. */
struct counts {
	uint64_t enrolled, left, live;
};

static int count_all(struct store *s, struct counts *ret)
{
	int r = store_client_count(s, CLIENT_ENROLLED, &ret->enrolled);

	if (r == 0)
		r = store_client_count(s, CLIENT_LEFT, &ret->left);
	return r < 0 ? r : store_token_count_live(s, &ret->live);
}

static json_t *count(bool known, uint64_t n)
{
	return known ? json_integer((json_int_t)n) : json_null();
}

void api_status_show(struct api_call *c)
{
	struct server *s = c->server;
	struct counts n = {};
	json_t *o;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = count_all(s->store, &n);
	if (r < 0 && r != -ENOTCONN) {
		answer_store_error(c, r, "");
		return;
	}
	o = json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:{s:o, s:o, s:I}, s:{s:o}, s:o, s:i}",
		"version", MUSTER_VERSION, "time", value_time(store_now(s->store)), "started",
		value_time(s->started), "listen", addresses(s), "name", config_name(&s->config),
		"names", names(&s->config), "manifest", manifest(&s->release), "clients",
		"enrolled", count(r == 0, n.enrolled), "left", count(r == 0, n.left), "connected",
		(json_int_t)presence_count(s), "tokens", "live", count(r == 0, n.live), "database",
		database(s), "heartbeat", (int)s->config.heartbeat);
	if (o && json_object_update_new(o, keys(s)) < 0) {
		json_decref(o);
		o = NULL;
	}
	answer_json(c, 200, o);
}
