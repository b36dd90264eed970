/* SPDX-License-Identifier: MIT */
/* Where what happens is sent to. */
#include <string.h>

#include "table.h"

static enum paint paint_of(const char *state)
{
	return strcmp(state, "active") == 0 ? PAINT_GOOD : PAINT_BAD;
}

/* The secret goes to standard output and nowhere else, so that it can be piped. */
static int print_secret(json_t *hook)
{
	say(stdout, "%s", get(hook, "secret"));
	fflush(stdout);
	say(stderr, "webhook %s: its secret is shown only this once.", get(hook, "id"));
	return CTL_OK;
}

int webhook_add(struct ctl *c, int argc, char **argv)
{
	json_t *events = json_array(), *hook = NULL, *body;
	const char *note = NULL;
	const struct option options[] = {
		{ "event", OPTION_LIST, { .list = events } },
		{ "note", OPTION_VALUE, { .value = &note } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 1);

	if (r != CTL_OK) {
		json_decref(events);
		return r;
	}
	body = json_pack("{s:s, s:s?}", "url", argv[0], "note", note);
	if (body && json_array_size(events) > 0)
		json_object_set(body, "events", events);
	json_decref(events);
	r = body ? request_post(c, "/api/v1/webhooks", body, &hook)
		 : complain(CTL_USAGE, "the URL or the note is not UTF-8");
	json_decref(body);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(hook);
	r = print_secret(hook);
	json_decref(hook);
	return r;
}

/* ---- list */

static const char *joined(json_t *events, char *ret, size_t size)
{
	size_t i, len = 0;
	json_t *event;

	*ret = '\0';
	json_array_foreach (events, i, event) {
		snprintf(ret + len, size - len, "%s%s", i ? " " : "",
			json_string_value(event) ? json_string_value(event) : "");
		len = strlen(ret);
	}
	return ret;
}

static void list_one(void *userdata, json_t *hook)
{
	struct table *t = userdata;
	char time[WHEN_SIZE], events[600];
	const char *state = get(hook, "state");

	table_row(t, get(hook, "created"));
	table_add(t, get(hook, "id"), PAINT_NONE);
	table_add(t, state, paint_of(state));
	table_add(t, get(hook, "url"), PAINT_NONE);
	table_add(t, joined(json_object_get(hook, "events"), events, sizeof(events)), PAINT_NONE);
	table_add(t, when(get(hook, "delivered"), "never", time), PAINT_NONE);
	table_add(t, when(get(hook, "failing_since"), "", time), PAINT_NONE);
	table_add(t, get(hook, "error"), PAINT_NONE);
	table_add(t, get(hook, "note"), PAINT_NONE);
}

int webhook_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "STATE", "URL", "EVENTS", "DELIVERED",
		"FAILING SINCE", "ERROR", "NOTE" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	json_t *answer = NULL, *hook;
	size_t i;
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_get(c, "/api/v1/webhooks", &answer);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(answer);
	json_array_foreach (json_object_get(answer, "webhooks"), i, hook)
		list_one(&t, hook);
	json_decref(answer);
	if (t.count == 0)
		fprintf(stderr, "no webhooks yet: musterctl webhook add\n");
	return table_print(c, &t);
}

/* ---- what is done to one */

static int ask(struct ctl *c, int argc, char **argv, const char *act, json_t **ret)
{
	char path[256];
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "webhooks", argv[0], act) < 0)
		return complain(CTL_NOT_FOUND, "there is no webhook '%s'", argv[0]);
	return request_post(c, path, NULL, ret);
}

static int change(struct ctl *c, int argc, char **argv, const char *act, const char *said)
{
	json_t *hook = NULL;
	int r = ask(c, argc, argv, act, &hook);

	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(hook);
	say(stdout, "webhook %s is %s", get(hook, "id"), said);
	json_decref(hook);
	return CTL_OK;
}

int webhook_remove(struct ctl *c, int argc, char **argv)
{
	return change(c, argc, argv, "remove", "removed");
}

int webhook_enable(struct ctl *c, int argc, char **argv)
{
	return change(c, argc, argv, "enable", "enabled");
}

int webhook_test(struct ctl *c, int argc, char **argv)
{
	json_t *result = NULL;
	int r = ask(c, argc, argv, "test", &result);
	bool delivered;

	if (r != CTL_OK)
		return r;
	delivered = json_is_true(json_object_get(result, "delivered"));
	if (c->json)
		r = print_json(json_incref(result));
	else if (delivered)
		printf("delivered\n");
	else
		complain(CTL_FAILED, "not delivered: %s", get(result, "error"));
	json_decref(result);
	return r == CTL_OK && !delivered ? CTL_FAILED : r;
}
