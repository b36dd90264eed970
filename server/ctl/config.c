/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "config.h"
#include "lib/diff.h"
#include "lib/order.h"
#include "lib/text.h"
#include "table.h"

/* Words after the name and before the options: at least one, at most so many. */
static int words(struct ctl *c, const struct option *options, size_t count, int *argc, char **argv,
	int least, int most)
{
	int r = options_take(c, options, count, argc, argv);

	if (r == CTL_OK && *argc < least)
		return complain(CTL_USAGE,
			least > 1 ? "a name and a file are needed" : "which one? A name is needed");
	if (r == CTL_OK && *argc > most)
		return options_only(c, NULL, 0, *argc, argv, most);
	return r;
}

int config_path(char *ret, size_t size, const char *name, const char *act)
{
	if (!order_name_ok(name))
		return complain(CTL_USAGE,
			"'%s' is not a name: 1 to 64 of a-z 0-9 . _ - , the first a letter or "
			"digit",
			name);
	snprintf(ret, size, "/api/v1/configs/%s%s%s", name, act ? "/" : "", act ? act : "");
	return CTL_OK;
}

/* ---- whom it is for */

struct target {
	const char *to, *client, *note, *timeout;
	bool all, wait;
};

#define TARGET_OPTIONS(t)                                                                          \
	{ "to", OPTION_VALUE, { .value = &(t).to } },                                              \
		{ "client", OPTION_VALUE, { .value = &(t).client } },                              \
		{ "all", OPTION_FLAG, { .flag = &(t).all } },                                      \
		{ "note", OPTION_VALUE, { .value = &(t).note } },                                  \
		{ "wait", OPTION_FLAG, { .flag = &(t).wait } },                                    \
	{                                                                                          \
		"timeout", OPTION_VALUE,                                                           \
		{                                                                                  \
			.value = &(t).timeout                                                      \
		}                                                                                  \
	}

/* With the target's fields, or NULL: no memory. */
static json_t *order(const struct target *t)
{
	json_t *body = json_object();

	if (body && (t->to || t->all))
		json_object_set_new(body, "selector", json_string(t->all ? "*" : t->to));
	if (body && t->client)
		json_object_set_new(body, "client", json_string(t->client));
	if (body && t->note)
		json_object_set_new(body, "note", json_string(t->note));
	return body;
}

static int check_target(const struct target *t, bool required)
{
	int given = (t->to != NULL) + (t->client != NULL) + t->all;

	if (given > 1)
		return complain(CTL_USAGE, "--to, --client and --all exclude each other");
	if (given == 0 && required)
		return complain(CTL_USAGE, "for whom? One of --to SELECTOR, --client ID, --all");
	if (t->timeout && !t->wait)
		return complain(CTL_USAGE, "--timeout is for --wait");
	return CTL_OK;
}

/* What was made is told, and waited for if that was asked for. The answer is taken over. */
static int made(struct ctl *c, const struct target *t, json_t *revision)
{
	const char *name = get(revision, "name"), *selector = get(revision, "selector");
	int r = CTL_OK;

	if (c->json && !t->wait)
		return print_json(revision);
	if (!c->json)
		say(stdout, "%s, revision %lld: %s for %s", name,
			(long long)json_integer_value(json_object_get(revision, "revision")),
			strcmp(get(revision, "kind"), "remove") == 0 ? "removed" : "pushed",
			selector);
	if (t->wait)
		r = config_wait(c, name, t->timeout);
	json_decref(revision);
	return r;
}

static int post(struct ctl *c, const struct target *t, const char *path, json_t *body)
{
	json_t *revision = NULL;
	int r = body ? request_post(c, path, body, &revision) : complain(CTL_FAILED, "no memory");

	json_decref(body);
	return r == CTL_OK ? made(c, t, revision) : r;
}

/* ---- push */

static int read_input(const char *path, char **ret, size_t *ret_len)
{
	bool input = strcmp(path, "-") == 0;
	FILE *file = input ? stdin : fopen(path, "re");
	char *text = malloc(CONFIG_CONTENT_MAX + 1);
	size_t len;
	bool failed;

	if (!file || !text) {
		free(text);
		return complain(CTL_USAGE, "cannot read '%s': %s", path, strerror(errno));
	}
	len = fread(text, 1, CONFIG_CONTENT_MAX + 1, file);
	failed = ferror(file) != 0;
	if (!input)
		fclose(file);
	if (failed || len > CONFIG_CONTENT_MAX) {
		free(text);
		return failed ? complain(CTL_USAGE, "cannot read '%s'", path)
			      : complain(CTL_USAGE, "'%s' is longer than %u bytes", path,
					CONFIG_CONTENT_MAX);
	}
	*ret = text;
	*ret_len = len;
	return CTL_OK;
}

