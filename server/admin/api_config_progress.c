/* SPDX-License-Identifier: MIT */
/*
 * How far the machines are with a configuration. What all of them hold and have refused is read
 * first, by indexes of the name; then the machines are passed by, in steps, as a search does.
 */
#include <errno.h>
#include <string.h>

#include "../desired.h"
#include "../presence.h"
#include "answer.h"
#include "clients_search.h"
#include "filters.h"
#include "found.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define LOAD_ROWS 4000 /* in one step */

/* By client. */
struct known {
	struct config_held *of;
	size_t count, room;
	bool complete;
};

struct progress {
	struct client_wish wish;
	struct client_search asked;
	struct client_place place;
	char name[CONFIG_NAME_SIZE];
	uint64_t newest;
	struct config_record *live; /* the newest first */
	size_t live_count;
	struct known held, refused;
	int only; /* enum config_state, or -1: a page has just these */
	uint64_t counts[CONFIG_STATES];
	struct found found;
};

static void progress_end(void *state)
{
	struct progress *s = state;

	free(s->live);
	free(s->held.of);
	free(s->refused.of);
}

/* ---- what there is to know */

static int keep_live(void *userdata, const struct config_record *r)
{
	struct progress *s = userdata;
	struct config_record *more = reallocarray(s->live, s->live_count + 1, sizeof(*s->live));

	if (!more)
		return -ENOMEM;
	s->live = more;
	s->live[s->live_count++] = *r;
	return 0;
}

