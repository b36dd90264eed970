/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/text.h"
#include "script.h"
#include "table.h"

static enum paint paint_of(const char *state)
{
	if (strcmp(state, "live") == 0)
		return PAINT_GOOD;
	return strcmp(state, "used-up") == 0 ? PAINT_DIM : PAINT_BAD;
}

/* "2 of 5", "7 of unlimited". */
static void uses_text(json_t *token, char *ret, size_t size)
{
	json_t *uses = json_object_get(token, "uses");
	long long used = json_integer_value(json_object_get(token, "used"));

	if (json_is_integer(uses))
		snprintf(ret, size, "%lld of %lld", used, (long long)json_integer_value(uses));
	else
		snprintf(ret, size, "%lld of unlimited", used);
}

/* ---- create */

struct wishes {
	json_t *labels;
	const char *uses, *expires, *note;
	const char *ephemeral;
	bool approve, installer, embed;
};

/* The request's body, or NULL and *ret_code. */
static json_t *order(const struct wishes *w, int *ret_code)
{
	json_t *body = json_pack("{s:O}", "labels", w->labels);
	uint64_t uses = 0;

	*ret_code = CTL_FAILED;
	if (!body)
		return NULL;
	if (w->uses && strcmp(w->uses, "unlimited") == 0)
		json_object_set_new(body, "uses", json_null());
	else if (w->uses && text_number(w->uses, 1, UINT32_MAX - 1, &uses) == 0)
		json_object_set_new(body, "uses", json_integer((json_int_t)uses));
	else if (w->uses) {
		json_decref(body);
		*ret_code = complain(CTL_USAGE,
			"--uses: '%s' is not a number from 1 to 4294967294, or unlimited", w->uses);
		return NULL;
	}
	if (w->expires)
		json_object_set_new(body, "expires", json_string(w->expires));
	if (w->note)
		json_object_set_new(body, "note", json_string(w->note));
	if (w->approve)
		json_object_set_new(body, "approve", json_true());
	if (w->ephemeral && text_duration(w->ephemeral, &uses) == 0)
		json_object_set_new(body, "ephemeral", json_integer((json_int_t)uses));
	else if (w->ephemeral) {
		json_decref(body);
		*ret_code = complain(CTL_USAGE,
			"--ephemeral: '%s' is not a duration, as 90s, 15m, 12h or 7d",
			w->ephemeral);
		return NULL;
	}
	return body;
}

static void describe(json_t *token)
{
	char uses[64], time[WHEN_SIZE];
	scoped(freep) char *labels = labels_text(json_object_get(token, "labels"));

	uses_text(token, uses, sizeof(uses));
	say(stderr, "token %s: %s used, expires %s%s%s", get(token, "id"), uses,
		when(get(token, "expires"), "never", time), labels && *labels ? ", labels " : "",
		labels ? labels : "");
}

/* The digits go to standard output and nowhere else, so that they can be piped. */
static int print_digits(struct ctl *c, json_t *token)
{
	json_t *server = NULL;
	int r;

	say(stdout, "%s", get(token, "token"));
	fflush(stdout);
	describe(token);
	fprintf(stderr, "The token itself is shown only this once.\n");
	r = request_get(c, "/api/v1/status", &server);
	if (r == CTL_OK)
		script_explain(get(server, "name"), get(server, "pin"));
	json_decref(server);
	return r;
}

static int create(struct ctl *c, const struct wishes *w)
{
	json_t *token = NULL;
	int r = CTL_OK;
	json_t *body = order(w, &r);

	if (body)
		r = request_post(c, "/api/v1/tokens", body, &token);
	json_decref(body);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(token);
	if (!w->installer)
		r = print_digits(c, token);
	else {
		describe(token);
		r = script_print(c, get(token, "token"), w->embed);
	}
	json_decref(token);
	return r;
}

