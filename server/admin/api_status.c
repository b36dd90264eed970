/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "../channel.h"
#include "../server.h"
#include "answer.h"
#include "lib/pin.h"

static json_t *addresses(const struct server *s)
{
	char text[LISTEN_MAX][SOCKETS_TEXT];
	size_t count = sockets_addresses(&s->sockets, text, LISTEN_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(text[i]));
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

void api_status_show(struct api_call *c)
{
	struct server *s = c->server;
	uint64_t enrolled = 0, left = 0, live = 0;
	json_t *o;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = store_client_count(s->store, CLIENT_ENROLLED, &enrolled);
	if (r == 0)
		r = store_client_count(s->store, CLIENT_LEFT, &left);
	if (r == 0)
		r = store_token_count_live(s->store, &live);
	if (r < 0) {
		answer_store_error(c, r, "");
		return;
	}
	o = json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:{s:I, s:I, s:I}, s:{s:I}, s:i}", "version",
		MUSTER_VERSION, "time", value_time(store_now(s->store)), "started",
		value_time(s->started), "listen", addresses(s), "name", s->config.name, "manifest",
		manifest(&s->release), "clients", "enrolled", (json_int_t)enrolled, "left",
		(json_int_t)left, "connected", (json_int_t)channels_count(s->channels), "tokens",
		"live", (json_int_t)live, "heartbeat", (int)s->config.heartbeat);
	if (o && json_object_update_new(o, keys(s)) < 0) {
		json_decref(o);
		o = NULL;
	}
	answer_json(c, 200, o);
}
