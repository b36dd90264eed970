/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "../store/messages.h"
#include "filters.h"
#include "lib/text.h"
#include "messages_json.h"
#include "recent.h"

#define SCAN_ROWS  2000   /* looked at for one answer */
#define WAIT_MAX   60     /* seconds */
#define WAIT_PAUSE 200000 /* microseconds between looks */

/* A question, also while it waits for an answer. */
struct asked {
	struct message_filter filter;
	uint8_t client[CLIENT_ID_SIZE];
	char type[MSG_TYPE_SIZE];
	uint64_t limit, until; /* until: CLOCK_MONOTONIC, seconds; 0: doesn't wait */
	uint64_t head;         /* seq given last when it was looked for */
};

struct listing {
	struct page page;
	uint64_t last;
	size_t limit;
	bool more;
};

json_t *message_json(const struct message_record *m)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "seq", (json_int_t)m->seq,
		"client", value_hex(m->client, sizeof(m->client)), "hostname",
		value_said_or_null(m->hostname), "type", value_said(m->type), "sent",
		value_time(m->sent), "received", value_time(m->received), "number",
		(json_int_t)m->number, "text", json_string(m->text));
}

static int list_one(void *userdata, const struct message_record *m)
{
	struct listing *l = userdata;
	int r;

	if (l->page.count == l->limit) {
		l->more = true;
		return 1;
	}
	r = page_add(&l->page, message_json(m));
	l->last = m->seq;
	if (r > 0)
		l->limit = l->page.count;
	return r < 0 ? r : 0;
}

/* After an answer with no "next" there may be more later: what is asked for then is after "last".
 */
static void answer_page(struct api_call *c, struct listing *l, uint64_t next, uint64_t head)
{
	uint64_t last = l->more ? l->last : next > 0 ? next : l->last > head ? l->last : head;
	json_t *extra = json_pack("{s:I}", "last", (json_int_t)last);
	char text[24] = "";

	if (l->more || next > 0)
		snprintf(text, sizeof(text), "%llu", (unsigned long long)last);
	page_answer(c, &l->page, extra, "messages", text);
}

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* false: nothing to tell yet, and there is time left. */
static bool try_answer(struct api_call *c, struct asked *a)
{
	struct listing l = { .limit = a->limit };
	uint64_t next = 0, head = 0;
	int r = store_message_head(c->server->store, &head);
	bool done = true;

	if (r == 0 && (a->until == 0 || head != a->head || seconds_now() >= a->until))
		r = store_message_each(c->server->store, &a->filter, list_one, &l, &next);
	if (r < 0 && l.page.error == 0)
		answer_store_error(c, r, "message");
	else if (l.page.count == 0 && next == 0 && seconds_now() < a->until)
		done = false;
	else
		answer_page(c, &l, next, head);
	a->head = head;
	page_endp(&l.page);
	return done;
}

static bool look_again(struct api_call *c)
{
	return !try_answer(c, c->state);
}

static bool ask_for_client(struct api_call *c, const struct param *p, struct asked *a)
{
	struct client_record client;
	int r;

	if (!p->given)
		return true;
	snprintf(c->id, sizeof(c->id), "%.63s", p->value);
	r = store_client_get(c->server->store, p->value, &client);
	if (r < 0) {
		answer_store_error(c, r, "client");
		return false;
	}
	memcpy(a->client, client.id, sizeof(a->client));
	a->filter.client = a->client;
	return true;
}

static bool ask_for_type(struct api_call *c, const struct param *p, struct asked *a)
{
	if (!p->given)
		return true;
	if (!msg_type_ok(p->value)) {
		answer_refuse(c, 400, "bad-parameter",
			"parameter 'type': 1 to 64 characters of a-z 0-9 . _ -");
		return false;
	}
	memcpy(a->type, p->value, strlen(p->value) + 1);
	a->filter.type = a->type;
	return true;
}

/* The parameters in the order of api_message_list(). */
static void list_newest(struct api_call *c, const struct param *params)
{
	struct message_asked asked = { .after = &params[0],
		.limit = &params[1],
		.text = &params[7],
		.since = &params[8],
		.until = &params[9] };
	struct asked who = {};

	if (!ask_for_client(c, &params[3], &who) || !ask_for_type(c, &params[4], &who))
		return;
	asked.client = who.filter.client;
	asked.type = who.filter.type;
	messages_newest(c, &asked);
}

void api_message_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" }, { .name = "last" },
		{ .name = "client" }, { .name = "type" }, { .name = "wait" }, { .name = "order" },
		{ .name = "q" }, { .name = "since" }, { .name = "until" } };
	struct asked *a;
	uint64_t wait;
	bool newest;

	if (!read_query(c, params, COUNT(params)) || !read_newest(c, &params[6], &newest) ||
		!goes_with_order(c, newest, &params[2], &params[7], 3) ||
		!goes_with_order(c, newest, &params[5], &params[7], 3))
		return;
	if (newest) {
		list_newest(c, params);
		return;
	}
	a = api_state(c, sizeof(*a));
	if (!a || !read_number(c, &params[0], 0, INT64_MAX, 0, &a->filter.after) ||
		!read_number(c, &params[1], 1, PAGE_MAX, PAGE_DEFAULT, &a->limit) ||
		!read_number(c, &params[2], 1, INT32_MAX, 0, &a->filter.last) ||
		!ask_for_client(c, &params[3], a) || !ask_for_type(c, &params[4], a) ||
		!read_number(c, &params[5], 1, WAIT_MAX, 0, &wait))
		return;
	a->filter.scan = SCAN_ROWS;
	a->head = UINT64_MAX;
	a->until = wait > 0 ? seconds_now() + wait : 0;
	if (try_answer(c, a))
		return;
	c->step = look_again;
	c->pause = WAIT_PAUSE;
}

static int show_one(void *userdata, const struct message_record *m)
{
	answer_json(userdata, 200, message_json(m));
	return 0;
}

void api_message_show(struct api_call *c)
{
	uint64_t seq = 0;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = text_number(c->id, 1, INT64_MAX, &seq) < 0
		    ? -ENOENT
		    : store_message_get(c->server->store, seq, show_one, c);
	if (r < 0)
		answer_store_error(c, r, "message");
}