static int add_content(json_t *body, const char *file)
{
	scoped(freep) char *content = NULL;
	scoped(freep) char *text = NULL;
	size_t len = 0, size;
	int r = read_input(file, &content, &len);

	if (r != CTL_OK)
		return r;
	size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	text = malloc(size);
	if (!text)
		return complain(CTL_FAILED, "no memory");
	sodium_bin2base64(
		text, size, (const uint8_t *)content, len, sodium_base64_VARIANT_ORIGINAL);
	return json_object_set_new(body, "content", json_string(text)) < 0
		       ? complain(CTL_FAILED, "no memory")
		       : CTL_OK;
}

int config_push(struct ctl *c, int argc, char **argv)
{
	struct target t = {};
	const struct option options[] = { TARGET_OPTIONS(t) };
	char path[256];
	json_t *body;
	int r = words(c, options, COUNT(options), &argc, argv, 2, 2);

	if (r == CTL_OK)
		r = check_target(&t, true);
	if (r == CTL_OK)
		r = config_path(path, sizeof(path), argv[0], NULL);
	if (r != CTL_OK)
		return r;
	body = order(&t);
	if (body)
		json_object_set_new(body, "name", json_string(argv[0]));
	r = body ? add_content(body, argv[1]) : CTL_OK;
	if (r == CTL_OK)
		return post(c, &t, "/api/v1/configs", body);
	json_decref(body);
	return r;
}

/* ---- rollback, remove */

int config_rollback(struct ctl *c, int argc, char **argv)
{
	struct target t = {};
	const struct option options[] = {
		{ "note", OPTION_VALUE, { .value = &t.note } },
		{ "wait", OPTION_FLAG, { .flag = &t.wait } },
		{ "timeout", OPTION_VALUE, { .value = &t.timeout } },
	};
	char path[256];
	uint64_t revision;
	json_t *body;
	int r = words(c, options, COUNT(options), &argc, argv, 1, 2);

	if (r == CTL_OK)
		r = check_target(&t, false);
	if (r == CTL_OK)
		r = config_path(path, sizeof(path), argv[0], "rollback");
	if (r != CTL_OK)
		return r;
	if (argc < 2)
		return complain(
			CTL_USAGE, "to which revision? See musterctl config history %s", argv[0]);
	if (text_number(argv[1], 1, INT64_MAX, &revision) < 0)
		return complain(CTL_USAGE, "'%s' is not a revision", argv[1]);
	body = order(&t);
	if (body)
		json_object_set_new(body, "revision", json_integer((json_int_t)revision));
	return post(c, &t, path, body);
}

int config_remove(struct ctl *c, int argc, char **argv)
{
	struct target t = {};
	const struct option options[] = { TARGET_OPTIONS(t) };
	char path[256];
	int r = words(c, options, COUNT(options), &argc, argv, 1, 1);

	if (r == CTL_OK)
		r = check_target(&t, false);
	if (r == CTL_OK)
		r = config_path(path, sizeof(path), argv[0], "remove");
	return r == CTL_OK ? post(c, &t, path, order(&t)) : r;
}

/* ---- list, history */

static void list_one(void *userdata, json_t *revision)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];
	bool removal = strcmp(get(revision, "kind"), "remove") == 0;

	table_add(t, get(revision, "name"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(revision, "revision")));
	table_add(t, get(revision, "kind"), removal ? PAINT_DIM : PAINT_NONE);
	table_add(t, get(revision, "selector"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(revision, "size")));
	table_addf(t, PAINT_NONE, "%.12s", get(revision, "sha256"));
	table_add(t, when(get(revision, "created"), "", time), PAINT_NONE);
	table_add(t, get(revision, "created_by"), PAINT_NONE);
	table_add(t, get(revision, "note"), PAINT_NONE);
}

