/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../presence.h"
#include "../store/clones.h"
#include "../store/resets.h"
#include "answer.h"
#include "clients_json.h"
#include "lib/label.h"
#include "lib/pin.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define SCAN_MAX 2000 /* rows looked at for one page: a few milliseconds */

/* ---- objects */

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

static int add_machine(void *userdata, const struct clone_machine *m)
{
	json_t *machine = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "hostname",
		value_said_or_null(m->hostname), "address", value_said_or_null(m->address),
		"boot_id", value_hex(m->boot_id, sizeof(m->boot_id)), "machine",
		value_hex(m->machine, sizeof(m->machine)), "first", value_time(m->first), "last",
		value_time(m->last));

	return json_array_append_new(userdata, machine) < 0 ? -ENOMEM : 0;
}

/* NULL: no memory, or the store failed. */
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

static json_t *reset_object(const struct reset_record *r)
{
	bool refused = r->state == RESET_REFUSED;

	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "state", reset_state_name(r->state), "asked",
		value_time(r->asked), "answered", value_time(r->answered), "reason",
		refused ? json_string(nack_name(r->code)) : json_null(), "text",
		value_said_or_null(r->text));
}

json_t *client_whole_object(const struct server *s, const struct client_record *client)
{
	json_t *object = client_object(s, client), *reset = NULL, *configs = NULL;
	struct reset_record last;
	int r = store_reset_get(s->store, client->id, &last);

	if (r == 0)
		reset = reset_object(&last);
	else if (r == -ENOENT)
		reset = json_null();
	bool whole = client_configs(s, client, &configs) == 0 &&
		     json_object_set_new(object, "configs", configs) == 0;
	whole = json_object_set_new(object, "reset", reset) == 0 && whole;
	whole = json_object_set_new(object, "clone_machines", clone_machines(s, client)) == 0 &&
		whole;
	whole = json_object_set_new(object, "listening", listening_object(s, client)) == 0 && whole;
	if (whole)
		return object;
	json_decref(object);
	return NULL;
}

json_t *client_short_object(const struct server *s, const struct client_record *r)
{
	(void)s;
	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "id", value_hex(r->id, sizeof(r->id)),
		"hostname", value_said_or_null(r->facts.hostname), "state",
		client_state_name(r->state), "enrolled", value_time(r->enrolled), "address",
		value_said_or_null(r->address));
}

/* ---- lists */

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

/* These are few, and come by id. */
static bool read_clones(struct api_call *c, const struct param *p, const struct client_wish *wish,
	const struct param *sort)
{
	if (strcmp(p->value, "true") != 0)
		answer_refuse(c, 400, "bad-parameter", "parameter 'clones' can only be true");
	else if (*wish->text || wish->connected >= 0 ||
		 (sort->given && strcmp(sort->value, "id") != 0))
		answer_refuse(c, 400, "bad-parameter",
			"with parameter 'clones' nothing is searched or sorted");
	else
		return true;
	return false;
}

void api_client_list(struct api_call *c)
{
	struct param params[] = { WISH_PARAMS, { .name = "sort" }, { .name = "after" },
		{ .name = "limit" }, { .name = "clones" } };
	const struct param *sort = &params[WISHES], *after = sort + 1, *clones = after + 2;
	struct client_filter filter = { .scan = SCAN_MAX };
	struct client_wish wish;
	uint64_t limit;

	if (!read_query(c, params, COUNT(params)) || !read_wish(c, params, &wish) ||
		!read_number(c, after + 1, 1, PAGE_MAX, PAGE_DEFAULT, &limit))
		return;
	if (clones->given && !read_clones(c, clones, &wish, sort))
		return;
	if ((sort->given && strcmp(sort->value, "id") != 0) || *wish.text || wish.connected >= 0) {
		clients_search(c, &wish, sort, after, limit);
		return;
	}
	filter.state = wish.state;
	filter.clones = clones->given;
	filter.selector = *wish.selector ? wish.selector : NULL;
	filter.after = after->given ? after->value : NULL;
	filter.limit = (uint32_t)limit;
	clients_answer(c, &filter, NULL, client_object);
}

void api_client_show(struct api_call *c)
{
	struct client_record client;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = store_client_get(c->server->store, c->id, &client);
	if (r < 0)
		answer_store_error(c, r, "client");
	else
		answer_json(c, 200, client_whole_object(c->server, &client));
}
