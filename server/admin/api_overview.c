/* SPDX-License-Identifier: MIT */
/* What an administrator looks at first: how many there are, how they came, what needs attention. */
#include <errno.h>
#include <string.h>

#include "../presence.h"
#include "../store/recent.h"
#include "../store/search.h"
#include "answer.h"
#include "read.h"
#include "rollouts.h"
#include "value.h"

#define SHOWN     5      /* of each list */
#define SOON      86400u /* seconds before a token's end */
#define LONG      86400u /* seconds that an enrolled machine has been away */
#define SPANS_MAX 60

/* ---- enrolments over time */

static const struct span {
	const char *name;
	uint64_t seconds; /* of one bar */
	size_t count;
} spans[] = {
	{ "day", 3600, 24 },
	{ "week", 6 * 3600, 28 },
	{ "month", 86400, 30 },
};

static bool read_span(struct api_call *c, const struct param *p, const struct span **ret)
{
	const char *name = p->given ? p->value : "week";

	for (size_t i = 0; i < COUNT(spans); i++) {
		*ret = &spans[i];
		if (strcmp(spans[i].name, name) == 0)
			return true;
	}
	answer_refuse(c, 400, "bad-parameter", "parameter 'span' must be day, week or month");
	return false;
}

/* The last bar is the one that has not ended. Bars begin at whole multiples, in UTC. */
static int enrolments(struct store *s, const struct span *span, json_t **ret)
{
	uint64_t counts[SPANS_MAX];
	uint64_t from = (store_now(s) / span->seconds + 1 - span->count) * span->seconds;
	int r = store_client_enrolments(s, from, span->seconds, span->count, counts);

	*ret = r == 0 ? json_array() : NULL;
	for (size_t i = 0; *ret && i < span->count; i++)
		json_array_append_new(
			*ret, json_pack("{s:o, s:I}", "time", value_time(from + i * span->seconds),
				      "count", (json_int_t)counts[i]));
	return r;
}

/* ---- machines */

struct counts {
	uint64_t of[CLIENT_STATES];
};

static json_t *states(const struct counts *n)
{
	json_t *o = json_object();

	for (int i = 0; o && i < CLIENT_REMOVED; i++)
		json_object_set_new(o, client_state_name((enum client_state)i),
			json_integer((json_int_t)n->of[i]));
	return o;
}

static int count_states(struct store *s, struct counts *ret)
{
	int r = 0;

	for (int i = 0; r == 0 && i < CLIENT_REMOVED; i++)
		r = store_client_count(s, (enum client_state)i, &ret->of[i]);
	return r;
}

/* ---- what needs attention */

static int add_client(void *userdata, const struct client_record *client)
{
	json_array_append_new(userdata,
		json_pack("{s:o, s:o, s:o, s:o}", "id", value_hex(client->id, sizeof(client->id)),
			"hostname", value_said_or_null(client->facts.hostname), "enrolled",
			value_time(client->enrolled), "last_hello",
			value_time(client->last_hello)));
	return 0;
}

static int add_refusal(void *userdata, const struct standing_refusal *r)
{
	json_array_append_new(userdata,
		json_pack("{s:o, s:o, s:s, s:I, s:s, s:o, s:o}", "id",
			value_hex(r->client, sizeof(r->client)), "hostname",
			value_said_or_null(r->hostname), "name", r->name, "revision",
			(json_int_t)r->why.revision, "reason", nack_name(r->why.code), "text",
			value_said(r->why.text), "time", value_time(r->why.time)));
	return 0;
}

static int add_token(void *userdata, const struct token_record *t)
{
	json_array_append_new(
		userdata, json_pack("{s:s, s:o, s:o}", "id", t->id, "note",
				  value_said_or_null(t->note), "expires", value_time(t->expires)));
	return 0;
}

/* The newest roll-out, if too many machines have failed or somebody has halted it. */
static int add_rollout(struct server *server, json_t *list)
{
	struct rollout_record newest;
	int r = store_rollout_get(server->store, 0, &newest);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (newest.state == ROLLOUT_HALTED)
		json_array_append_new(list, rollout_object(server, &newest));
	return 0;
}

/* "NAME": N of them, and the first few. */
static void put(json_t *into, const char *name, uint64_t count, json_t *list)
{
	if (list)
		json_object_set_new(into, name,
			json_pack("{s:I, s:o}", "count", (json_int_t)count, "list", list));
}

static int attention(struct server *server, const struct counts *n, json_t *into)
{
	struct store *s = server->store;
	struct client_filter filter = { .state = -1, .clones = true, .limit = SHOWN };
	json_t *pending = json_array(), *away = json_array(), *clones = json_array();
	json_t *refused = json_array(), *tokens = json_array(), *halted = json_array();
	uint64_t refusals = 0, ending = 0, unseen = 0, doubles = 0, now = store_now(s);
	int r = store_client_some(s, CLIENT_PENDING, SHOWN, add_client, pending);

	if (r == 0)
		r = store_refusal_count(s, &refusals);
	if (r == 0)
		r = store_refusal_recent(s, SHOWN, add_refusal, refused);
	if (r == 0)
		r = store_token_ending(s, now + SOON, SHOWN, add_token, tokens, &ending);
	if (r == 0)
		r = store_client_unseen(s, now - LONG, SHOWN, add_client, away, &unseen);
	if (r == 0)
		r = store_client_clones(s, &doubles);
	if (r == 0)
		r = store_client_each(s, &filter, add_client, clones, NULL);
	if (r == 0)
		r = add_rollout(server, halted);
	put(into, "rollouts", json_array_size(halted), halted);
	put(into, "clones", doubles, clones);
	put(into, "pending", n->of[CLIENT_PENDING], pending);
	put(into, "refused", refusals, refused);
	put(into, "tokens_ending", ending, tokens);
	put(into, "offline", unseen, away);
	return r;
}

void api_overview(struct api_call *c)
{
	struct param params[] = { { .name = "span" } };
	struct store *s = c->server->store;
	struct counts n = {};
	json_t *bars = NULL, *needs = json_object();
	const struct span *span;
	uint64_t live = 0;
	int r;

	if (!read_query(c, params, COUNT(params)) || !read_span(c, &params[0], &span)) {
		json_decref(needs);
		return;
	}
	r = count_states(s, &n);
	if (r == 0)
		r = store_token_count_live(s, &live);
	if (r == 0)
		r = enrolments(s, span, &bars);
	if (r == 0)
		r = attention(c->server, &n, needs);
	if (r < 0) {
		json_decref(bars);
		json_decref(needs);
		answer_store_error(c, r, "");
		return;
	}
	answer_json(c, 200,
		json_pack("{s:o, s:I, s:o, s:{s:I}, s:s, s:I, s:o, s:o}", "time",
			value_time(store_now(s)), "connected",
			(json_int_t)presence_count(c->server), "clients", states(&n), "tokens",
			"live", (json_int_t)live, "span", span->name, "seconds",
			(json_int_t)span->seconds, "enrolments", bars, "attention", needs));
}
