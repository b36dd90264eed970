/* SPDX-License-Identifier: MIT */
/*
 * One roll-out and its machines. Those that it has asked are in the store's lists of it; for whom it
 * waits is what is left of all that its selector means: they are passed by in steps, as a search
 * does.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../presence.h"
#include "../store/listening.h"
#include "answer.h"
#include "filters.h"
#include "found.h"
#include "page.h"
#include "read.h"
#include "rollouts.h"
#include "value.h"

#define LOAD_ROWS 4000 /* in one step */

/* What is not in the store's lists: machines that have not been asked. */
enum awaited { AWAITED_HERE, AWAITED_AWAY };
#define AWAITED 2
static const char *const awaited_names[] = {
	[AWAITED_HERE] = "waiting", /* it is there: it is asked when it is its turn */
	[AWAITED_AWAY] = "offline", /* when it comes back */
};

/* In their order. */
struct ids {
	uint8_t (*of)[CLIENT_ID_SIZE];
	size_t count, room;
	bool complete;
};

struct awaiting {
	struct rollout_record rollout;
	struct ids settled; /* nothing is left to do for these */
	struct ids dialled; /* they keep no connection, but are reached when there is something */
	struct client_place place;
	uint64_t counts[AWAITED];
	enum awaited only; /* a page has just these */
	struct found found;
};

static void awaiting_end(void *state)
{
	struct awaiting *s = state;

	free(s->settled.of);
	free(s->dialled.of);
}

/* ---- for whom it waits */

static int keep(void *userdata, const uint8_t *client)
{
	struct ids *l = userdata;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 1000;
		void *more = reallocarray(l->of, room, sizeof(*l->of));

		if (!more)
			return -ENOMEM;
		l->of = more;
		l->room = room;
	}
	memcpy(l->of[l->count++], client, CLIENT_ID_SIZE);
	return 0;
}

static int keep_settled(void *userdata, const struct update_record *u)
{
	return keep(userdata, u->client);
}

static int load_settled(struct store *store, struct awaiting *s, const uint8_t *after)
{
	return store_update_settled(
		store, &s->rollout, after, LOAD_ROWS, keep_settled, &s->settled);
}

static int load_dialled(struct store *store, struct awaiting *s, const uint8_t *after)
{
	return store_listening_each(store, after, LOAD_ROWS, keep, &s->dialled);
}

static int load(struct api_call *c, struct ids *l,
	int (*rows)(struct store *store, struct awaiting *s, const uint8_t *after))
{
	uint8_t after[CLIENT_ID_SIZE];
	size_t before = l->count;
	int r;

	if (before > 0)
		memcpy(after, l->of[before - 1], sizeof(after));
	r = rows(c->server->store, c->state, before > 0 ? after : NULL);
	l->complete = l->count - before < LOAD_ROWS;
	return r < 0 ? r : 1;
}

static int by_id(const void *id, const void *one)
{
	return memcmp(id, one, CLIENT_ID_SIZE);
}

static bool is_in(const struct ids *l, const uint8_t id[static CLIENT_ID_SIZE])
{
	return l->count > 0 && bsearch(id, l->of, l->count, CLIENT_ID_SIZE, by_id);
}

static bool is_awaited(
	const struct api_call *c, const struct client_sight *sight, enum awaited *ret)
{
	const struct awaiting *s = c->state;
	const uint8_t *id = sight->place->id;

	if (!config_selector_fits(s->rollout.selector, id, sight->labels) || is_in(&s->settled, id))
		return false;
	*ret = presence_sight(c->server, id) || is_in(&s->dialled, id) ? AWAITED_HERE
								       : AWAITED_AWAY;
	return true;
}

static int count_one(void *userdata, const struct client_sight *sight)
{
	struct api_call *c = userdata;
	struct awaiting *s = c->state;
	enum awaited which;

	if (is_awaited(c, sight, &which))
		s->counts[which]++;
	return 0;
}

static int take_one(void *userdata, const struct client_sight *sight)
{
	struct api_call *c = userdata;
	struct awaiting *s = c->state;
	enum awaited which;

	return is_awaited(c, sight, &which) && which == s->only ? found_add(&s->found, sight->place)
								: 0;
}

/* 1: there may be more. Nobody waits for one that has ended. */
static int next_part(struct api_call *c, client_sighting visit)
{
	const struct client_search asked = { .state = CLIENT_ENROLLED };
	struct awaiting *s = c->state;

	if (s->rollout.state == ROLLOUT_ENDED)
		return 0;
	if (!s->settled.complete)
		return load(c, &s->settled, load_settled);
	if (!s->dialled.complete)
		return load(c, &s->dialled, load_dialled);
	return store_client_search(c->server->store, &asked, &s->place, STEP_ROWS, visit, c);
}

static bool go_on(struct api_call *c, client_sighting visit, void (*answer)(struct api_call *c))
{
	const struct awaiting *s = c->state;
	int r = next_part(c, visit);

	if (r > 0 && !s->found.more)
		return true;
	if (r < 0)
		answer_store_error(c, r == -ENOENT || r == -EINVAL ? -EIO : r, "client");
	else
		answer(c);
	return false;
}

static struct awaiting *start(struct api_call *c, const struct rollout_record *rollout)
{
	struct awaiting *s = api_state(c, sizeof(*s));

	if (!s)
		return NULL;
	c->end = awaiting_end;
	s->rollout = *rollout;
	return s;
}