static int keep(void *userdata, const struct config_held *h)
{
	struct known *k = userdata;

	if (k->count == k->room) {
		size_t room = k->room ? 2 * k->room : 1000;
		struct config_held *more = reallocarray(k->of, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		k->of = more;
		k->room = room;
	}
	k->of[k->count++] = *h;
	return 0;
}

/* One step of it. */
static int load(struct store *s, const char *name, struct known *k,
	int (*each)(struct store *s, const char *name, const uint8_t *after, uint32_t limit,
		held_visitor visit, void *userdata))
{
	uint8_t after[CLIENT_ID_SIZE];
	size_t before = k->count;
	int r;

	if (before > 0)
		memcpy(after, k->of[before - 1].client, sizeof(after));
	r = each(s, name, before > 0 ? after : NULL, LOAD_ROWS, keep, k);
	k->complete = k->count - before < LOAD_ROWS;
	return r;
}

static int by_client(const void *id, const void *held)
{
	return memcmp(id, ((const struct config_held *)held)->client, CLIENT_ID_SIZE);
}

static const struct config_held *known_of(
	const struct known *k, const uint8_t id[static CLIENT_ID_SIZE])
{
	return k->count ? bsearch(id, k->of, k->count, sizeof(*k->of), by_client) : NULL;
}

/* ---- judging */

/* As desired_standing() does for one machine with the database's help. *ret_meant: some revision is
 * meant for it. */
static enum config_state judge(
	const struct api_call *c, const struct client_sight *sight, bool *ret_meant)
{
	const struct progress *s = c->state;
	const uint8_t *id = sight->place->id;
	const struct config_held *has = known_of(&s->held, id);
	const struct config_held *refused = known_of(&s->refused, id);
	const struct config_record *should = NULL;
	bool wanted;

	for (size_t i = 0; i < s->live_count && !should; i++)
		if (config_selector_fits(s->live[i].selector, id, sight->labels))
			should = &s->live[i];
	*ret_meant = should != NULL;
	wanted = should && !should->removal;
	if (!wanted && !has)
		return CONFIG_NONE;
	if (wanted && has && has->revision == should->revision &&
		memcmp(has->hash, should->hash, sizeof(has->hash)) == 0)
		return CONFIG_CURRENT;
	if (has && has->revision > s->newest)
		return CONFIG_AHEAD;
	if (refused && refused->revision == (should ? should->revision : has->revision))
		return CONFIG_REFUSED;
	return presence_sight(c->server, id) ? CONFIG_PENDING : CONFIG_OFFLINE;
}

/* Machines that neither have nor should have it are left out. */
static bool is_meant(
	const struct api_call *c, const struct client_sight *sight, enum config_state *ret_state)
{
	const struct progress *s = c->state;
	bool meant;

	*ret_state = judge(c, sight, &meant);
	return (*ret_state != CONFIG_NONE || meant) &&
	       (s->only < 0 || (enum config_state)s->only == *ret_state);
}

static int count_one(void *userdata, const struct client_sight *sight)
{
	struct api_call *c = userdata;
	struct progress *s = c->state;
	enum config_state state;

	if (is_meant(c, sight, &state))
		s->counts[state]++;
	return 0;
}

static int take_one(void *userdata, const struct client_sight *sight)
{
	struct api_call *c = userdata;
	struct progress *s = c->state;
	enum config_state state;

	return is_meant(c, sight, &state) ? found_add(&s->found, sight->place) : 0;
}

/* ---- answers */

static json_t *number_or_null(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *standing_object(const struct client_record *client, const struct config_standing *s)
{
	bool refused = s->state == CONFIG_REFUSED;
	bool wanted = s->wanted && !s->should.removal;

	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		value_hex(client->id, sizeof(client->id)), "hostname",
		value_said_or_null(client->facts.hostname), "state", config_state_name(s->state),
		"should", number_or_null(wanted ? s->should.revision : 0), "has",
		number_or_null(s->has.revision), "code",
		refused ? json_integer(s->refusal.code) : json_null(), "reason",
		refused ? json_string(nack_name(s->refusal.code)) : json_null(), "text",
		refused ? value_said(s->refusal.text) : json_null(), "refused",
		value_time(refused ? s->refusal.time : 0));
}

/* As it is now, whatever it was when it was found. */
static int add_standing(struct api_call *c, const struct client_record *client, struct page *page)
{
	const struct progress *s = c->state;
	struct config_standing standing;
	int r = desired_standing(c->server, client, s->name, &standing);

	return r == 0 ? page_add(page, standing_object(client, &standing)) : r;
}

static void answer_page(struct api_call *c)
{
	const struct progress *s = c->state;

	found_answer(c, &s->found, "clients", add_standing);
}

static void answer_counts(struct api_call *c)
{
	const struct progress *s = c->state;
	json_t *counts = json_object();
	uint64_t all = 0;

	for (int i = 0; counts && i < CONFIG_STATES; i++) {
		all += s->counts[i];
		json_object_set_new(counts, config_state_name((enum config_state)i),
			json_integer((json_int_t)s->counts[i]));
	}
	answer_json(c, 200,
		json_pack("{s:s, s:I, s:I, s:o}", "name", s->name, "revision",
			(json_int_t)s->newest, "machines", (json_int_t)all, "counts", counts));
}

/* ---- step by step */

static int next_part(struct api_call *c, client_sighting visit)
{
	struct progress *s = c->state;
	struct store *store = c->server->store;
	int r;

	if (!s->held.complete)
		r = load(store, s->name, &s->held, store_held_each);
	else if (!s->refused.complete)
		r = load(store, s->name, &s->refused, store_refused_each);
	else
		return store_client_search(store, &s->asked, &s->place, STEP_ROWS, visit, c);
	return r < 0 ? r : 1;
}

static bool go_on(struct api_call *c, client_sighting visit, void (*answer)(struct api_call *c))
{
	struct progress *s = c->state;
	int r = next_part(c, visit);

	if (r > 0 && !s->found.more)
		return true;
	if (r < 0)
		answer_store_error(c, r == -ENOENT || r == -EINVAL ? -EIO : r, "client");
	else
		answer(c);
	return false;
}

static bool status_on(struct api_call *c)
{
	return go_on(c, take_one, answer_page);
}

static bool progress_on(struct api_call *c)
{
	return go_on(c, count_one, answer_counts);
}

static bool read_outcome(struct api_call *c, const struct param *p, int *ret)
{
	*ret = -1;
	for (int i = 0; p->given && i < CONFIG_STATES; i++)
		if (strcmp(p->value, config_state_name((enum config_state)i)) == 0)
			*ret = i;
	if (!p->given || *ret >= 0)
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter 'outcome' must be current, pending, offline, refused, ahead or none");
	return false;
}

/* The search for the enrolled machines that are wished for: params are label and q. */
static struct progress *start(struct api_call *c, const struct param params[static 2])
{
	const struct param wish[WISHES] = { [WISH_LABEL] = params[0], [WISH_TEXT] = params[1] };
	struct progress *s = api_state(c, sizeof(*s));
	struct config_record newest;
	int r;

	if (!s || !read_wish(c, wish, &s->wish))
		return NULL;
	c->end = progress_end;
	snprintf(s->name, sizeof(s->name), "%.*s", CONFIG_NAME_SIZE - 1, c->id);
	r = store_config_get(c->server->store, s->name, 0, &newest);
	if (r == 0)
		r = store_config_live(c->server->store, s->name, keep_live, s);
	if (r < 0) {
		answer_store_error(c, r, "configuration");
		return NULL;
	}
	s->newest = newest.revision;
	s->only = -1;
	s->asked.state = CLIENT_ENROLLED;
	s->asked.selector = *s->wish.selector ? s->wish.selector : NULL;
	s->asked.text = s->wish.text;
	return s;
}

void api_config_status(struct api_call *c)
{
	struct param params[] = { { .name = "label" }, { .name = "q" }, { .name = "outcome" },
		{ .name = "after" }, { .name = "limit" } };
	const struct param *after = &params[3];
	struct progress *s;
	uint64_t limit;

	if (!read_query(c, params, COUNT(params)))
		return;
	s = start(c, params);
	if (!s || !read_outcome(c, &params[2], &s->only) ||
		!read_number(c, after + 1, 1, PAGE_MAX, PAGE_DEFAULT, &limit) ||
		!read_place(c, after, &s->place))
		return;
	s->found.limit = limit;
	if (status_on(c))
		c->step = status_on;
}

void api_config_progress(struct api_call *c)
{
	struct param params[] = { { .name = "label" }, { .name = "q" } };

	if (read_query(c, params, COUNT(params)) && start(c, params) && progress_on(c))
		c->step = progress_on;
}
