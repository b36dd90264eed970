/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "answer.h"
#include "audit_json.h"
#include "filters.h"
#include "page.h"
#include "read.h"
#include "recent.h"
#include "value.h"

#define WALK_ROWS 500 /* entries checked in one step: about a millisecond */

static int list_one(void *userdata, const struct audit_record *a)
{
	return listing_add(userdata, audit_json(a), "%" PRIu64, a->seq);
}

/* "last": only so many entries before the end, if "after" doesn't say more. */
static bool start_of_last(struct api_call *c, const struct param *p, uint64_t *after)
{
	uint64_t last, count = 0;
	int r;

	if (!read_number(c, p, 1, INT64_MAX, INT64_MAX, &last))
		return false;
	r = p->given ? store_audit_count(c->server->store, &count) : 0;
	if (r < 0) {
		answer_store_error(c, r, "entry");
		return false;
	}
	if (count > last && *after < count - last)
		*after = count - last;
	return true;
}

void api_audit_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" }, { .name = "last" },
		{ .name = "order" }, { .name = "object" }, { .name = "act" }, { .name = "q" } };
	const struct audit_asked asked = { .after = &params[0],
		.limit = &params[1],
		.object = &params[4],
		.act = &params[5],
		.text = &params[6] };
	struct listing l;
	uint64_t after;
	bool newest;
	int r;

	if (!read_query(c, params, COUNT(params)) || !read_newest(c, &params[3], &newest) ||
		!goes_with_order(c, newest, &params[2], &params[4], 3))
		return;
	if (newest) {
		audit_newest(c, &asked);
		return;
	}
	if (!read_number(c, &params[0], 0, INT64_MAX, 0, &after) ||
		!listing_begin(c, &params[1], &l) || !start_of_last(c, &params[2], &after))
		return;
	r = store_audit_each(c->server->store, after, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "entries", "entry");
}

static void verdict(struct api_call *c, const struct audit_verdict *v)
{
	json_t *bad = v->first_bad ? json_integer((json_int_t)v->first_bad) : json_null();

	answer_json(c, 200,
		json_pack("{s:b, s:I, s:o, s:o}", "ok", v->first_bad == 0, "entries",
			(json_int_t)v->entries, "first_bad", bad, "head",
			value_hex(v->head, sizeof(v->head))));
}

/* Not while a turn is open: entries that may be undone would be counted. */
static bool walk(struct api_call *c)
{
	struct audit_walk *w = c->state;
	int r = store_in_transaction(c->server->store)
			? 1
			: store_audit_walk(c->server->store, w, WALK_ROWS);

	if (r > 0)
		return true;
	if (r < 0)
		answer_store_error(c, r, "entry");
	else
		verdict(c, &w->verdict);
	return false;
}

void api_audit_verify(struct api_call *c)
{
	if (!read_query(c, NULL, 0))
		return;
	if (api_state(c, sizeof(struct audit_walk)))
		c->step = walk;
}
