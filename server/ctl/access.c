/* SPDX-License-Identifier: MIT */
/* Who may use the API over HTTP. */
#include <string.h>

#include "table.h"

static enum paint paint_of(const char *state)
{
	return strcmp(state, "live") == 0 ? PAINT_GOOD : PAINT_BAD;
}

static const char *or_all(const char *scope)
{
	return *scope ? scope : "*";
}

/* ---- create */

struct wishes {
	const char *name, *role, *scope, *expires;
};

static json_t *order(const struct wishes *w)
{
	json_t *body = json_pack("{s:s, s:s}", "name", w->name, "role", w->role);

	if (body && w->scope)
		json_object_set_new(body, "scope", json_string(w->scope));
	if (body && w->expires)
		json_object_set_new(body, "expires", json_string(w->expires));
	return body;
}

/* The secret goes to standard output and nowhere else, so that it can be piped. */
static int print_secret(json_t *token)
{
	char time[WHEN_SIZE];

	say(stdout, "%s", get(token, "secret"));
	fflush(stdout);
	say(stderr, "API token %s: %s, for machines %s, expires %s", get(token, "id"),
		get(token, "role"), or_all(get(token, "scope")),
		when(get(token, "expires"), "never", time));
	fprintf(stderr, "The token itself is shown only this once.\n");
	return CTL_OK;
}

static int create(struct ctl *c, const struct wishes *w)
{
	json_t *body = order(w), *token = NULL;
	int r = body ? request_post(c, "/api/v1/api-tokens", body, &token)
		     : complain(CTL_USAGE, "the name is not UTF-8");

	json_decref(body);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(token);
	r = print_secret(token);
	json_decref(token);
	return r;
}

int access_create(struct ctl *c, int argc, char **argv)
{
	struct wishes w = {};
	const struct option options[] = {
		{ "role", OPTION_VALUE, { .value = &w.role } },
		{ "scope", OPTION_VALUE, { .value = &w.scope } },
		{ "expires", OPTION_VALUE, { .value = &w.expires } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (!w.role)
		return complain(CTL_USAGE, "--role viewer, operator or administrator?");
	w.name = argv[0];
	return create(c, &w);
}

/* ---- list, revoke */

static void list_one(void *userdata, json_t *token)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];
	const char *state = get(token, "state");

	table_row(t, get(token, "created"));
	table_add(t, get(token, "id"), PAINT_NONE);
	table_add(t, get(token, "name"), PAINT_NONE);
	table_add(t, get(token, "role"), PAINT_NONE);
	table_add(t, or_all(get(token, "scope")), PAINT_NONE);
	table_add(t, state, paint_of(state));
	table_add(t, when(get(token, "expires"), "never", time), PAINT_NONE);
	table_add(t, when(get(token, "last_used"), "never", time), PAINT_NONE);
	table_add(t, when(get(token, "created"), "", time), PAINT_NONE);
	table_add(t, get(token, "created_by"), PAINT_NONE);
}

int access_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "NAME", "ROLE", "SCOPE", "STATE", "EXPIRES",
		"LAST USED", "CREATED", "BY" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_list(c, "/api/v1/api-tokens", "api_tokens", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "no API tokens yet: musterctl api-token create\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

int access_revoke(struct ctl *c, int argc, char **argv)
{
	char path[256];
	json_t *token = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "api-tokens", argv[0], "revoke") < 0)
		return complain(CTL_NOT_FOUND, "there is no API token '%s'", argv[0]);
	r = request_post(c, path, NULL, &token);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(token);
	say(stdout, "API token %s is revoked", get(token, "id"));
	json_decref(token);
	return CTL_OK;
}
