/* SPDX-License-Identifier: MIT */
#include "recent.h"

#include <errno.h>
#include <string.h>

#include "../store/recent.h"
#include "answer.h"
#include "audit_json.h"
#include "filters.h"
#include "messages_json.h"
#include "page.h"
#include "read.h"

/* ---- a listing in steps: one of the looks goes on until the page is full */

struct newest {
	struct page page;
	size_t limit, steps;
	uint64_t last; /* looked at */
	bool full;
	struct audit_look audit;
	struct message_look message;
	char object[API_ID_SIZE], act[API_ID_SIZE], type[MSG_TYPE_SIZE];
	uint8_t client[CLIENT_ID_SIZE];
};

static int add(struct newest *n, json_t *object)
{
	int r = page_add(&n->page, object);

	n->full = r > 0 || n->page.count == n->limit;
	return r < 0 ? r : n->full;
}

/* extra: as page_answer() takes it. */
static void answer(struct api_call *c, const char *name, int more, json_t *extra)
{
	struct newest *n = c->state;
	char next[24] = "";

	if (more < 0 && n->page.error == 0) {
		json_decref(extra);
		answer_store_error(c, more, "entry");
		page_endp(&n->page);
		return;
	}
	if (more > 0)
		snprintf(next, sizeof(next), "%llu", (unsigned long long)n->last);
	page_answer(c, &n->page, extra, name, next);
	page_endp(&n->page);
}

/* true: on to the next step. A full page has a next, even if nothing comes after it. */
static bool goes_on(struct newest *n, int r)
{
	return r > 0 && !n->full && ++n->steps < STEPS_MAX;
}

static struct newest *newest_start(struct api_call *c, const struct param *limit,
	const struct param *after, uint64_t *ret_before)
{
	struct newest *n = api_state(c, sizeof(*n));
	uint64_t count;

	if (!n || !read_number(c, limit, 1, PAGE_MAX, PAGE_DEFAULT, &count) ||
		!read_number(c, after, 1, INT64_MAX, 0, ret_before))
		return NULL;
	n->limit = count;
	return n;
}

/* ---- audit */

static int add_entry(void *userdata, const struct audit_record *a)
{
	return add(userdata, audit_json(a));
}

static bool audit_step(struct api_call *c)
{
	struct newest *n = c->state;
	int r = store_audit_recent(c->server->store, &n->audit, add_entry, n, &n->last);

	n->audit.before = n->last;
	if (goes_on(n, r))
		return true;
	answer(c, "entries", r, NULL);
	return false;
}

static bool read_short(struct api_call *c, const struct param *p, char ret[static API_ID_SIZE])
{
	snprintf(ret, API_ID_SIZE, "%.*s", API_ID_SIZE - 1, p->value);
	if (strlen(p->value) < API_ID_SIZE)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' is longer than %d characters",
		p->name, API_ID_SIZE - 1);
	return false;
}

void audit_newest(struct api_call *c, const struct audit_asked *asked)
{
	char text[WORDS_SIZE];
	uint64_t before;
	struct newest *n = newest_start(c, asked->limit, asked->after, &before);

	if (!n || !read_short(c, asked->object, n->object) || !read_short(c, asked->act, n->act) ||
		!read_words(c, asked->text, text))
		return;
	n->audit = (struct audit_look){ .before = before, .rows = STEP_ROWS };
	n->audit.object = asked->object->given ? n->object : NULL;
	n->audit.act = asked->act->given ? n->act : NULL;
	if (words_split(text, &n->audit.words) == 0 && audit_step(c))
		c->step = audit_step;
}

/* ---- messages */

static int add_message(void *userdata, const struct message_record *m)
{
	return add(userdata, message_json(m));
}

static bool message_step(struct api_call *c)
{
	struct newest *n = c->state;
	uint64_t head = 0;
	int r = store_message_recent(c->server->store, &n->message, add_message, n, &n->last);

	n->message.before = n->last;
	if (goes_on(n, r))
		return true;
	int known = r < 0 ? r : store_message_head(c->server->store, &head);
	answer(c, "messages", known < 0 ? known : r, json_pack("{s:I}", "last", (json_int_t)head));
	return false;
}

void messages_newest(struct api_call *c, const struct message_asked *asked)
{
	char text[WORDS_SIZE];
	uint64_t before, since, until;
	struct newest *n = newest_start(c, asked->limit, asked->after, &before);

	if (!n || !read_words(c, asked->text, text) || !read_time(c, asked->since, &since) ||
		!read_time(c, asked->until, &until))
		return;
	n->message = (struct message_look){
		.before = before, .rows = STEP_ROWS, .since = since, .until = until
	};
	if (asked->client) {
		memcpy(n->client, asked->client, sizeof(n->client));
		n->message.client = n->client;
	}
	if (asked->type) {
		snprintf(n->type, sizeof(n->type), "%s", asked->type);
		n->message.type = n->type;
	}
	if (words_split(text, &n->message.words) == 0 && message_step(c))
		c->step = message_step;
}
