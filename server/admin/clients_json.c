/* SPDX-License-Identifier: MIT */
#include "clients_json.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../desired.h"
#include "../presence.h"
#include "../store/clones.h"
#include "../store/listening.h"
#include "../store/resets.h"
#include "answer.h"
#include "lib/pin.h"
#include "page.h"
#include "rollouts.h"
#include "value.h"

/* ---- as lists have them */

/* A boot id of zeros: the machine has not said HELLO. */
static json_t *boot_id(const struct client_record *r)
{
	return !sodium_is_zero(r->boot_id, sizeof(r->boot_id))
		       ? value_hex(r->boot_id, sizeof(r->boot_id))
		       : json_null();
}

static json_t *clone_object(const struct client_record *r)
{
	if (r->clone_since == 0)
		return json_null();
	return json_pack("{s:o, s:s}", "since", value_time(r->clone_since), "sign",
		clone_sign_name(r->clone));
}

static bool client_listens(const struct server *s, const struct client_record *client)
{
	struct listening_record l;

	return store_listening_get(s->store, client->id, &l) == 0 && l.port > 0;
}

json_t *client_object(const struct server *s, const struct client_record *r)
{
	char key[IDENTITY_TEXT_SIZE], pin[PIN_TEXT_SIZE];
	bool connected = presence_connected(s, r->id);
	json_t *uptime = r->uptime ? json_integer((json_int_t)r->uptime) : json_null();
	const char *replaces = r->link == LINK_REPLACES ? r->former : "";
	const char *origin = r->link == LINK_CLONE ? r->former : "";

	identity_public_to_text(r->identity, key);
	pin_format(r->tls_pin, pin);
	return json_pack(
		"{s:o, s:o, s:o, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:s,"
		" s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s}",
		"id", value_hex(r->id, sizeof(r->id)), "hostname",
		value_said_or_null(r->facts.hostname), "labels", value_labels(&r->labels), "state",
		client_state_name(r->state), "since", value_time(r->since ? r->since : r->enrolled),
		"reason", value_said_or_null(r->reason), "connected", connected, "address",
		value_said_or_null(r->address), "enrolled", value_time(r->enrolled), "last_hello",
		value_time(r->last_hello), "token", r->token, "os", value_said_or_null(r->facts.os),
		"kernel", value_said_or_null(r->facts.kernel), "arch",
		value_said_or_null(r->facts.arch), "version", value_said_or_null(r->facts.version),
		"uptime", uptime, "boot_id", boot_id(r), "machine",
		value_hex(r->facts.machine, sizeof(r->facts.machine)), "key", key, "tls_pin", pin,
		"replaces", value_said_or_null(replaces), "replaced_by",
		value_said_or_null(r->successor), "ephemeral", value_seconds(r->ephemeral),
		"cloned_from", value_said_or_null(origin), "clone", clone_object(r), "mode",
		client_listens(s, r) ? "listen" : "connect");
}

json_t *client_short_object(const struct server *s, const struct client_record *r)
{
	(void)s;
	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "id", value_hex(r->id, sizeof(r->id)),
		"hostname", value_said_or_null(r->facts.hostname), "state",
		client_state_name(r->state), "enrolled", value_time(r->enrolled), "address",
		value_said_or_null(r->address));
}

/* ---- with everything known: a part is NULL if there is no memory, or the store failed */

static int add_machine(void *userdata, const struct clone_machine *m)
{
	json_t *machine = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "hostname",
		value_said_or_null(m->hostname), "address", value_said_or_null(m->address),
		"boot_id", value_hex(m->boot_id, sizeof(m->boot_id)), "machine",
		value_hex(m->machine, sizeof(m->machine)), "first", value_time(m->first), "last",
		value_time(m->last));

	return json_array_append_new(userdata, machine) < 0 ? -ENOMEM : 0;
}

static json_t *clone_machines(const struct server *s, const struct client_record *r)
{
	json_t *machines = json_array();

	if (!machines || r->clone_since == 0)
		return machines;
	if (store_clone_each(s->store, r->id, add_machine, machines) == 0)
		return machines;
	json_decref(machines);
	return NULL;
}

/* null: it was never asked for. */
static json_t *reset_object(const struct server *s, const struct client_record *client)
{
	struct reset_record last;
	int r = store_reset_get(s->store, client->id, &last);
	bool refused = r == 0 && last.state == RESET_REFUSED;

	if (r < 0)
		return r == -ENOENT ? json_null() : NULL;
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "state", reset_state_name(last.state),
		"asked", value_time(last.asked), "answered", value_time(last.answered), "reason",
		refused ? json_string(nack_name(last.code)) : json_null(), "text",
		value_said_or_null(last.text));
}

