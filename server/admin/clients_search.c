/* SPDX-License-Identifier: MIT */
#include "clients_search.h"

#include <errno.h>
#include <string.h>

#include "../presence.h"
#include "answer.h"
#include "clients_json.h"
#include "filters.h"
#include "found.h"
#include "read.h"

/* ---- what is asked for */

static bool read_state(struct api_call *c, const struct param *p, int *ret)
{
	*ret = -1;
	if (!p->given)
		return true;
	for (int state = 0; state < CLIENT_REMOVED; state++)
		if (strcmp(p->value, client_state_name((enum client_state)state)) == 0)
			*ret = state;
	if (*ret >= 0)
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter 'state' must be enrolled, left, suspended, revoked, pending or "
		"replaced");
	return false;
}

/* Within what who asks may see. */
static bool read_selector(
	struct api_call *c, const struct param *p, char ret[static API_SELECTOR_SIZE])
{
	char both[API_SELECTOR_SIZE];
	const char *meant = api_selector(c, p->given ? p->value : NULL, both);

	snprintf(ret, API_SELECTOR_SIZE, "%s", meant ? meant : "");
	if (!p->given || selector_check(p->value) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter 'label': '%.200s' is not a selector: terms KEY, KEY=VALUE, "
		"KEY!=VALUE or !KEY with commas between them, or *",
		p->value);
	return false;
}

static bool read_connected(struct api_call *c, const struct param *p, int *ret)
{
	*ret = !p->given ? -1 : strcmp(p->value, "yes") == 0;
	if (*ret != 0 || strcmp(p->value, "no") == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter 'connected' must be yes or no");
	return false;
}

bool read_wish(struct api_call *c, const struct param *params, struct client_wish *ret)
{
	return read_selector(c, &params[WISH_LABEL], ret->selector) &&
	       read_state(c, &params[WISH_STATE], &ret->state) &&
	       read_words(c, &params[WISH_TEXT], ret->text) &&
	       read_connected(c, &params[WISH_CONNECTED], &ret->connected);
}

/* ---- looking */

struct search {
	struct client_wish wish;
	struct client_search asked;
	struct client_place place;
	struct found found;
	uint64_t count;
};

static struct search *start(struct api_call *c, const struct client_wish *wish)
{
	struct search *s = api_state(c, sizeof(*s));

	if (!s)
		return NULL;
	s->wish = *wish;
	s->asked.state = wish->state;
	s->asked.selector = *wish->selector ? s->wish.selector : NULL;
	s->asked.text = s->wish.text;
	return s;
}

static bool is_meant(const struct api_call *c, const struct client_sight *sight)
{
	const struct search *s = c->state;

	return s->wish.connected < 0 ||
	       s->wish.connected == presence_sight(c->server, sight->place->id);
}

static int take(void *userdata, const struct client_sight *sight)
{
	struct api_call *c = userdata;
	struct search *s = c->state;

	return is_meant(c, sight) ? found_add(&s->found, sight->place) : 0;
}

/* ---- a page */

static int add_client(struct api_call *c, const struct client_record *client, struct page *page)
{
	return page_add(page, client_object(c->server, client));
}

static void answer_page(struct api_call *c)
{
	const struct search *s = c->state;

	found_answer(c, &s->found, "clients", add_client);
}

/* Also where the database's answer was an error: true if there is more to do. */
static bool step(struct api_call *c, client_sighting visit, void (*answer)(struct api_call *c))
{
	struct search *s = c->state;
	int r = store_client_search(c->server->store, &s->asked, &s->place, STEP_ROWS, visit, c);

	if (r > 0 && !s->found.more)
		return true;
	if (r == -EINVAL)
		answer_refuse(
			c, 400, "bad-parameter", "parameter 'after' must be what 'next' has said");
	else if (r < 0)
		answer_store_error(c, r, "client");
	else
		answer(c);
	return false;
}

static bool search_on(struct api_call *c)
{
	return step(c, take, answer_page);
}

static bool read_sort(struct api_call *c, const struct param *p, struct client_search *ret)
{
	static const char *const names[CLIENT_SORTS] = {
		[SORT_HOSTNAME] = "hostname",
		[SORT_ENROLLED] = "enrolled",
		[SORT_SEEN] = "seen",
	};

	ret->descending = *p->value == '-';
	for (size_t i = 0; i < COUNT(names); i++) {
		ret->sort = (enum client_sort)i;
		if (!p->given || strcmp(p->value + ret->descending, names[i]) == 0)
			return true;
	}
	answer_refuse(c, 400, "bad-parameter",
		"parameter 'sort' must be hostname, enrolled or seen, or one of these with - "
		"before it; or id, without 'q' and 'connected'");
	return false;
}

void clients_search(struct api_call *c, const struct client_wish *wish, const struct param *sort,
	const struct param *after, uint64_t limit)
{
	struct search *s = start(c, wish);

	if (!s || !read_sort(c, sort, &s->asked) || !read_place(c, after, &s->place))
		return;
	s->found.limit = limit;
	if (search_on(c))
		c->step = search_on;
}

/* ---- counting */

static int count_one(void *userdata, const struct client_sight *sight)
{
	struct search *s = ((struct api_call *)userdata)->state;

	s->count += is_meant(userdata, sight);
	return 0;
}

static void answer_count(struct api_call *c)
{
	const struct search *s = c->state;

	answer_json(c, 200, json_pack("{s:I}", "count", (json_int_t)s->count));
}

static bool count_on(struct api_call *c)
{
	return step(c, count_one, answer_count);
}

void clients_count(struct api_call *c, const struct client_wish *wish)
{
	if (start(c, wish) && count_on(c))
		c->step = count_on;
}