/* ---- one roll-out */

/* What it has asked is read last: who was not asked when that was looked up is counted once at
 * least, so nobody is missing in all of them together. */
static void answer_one(struct api_call *c)
{
	const struct awaiting *s = c->state;
	struct rollout_record now;
	json_t *object, *counts;
	int r = store_rollout_get(c->server->store, s->rollout.id, &now);

	if (r < 0) {
		answer_store_error(c, r, "roll-out");
		return;
	}
	object = rollout_object(c->server, &now);
	counts = json_object_get(object, "counts");
	for (int i = 0; i < AWAITED; i++) {
		if (json_object_set_new(
			    counts, awaited_names[i], json_integer((json_int_t)s->counts[i])) < 0) {
			json_decref(object);
			object = NULL;
			break;
		}
	}
	answer_json(c, 200, object);
}

static bool count_on(struct api_call *c)
{
	return go_on(c, count_one, answer_one);
}

void api_rollout_show(struct api_call *c)
{
	struct rollout_record rollout;

	if (read_query(c, NULL, 0) && rollout_find(c, &rollout) && start(c, &rollout) &&
		count_on(c))
		c->step = count_on;
}

/* ---- its machines */

/* u NULL: it was not asked. */
static json_t *machine_object(
	const struct client_record *client, const struct update_record *u, enum awaited which)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:o}", "id",
		value_hex(client->id, sizeof(client->id)), "hostname",
		value_said_or_null(client->facts.hostname), "labels", value_labels(&client->labels),
		"version", value_said_or_null(client->facts.version));
	json_t *update =
		u ? update_object(u)
		  : json_pack("{s:s, s:n, s:n, s:n, s:n, s:n}", "state", awaited_names[which],
			    "sent", "answered", "code", "reason", "text");

	if (!o || json_object_update_new(o, update) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int add_awaited(struct api_call *c, const struct client_record *client, struct page *page)
{
	const struct awaiting *s = c->state;

	return page_add(page, machine_object(client, NULL, s->only));
}

static void answer_awaited(struct api_call *c)
{
	const struct awaiting *s = c->state;

	found_answer(c, &s->found, "machines", add_awaited);
}

static bool find_on(struct api_call *c)
{
	return go_on(c, take_one, answer_awaited);
}

static void list_awaited(struct api_call *c, const struct rollout_record *rollout,
	enum awaited which, const struct param *after, const struct param *limit)
{
	struct awaiting *s = start(c, rollout);
	uint64_t rows;

	if (!s || !read_number(c, limit, 1, PAGE_MAX, PAGE_DEFAULT, &rows) ||
		!read_place(c, after, &s->place))
		return;
	s->only = which;
	s->found.limit = rows;
	if (find_on(c))
		c->step = find_on;
}

struct listed {
	struct api_call *call;
	struct listing l;
};

static int list_one(void *userdata, const struct update_record *u)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct listed *all = userdata;
	char id[CLIENT_ID_TEXT_SIZE];
	int r = store_client_by_id(all->call->server->store, u->client, &client);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	sodium_bin2hex(id, sizeof(id), client.id, sizeof(client.id));
	return listing_add(&all->l, machine_object(&client, u, AWAITED_HERE), "%s", id);
}

static void list_asked(struct api_call *c, const struct rollout_record *rollout, int state,
	const struct param *after, const struct param *limit)
{
	struct listed all = { .call = c };
	uint8_t id[CLIENT_ID_SIZE];
	size_t len = 0;
	int r;

	if (!listing_begin(c, limit, &all.l))
		return;
	if (after->given && (sodium_hex2bin(id, sizeof(id), after->value, strlen(after->value),
				     NULL, &len, NULL) != 0 ||
				    len != sizeof(id))) {
		answer_refuse(
			c, 400, "bad-parameter", "parameter 'after' must be what 'next' has said");
		return;
	}
	r = store_update_each(c->server->store, rollout->id, state, after->given ? id : NULL,
		listing_rows(&all.l), list_one, &all);
	listing_answer(c, &all.l, r, "machines", "client");
}

/* enum update_state, or of those not asked UPDATE_STATES and more; -1: all that were. */
static bool read_outcome(struct api_call *c, const struct param *p, int *ret)
{
	*ret = -1;
	for (int i = 0; p->given && i < UPDATE_STATES; i++)
		if (strcmp(p->value, update_state_name((enum update_state)i)) == 0)
			*ret = i;
	for (int i = 0; p->given && i < AWAITED; i++)
		if (strcmp(p->value, awaited_names[i]) == 0)
			*ret = UPDATE_STATES + i;
	if (!p->given || *ret >= 0)
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter 'outcome' must be under-way, done, failed, lost, waiting or offline");
	return false;
}

void api_rollout_machines(struct api_call *c)
{
	struct param params[] = { { .name = "outcome" }, { .name = "after" }, { .name = "limit" } };
	struct rollout_record rollout;
	int outcome;

	if (!read_query(c, params, COUNT(params)) || !read_outcome(c, &params[0], &outcome) ||
		!rollout_find(c, &rollout))
		return;
	if (outcome < UPDATE_STATES)
		list_asked(c, &rollout, outcome, &params[1], &params[2]);
	else
		list_awaited(c, &rollout, (enum awaited)(outcome - UPDATE_STATES), &params[1],
			&params[2]);
}
