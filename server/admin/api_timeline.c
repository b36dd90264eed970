/* SPDX-License-Identifier: MIT */
/* What has happened to one machine, the newest first: audit entries and receipts as one list. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../store/recent.h"
#include "answer.h"
#include "lib/text.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define TIMELINE_MAX 200

struct event {
	uint64_t time, id;
	json_t *object;
};

struct events {
	size_t count;
	struct event of[TIMELINE_MAX + 1];
};

static void clear(struct events *e)
{
	while (e->count > 0)
		json_decref(e->of[--e->count].object);
}

static int add(struct events *e, uint64_t time, uint64_t id, json_t *object)
{
	if (!object)
		return -ENOMEM;
	e->of[e->count++] = (struct event){ time, id, object };
	return e->count == COUNT(e->of);
}

static int add_audit(void *userdata, const struct audit_record *a)
{
	return add(userdata, a->time, a->seq,
		json_pack("{s:s, s:o, s:I, s:o, s:o, s:o}", "kind", "audit", "time",
			value_time(a->time), "seq", (json_int_t)a->seq, "actor",
			value_said(a->actor), "act", value_said(a->act), "detail",
			value_said(a->detail)));
}

static int add_receipt(void *userdata, const struct receipt *r)
{
	return add(userdata, r->time, r->id,
		json_pack("{s:s, s:o, s:I, s:s, s:s, s:I, s:s, s:o}", "kind", "receipt", "time",
			value_time(r->time), "receipt", (json_int_t)r->id, "op",
			r->op == OP_ACK ? "ACK" : "NACK", "name", r->name, "revision",
			(json_int_t)r->revision, "order",
			r->kind == ORDER_REMOVE ? "remove" : "set", "reason",
			r->code ? json_string(nack_name(r->code)) : json_null()));
}

/* "12.7": audit entries below 12, receipts below 7. */
static bool read_after(struct api_call *c, const struct param *p, uint64_t ret[static 2])
{
	char left[24] = "";
	size_t dot = strcspn(p->value, ".");

	ret[0] = ret[1] = 0;
	if (!p->given)
		return true;
	if (dot < sizeof(left))
		memcpy(left, p->value, dot);
	if (p->value[dot] == '.' && text_number(left, 1, INT64_MAX, &ret[0]) == 0 &&
		text_number(p->value + dot + 1, 1, INT64_MAX, &ret[1]) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter 'after' must be what 'next' has said");
	return false;
}

/* Both are in order already; what is not taken is left to the next page. */
static void merge(struct api_call *c, struct events *audit, struct events *receipts,
	uint64_t before[static 2], size_t limit)
{
	struct page page = {};
	size_t a = 0, r = 0;
	char next[48] = "";
	int full = 0;

	while (full == 0 && page.count < limit && (a < audit->count || r < receipts->count)) {
		bool first = r == receipts->count ||
			     (a < audit->count && audit->of[a].time > receipts->of[r].time);
		const struct event *e = first ? &audit->of[a++] : &receipts->of[r++];

		before[!first] = e->id;
		full = page_add(&page, json_incref(e->object));
	}
	if (a < audit->count || r < receipts->count)
		snprintf(next, sizeof(next), "%llu.%llu",
			(unsigned long long)(before[0] ? before[0] : INT64_MAX),
			(unsigned long long)(before[1] ? before[1] : INT64_MAX));
	page_answer(c, &page, NULL, "events", next);
	page_endp(&page);
}

static int load(struct api_call *c, const struct client_record *client,
	const uint64_t before[static 2], uint32_t limit, struct events *audit,
	struct events *receipts)
{
	char id[CLIENT_ID_TEXT_SIZE];
	struct audit_look look = { .object = id, .before = before[0], .rows = limit + 1 };
	uint64_t last;
	int r;

	sodium_bin2hex(id, sizeof(id), client->id, sizeof(client->id));
	r = store_audit_recent(c->server->store, &look, add_audit, audit, &last);
	if (r >= 0)
		r = store_receipt_recent(
			c->server->store, client->id, before[1], limit + 1, add_receipt, receipts);
	return r < 0 ? r : 0;
}

void api_client_timeline(struct api_call *c)
{
	static struct events audit, receipts; /* large, and used nowhere beyond this call */
	static struct client_record client;
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	uint64_t before[2], limit;
	int r;

	if (!read_query(c, params, COUNT(params)) || !read_after(c, &params[0], before) ||
		!read_number(c, &params[1], 1, TIMELINE_MAX, 50, &limit))
		return;
	r = store_client_get(c->server->store, c->id, &client);
	if (r == 0)
		r = load(c, &client, before, (uint32_t)limit, &audit, &receipts);
	if (r < 0)
		answer_store_error(c, r, "client");
	else
		merge(c, &audit, &receipts, before, limit);
	clear(&audit);
	clear(&receipts);
}