static int list(struct ctl *c, const char *path, const char *name)
{
	static const char *const titles[] = { "NAME", "REVISION", "KIND", "FOR", "SIZE", "SHA-256",
		"MADE", "BY", "NOTE" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = request_list(c, path, name, list_one, &t);

	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "no configurations yet: musterctl config push\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

int config_list(struct ctl *c, int argc, char **argv)
{
	int r = options_only(c, NULL, 0, argc, argv, 0);

	return r == CTL_OK ? list(c, "/api/v1/configs", "configs") : r;
}

int config_history(struct ctl *c, int argc, char **argv)
{
	char path[256];
	int r = words(c, NULL, 0, &argc, argv, 1, 1);

	if (r == CTL_OK)
		r = config_path(path, sizeof(path), argv[0], "history");
	return r == CTL_OK ? list(c, path, "revisions") : r;
}

/* ---- show, diff */

/* revision NULL: the newest. */
static int fetch(struct ctl *c, const char *name, const char *revision, json_t **ret)
{
	char path[256];
	uint64_t n;
	int r = config_path(path, sizeof(path), name, NULL);

	if (r == CTL_OK && revision && text_number(revision, 1, INT64_MAX, &n) < 0)
		return complain(CTL_USAGE, "'%s' is not a revision", revision);
	if (r == CTL_OK && revision)
		request_add(path, sizeof(path), "revision", revision);
	return r == CTL_OK ? request_get(c, path, ret) : r;
}

/* The bytes of the field "content"; none of a removal. */
static int content_of(json_t *revision, char **ret, size_t *ret_len)
{
	const char *text = get(revision, "content");
	size_t size = strlen(text);

	*ret = malloc(size + 1);
	*ret_len = 0;
	if (!*ret)
		return complain(CTL_FAILED, "no memory");
	if (sodium_base642bin((unsigned char *)*ret, size, text, size, NULL, ret_len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0)
		return complain(CTL_FAILED, "the server's answer can't be understood");
	return CTL_OK;
}

static void print_revision(struct ctl *c, json_t *revision)
{
	char time[WHEN_SIZE];

	field(c, "Name", get(revision, "name"));
	fieldf(c, "Revision", "%lld",
		(long long)json_integer_value(json_object_get(revision, "revision")));
	field(c, "Kind", get(revision, "kind"));
	field(c, "For", get(revision, "selector"));
	fieldf(c, "Size", "%lld", (long long)json_integer_value(json_object_get(revision, "size")));
	field(c, "SHA-256", get(revision, "sha256"));
	field(c, "Made", when_exactly(get(revision, "created"), time));
	field(c, "By", get(revision, "created_by"));
	field(c, "Note", get(revision, "note"));
}

int config_show(struct ctl *c, int argc, char **argv)
{
	scoped(freep) char *content = NULL;
	bool raw = false;
	const struct option options[] = { { "content", OPTION_FLAG, { .flag = &raw } } };
	json_t *revision = NULL;
	size_t len = 0;
	int r = words(c, options, COUNT(options), &argc, argv, 1, 2);

	if (r == CTL_OK)
		r = fetch(c, argv[0], argc > 1 ? argv[1] : NULL, &revision);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(revision);
	if (!raw)
		print_revision(c, revision);
	else
		r = content_of(revision, &content, &len);
	if (r == CTL_OK && raw)
		fwrite(content, 1, len, stdout);
	json_decref(revision);
	return r;
}

struct side {
	char name[160]; /* NAME@REVISION */
	char *content;
	size_t len;
};

static void side_endp(struct side *s)
{
	free(s->content);
}

static int take_side(struct ctl *c, const char *name, const char *revision, struct side *ret)
{
	json_t *object = NULL;
	int r = fetch(c, name, revision, &object);

	if (r == CTL_OK)
		r = content_of(object, &ret->content, &ret->len);
	json_decref(object);
	snprintf(ret->name, sizeof(ret->name), "%s@%s", name, revision);
	return r;
}

static int print_diff(const struct side *old, const struct side *new)
{
	struct buffer text = {};
	int r = diff_unified(
		old->content, old->len, new->content, new->len, old->name, new->name, &text);

	if (r == 0 && text.len)
		fwrite(text.data, 1, text.len, stdout);
	buffer_clear(&text);
	return r < 0 ? complain(CTL_FAILED, "no memory") : CTL_OK;
}

/* Without revisions: what the newest changed. */
int config_diff(struct ctl *c, int argc, char **argv)
{
	scoped(side_endp) struct side before = {};
	scoped(side_endp) struct side after = {};
	char old[24], new[24];
	json_t *newest = NULL;
	long long n;
	int r = words(c, NULL, 0, &argc, argv, 1, 3);

	if (r == CTL_OK)
		r = fetch(c, argv[0], NULL, &newest);
	if (r != CTL_OK)
		return r;
	n = (long long)json_integer_value(json_object_get(newest, "revision"));
	json_decref(newest);
	if (argc == 1 && n == 1)
		return complain(CTL_REFUSED, "there is only one revision of '%s'", argv[0]);
	snprintf(old, sizeof(old), "%lld", n - 1);
	snprintf(new, sizeof(new), "%lld", n);
	r = take_side(c, argv[0], argc > 1 ? argv[1] : old, &before);
	if (r == CTL_OK)
		r = take_side(c, argv[0], argc > 2 ? argv[2] : new, &after);
	return r == CTL_OK ? print_diff(&before, &after) : r;
}