/* null: no roll-out has asked it. */
static json_t *last_update(const struct server *s, const struct client_record *client)
{
	struct update_record last;
	int r = store_update_get(s->store, client->id, &last);
	json_t *o = r == 0 ? update_object(&last) : NULL;

	if (r < 0)
		return r == -ENOENT ? json_null() : NULL;
	if (json_object_set_new(o, "rollout", json_integer((json_int_t)last.rollout)) == 0)
		return o;
	json_decref(o);
	return NULL;
}

struct configs {
	const struct server *server;
	const struct client_record *client;
	json_t *list;
	struct holdings held; /* what is not told of yet */
};

static int add_config(struct configs *l, const char *name)
{
	struct config_standing s;
	bool refused, wanted;
	int r = desired_standing(l->server, l->client, name, &s);

	if (r < 0 || (s.state == CONFIG_NONE && !s.wanted))
		return r;
	refused = s.state == CONFIG_REFUSED;
	wanted = s.wanted && !s.should.removal;
	r = json_array_append_new(l->list,
		json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "state",
			config_state_name(s.state), "should",
			wanted ? json_integer((json_int_t)s.should.revision) : json_null(), "has",
			s.has.revision ? json_integer((json_int_t)s.has.revision) : json_null(),
			"code", refused ? json_integer(s.refusal.code) : json_null(), "reason",
			refused ? json_string(nack_name(s.refusal.code)) : json_null(), "text",
			refused ? value_said(s.refusal.text) : json_null(), "refused",
			value_time(refused ? s.refusal.time : 0)));
	return r < 0 ? -ENOMEM : 0;
}

static int add_wanted(void *userdata, const struct config_record *c)
{
	struct configs *l = userdata;

	holdings_drop(&l->held, c->name);
	return add_config(l, c->name);
}

/* How it is with each configuration that it has or should have. */
static json_t *configs_object(const struct server *s, const struct client_record *client)
{
	struct configs l = { .server = s, .client = client, .list = json_array() };
	int r = l.list ? store_held(s->store, client->id, &l.held) : -ENOMEM;

	if (r == 0)
		r = store_config_wanted(s->store, client, "", add_wanted, &l);
	for (size_t i = 0; r == 0 && i < l.held.count; i++)
		r = add_config(&l, l.held.of[i].name);
	if (r == 0)
		return l.list;
	json_decref(l.list);
	return NULL;
}

/* An IPv6 address needs its brackets in front of the port. */
static json_t *own_address(const struct listening_record *l)
{
	if (l->port == 0 || l->address[0] == '\0')
		return json_null();
	return json_sprintf(
		strchr(l->address, ':') ? "[%s]:%u" : "%s:%u", l->address, (unsigned)l->port);
}

/* null: it isn't dialled. */
static json_t *listening_object(const struct server *s, const struct client_record *client)
{
	struct listening_record l;
	int r = store_listening_get(s->store, client->id, &l);

	if (r < 0)
		return r == -ENOENT ? json_null() : NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "own", own_address(&l), "fixed",
		value_said_or_null(l.fixed), "next", value_time(l.next), "seen", value_time(l.seen),
		"error", value_said_or_null(l.error));
}

json_t *client_whole_object(const struct server *s, const struct client_record *client)
{
	json_t *object = client_object(s, client);

	if (json_object_set_new(object, "configs", configs_object(s, client)) == 0 &&
		json_object_set_new(object, "reset", reset_object(s, client)) == 0 &&
		json_object_set_new(object, "update", last_update(s, client)) == 0 &&
		json_object_set_new(object, "clone_machines", clone_machines(s, client)) == 0 &&
		json_object_set_new(object, "listening", listening_object(s, client)) == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* ---- a page of them */

struct listed {
	struct api_call *call;
	struct page page;
	json_t *(*object)(const struct server *s, const struct client_record *client);
	char last[CLIENT_ID_TEXT_SIZE];
};

static int list_one(void *userdata, const struct client_record *client)
{
	struct listed *l = userdata;

	sodium_bin2hex(l->last, sizeof(l->last), client->id, sizeof(client->id));
	return page_add(&l->page, l->object(l->call->server, client));
}

void clients_answer(struct api_call *c, const struct client_filter *filter, json_t *extra,
	json_t *(*object)(const struct server *s, const struct client_record *client))
{
	struct listed l = { .call = c, .object = object };
	char next[CLIENT_ID_TEXT_SIZE];
	int r = store_client_each(c->server->store, filter, list_one, &l, next);

	if (r == -EINVAL) {
		answer_refuse(c, 400, "bad-parameter", "parameter 'after' must be a whole id");
		json_decref(extra);
	} else if (r < 0 && l.page.error == 0) {
		answer_store_error(c, r, "client");
		json_decref(extra);
	} else
		page_answer(c, &l.page, extra, "clients", r > 0 ? l.last : next);
	page_endp(&l.page);
}
