/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "../store/messages.h"
#include "answer.h"
#include "carrier_call.h"
#include "filters.h"
#include "lib/text.h"
#include "messages_json.h"
#include "page.h"
#include "read.h"
#include "recent.h"

#define SCAN_ROWS   2000  /* looked at for one answer */
#define WAIT_MAX    60    /* seconds */
#define GATHER_USEC 20000 /* what comes within that is one look */

/* A question, also while it waits for an answer. */
struct asked {
	struct message_filter filter;
	uint8_t client[CLIENT_ID_SIZE];
	char client_hex[CLIENT_ID_TEXT_SIZE]; /* "": of all */
	char type[MSG_TYPE_SIZE];
	uint64_t limit, until; /* until: CLOCK_MONOTONIC, microseconds; 0: doesn't wait */
	struct server *server;
	struct carrier *carrier;
	struct watcher watcher; /* while it waits */
};

struct messages {
	struct listing listing;
	uint64_t last; /* seq of those taken */
};

static int list_one(void *userdata, const struct message_record *m)
{
	struct messages *taken = userdata;
	int r = listing_add(&taken->listing, message_json(m), "%" PRIu64, m->seq);

	if (r == 0)
		taken->last = m->seq;
	return r;
}

/* After an answer with no "next" there may be more later: what is asked for then is after "last".
 */
static void answer_page(struct api_call *c, struct messages *m, uint64_t next, uint64_t head)
{
	bool more = m->listing.more;
	uint64_t last = more ? m->last : next > 0 ? next : m->last > head ? m->last : head;
	json_t *extra = json_pack("{s:I}", "last", (json_int_t)last);
	char text[24] = "";

	if (more || next > 0)
		snprintf(text, sizeof(text), "%" PRIu64, last);
	page_answer(c, &m->listing.page, extra, "messages", text);
}

static uint64_t usec_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t usec_left(const struct asked *a)
{
	uint64_t now = usec_now();

	return a->until > now ? a->until - now : 0;
}

/* false: nothing to tell yet, and there is time left. */
static bool try_answer(struct api_call *c, struct asked *a)
{
	struct messages m = { .listing.limit = a->limit };
	uint64_t next = 0, head = 0;
	bool settled = !turn_is_open(c->server->turn), done = true;
	int r = store_message_head(c->server->store, &head);

	if (r == 0)
		r = store_message_each(c->server->store, &a->filter, list_one, &m, &next);
	if (r < 0 && m.listing.page.error == 0)
		answer_store_error(c, r, "message");
	else if (m.listing.page.count == 0 && next == 0 && usec_left(a) > 0)
		done = false;
	else
		answer_page(c, &m, next, head);
	/* Of the others the next look need not know: unless their turn may still be undone. */
	if (!done && settled && head > a->filter.after)
		a->filter.after = head;
	page_endp(&m.listing.page);
	return done;
}

/* ---- waiting: as soon as something is told of, or at the end of the time */

static bool look_again(struct api_call *c)
{
	struct asked *a = c->state;
	bool more = !try_answer(c, a);

	c->pause = usec_left(a);
	return more;
}

static void on_changes(struct watcher *w, const struct change *changes, size_t count)
{
	struct asked *a = (struct asked *)((char *)w - offsetof(struct asked, watcher));

	for (size_t i = 0; i < count; i++)
		if (changes[i].topic == CHANGE_MESSAGES &&
			(*changes[i].id == '\0' || *a->client_hex == '\0' ||
				strcmp(changes[i].id, a->client_hex) == 0))
			carrier_hasten(a->carrier, GATHER_USEC);
}

static void end_waiting(void *state)
{
	struct asked *a = state;

	changes_unwatch(a->server, &a->watcher);
}

/* Whatever comes after the look is told of later than this: changes are given out by the loop. */
static void wait_for_more(struct api_call *c, struct asked *a)
{
	a->server = c->server;
	a->carrier = c->carrier;
	a->watcher.changed = on_changes;
	changes_watch(c->server, &a->watcher);
	c->end = end_waiting;
	c->step = look_again;
	c->pause = usec_left(a);
}

/* ---- the question */

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
	sodium_bin2hex(a->client_hex, sizeof(a->client_hex), client.id, CLIENT_ID_SIZE);
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
	if (wait > 0)
		a->until = usec_now() + wait * 1000000;
	if (!try_answer(c, a))
		wait_for_more(c, a);
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
