/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "answer.h"
#include "clients_json.h"
#include "clients_search.h"
#include "page.h"
#include "read.h"

#define SCAN_MAX 2000 /* rows looked at for one page: a few milliseconds */

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

void api_client_count(struct api_call *c)
{
	struct param params[] = { WISH_PARAMS };
	struct client_wish wish;

	if (read_query(c, params, COUNT(params)) && read_wish(c, params, &wish))
		clients_count(c, &wish);
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