int token_create(struct ctl *c, int argc, char **argv)
{
	struct wishes w = { .labels = json_array() };
	const struct option options[] = {
		{ "label", OPTION_LIST, { .list = w.labels } },
		{ "uses", OPTION_VALUE, { .value = &w.uses } },
		{ "expires", OPTION_VALUE, { .value = &w.expires } },
		{ "note", OPTION_VALUE, { .value = &w.note } },
		{ "ephemeral", OPTION_VALUE, { .value = &w.ephemeral } },
		{ "approve", OPTION_FLAG, { .flag = &w.approve } },
		{ "installer", OPTION_FLAG, { .flag = &w.installer } },
		{ "embed", OPTION_FLAG, { .flag = &w.embed } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r == CTL_OK && w.embed && !w.installer)
		r = complain(CTL_USAGE, "--embed is for --installer");
	if (r == CTL_OK && w.installer && c->json)
		r = complain(CTL_USAGE, "--installer prints a script; it can't be --json as well");
	if (r == CTL_OK)
		r = create(c, &w);
	json_decref(w.labels);
	return r;
}

/* ---- list */

static const char *ephemeral_text(json_t *token, char ret[static WHEN_SIZE])
{
	json_t *seconds = json_object_get(token, "ephemeral");

	return json_is_integer(seconds) ? lasting(json_integer_value(seconds), ret) : "no";
}

static void list_one(void *userdata, json_t *token)
{
	struct table *t = userdata;
	char text[64], time[WHEN_SIZE];
	const char *state = get(token, "state");
	scoped(freep) char *labels = labels_text(json_object_get(token, "labels"));

	table_row(t, get(token, "created"));
	table_add(t, get(token, "id"), PAINT_NONE);
	table_add(t, state, paint_of(state));
	uses_text(token, text, sizeof(text));
	table_add(t, text, PAINT_NONE);
	table_add(t, when(get(token, "expires"), "never", time), PAINT_NONE);
	table_add(t, when(get(token, "created"), "", time), PAINT_NONE);
	table_add(t, get(token, "created_by"), PAINT_NONE);
	table_add(t, json_is_true(json_object_get(token, "approve")) ? "yes" : "no", PAINT_NONE);
	table_add(t, ephemeral_text(token, time), PAINT_NONE);
	table_add(t, labels ? labels : "", PAINT_NONE);
	table_add(t, get(token, "note"), PAINT_NONE);
}

int token_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "STATE", "USED", "EXPIRES", "CREATED", "BY",
		"APPROVE", "EPHEMERAL", "LABELS", "NOTE" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_list(c, "/api/v1/tokens", "tokens", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "no tokens yet: musterctl token create\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

/* ---- show, revoke */

static void print_token(struct ctl *c, json_t *token)
{
	char text[64], time[WHEN_SIZE];
	const char *state = get(token, "state"), *expires = get(token, "expires");
	scoped(freep) char *labels = labels_text(json_object_get(token, "labels"));

	field(c, "ID", get(token, "id"));
	field_painted(c, "State", state, paint_of(state));
	uses_text(token, text, sizeof(text));
	field(c, "Used", text);
	field(c, "Expires", *expires ? when_exactly(expires, time) : "never");
	field(c, "Revoked", when_exactly(get(token, "revoked"), time));
	field(c, "Created", when_exactly(get(token, "created"), time));
	field(c, "By", get(token, "created_by"));
	if (json_is_true(json_object_get(token, "approve")))
		field(c, "Approve", "its machines wait until they are approved");
	if (json_is_integer(json_object_get(token, "ephemeral")))
		fieldf(c, "Ephemeral", "its machines are removed after %s offline",
			ephemeral_text(token, time));
	field(c, "Labels", labels ? labels : "");
	field(c, "Note", get(token, "note"));
}

static void list_user(void *userdata, json_t *client)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];

	table_row(t, get(client, "enrolled"));
	table_add(t, get(client, "id"), PAINT_NONE);
	table_add(t, get(client, "hostname"), PAINT_NONE);
	table_add(t, get(client, "state"), PAINT_NONE);
	table_add(t, when(get(client, "enrolled"), "", time), PAINT_NONE);
	table_add(t, get(client, "address"), PAINT_NONE);
}

static int print_users(struct ctl *c, const char *path)
{
	static const char *const titles[] = { "CLIENT", "HOSTNAME", "STATE", "ENROLLED",
		"ADDRESS" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = request_list(c, path, "clients", list_user, &t);

	if (r == CTL_OK && t.count > 0)
		putchar('\n');
	return r == CTL_OK ? table_print(c, &t) : r;
}

int token_show(struct ctl *c, int argc, char **argv)
{
	char path[256];
	json_t *token = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "tokens", argv[0], NULL) < 0)
		return complain(CTL_NOT_FOUND, "there is no token '%s'", argv[0]);
	r = request_get(c, path, &token);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(token);
	print_token(c, token);
	json_decref(token);
	return print_users(c, path);
}

int token_revoke(struct ctl *c, int argc, char **argv)
{
	char path[256];
	json_t *token = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "tokens", argv[0], "revoke") < 0)
		return complain(CTL_NOT_FOUND, "there is no token '%s'", argv[0]);
	r = request_post(c, path, NULL, &token);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(token);
	say(stdout, "token %s is revoked", get(token, "id"));
	json_decref(token);
	return CTL_OK;
}
