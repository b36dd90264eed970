/* SPDX-License-Identifier: MIT */
/* What is done to machines: client suspend, resume, revoke, remove, label. */
#include <string.h>

#include "table.h"

static int act_on(struct ctl *c, const char *id, const char *act, json_t *body)
{
	char path[256];
	json_t *client = NULL;
	int r;

	if (request_path(path, sizeof(path), "clients", id, act) < 0)
		return complain(CTL_NOT_FOUND, "there is no client '%s'", id);
	r = request_post(c, path, body, &client);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(client);
	say(stdout, "%s (%s) is %s", get(client, "id"), get(client, "hostname"),
		get(client, "state"));
	json_decref(client);
	return CTL_OK;
}

/* All are tried; the first failure's exit code. */
static int act_on_all(struct ctl *c, int argc, char **argv, const char *act)
{
	const char *reason = NULL;
	const struct option options[] = {
		{ "reason", OPTION_VALUE, { .value = &reason } },
	};
	json_t *body = NULL;
	int r = options_take(c, options, COUNT(options), &argc, argv);

	if (r != CTL_OK)
		return r;
	if (argc == 0)
		return complain(CTL_USAGE, "which ones? At least one ID is needed");
	if (reason) {
		body = json_pack("{s:s}", "reason", reason);
		if (!body)
			return complain(CTL_USAGE, "--reason: this is not UTF-8");
	}
	for (int i = 0; i < argc; i++) {
		int one = act_on(c, argv[i], act, body);

		r = r == CTL_OK ? one : r;
	}
	json_decref(body);
	return r;
}

int client_approve(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "approve");
}

int client_refuse(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "refuse");
}

int client_suspend(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "suspend");
}

int client_resume(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "resume");
}

int client_revoke(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "revoke");
}

int client_remove(struct ctl *c, int argc, char **argv)
{
	return act_on_all(c, argc, argv, "remove");
}

int client_clear_clone(struct ctl *c, int argc, char **argv)
{
	int r = options_take(c, NULL, 0, &argc, argv);

	if (r == CTL_OK && argc == 0)
		r = complain(CTL_USAGE, "which ones? At least one ID is needed");
	return r == CTL_OK ? act_on_all(c, argc, argv, "clear-clone") : r;
}

/* "-KEY" is no option here: those words are taken out of argv, up to the last. */
static int take_removals(int *argc, char **argv, json_t *remove)
{
	int left = 0;
	bool plain = false;

	for (int i = 0; i < *argc; i++) {
		bool dash = argv[i][0] == '-' && argv[i][1] != '\0' && argv[i][1] != '-';

		plain |= strcmp(argv[i], "--") == 0;
		if (!dash || (!plain && strcmp(argv[i], "-h") == 0))
			argv[left++] = argv[i];
		else if (json_array_append_new(remove, json_string(argv[i] + 1)) < 0)
			return complain(CTL_USAGE, "a label to remove is not UTF-8");
	}
	*argc = left;
	return CTL_OK;
}

static int label(struct ctl *c, int argc, char **argv, json_t *set, json_t *remove)
{
	char path[256];
	json_t *client = NULL, *body;
	int r;

	for (int i = 1; i < argc; i++)
		if (json_array_append_new(set, json_string(argv[i])) < 0)
			return complain(CTL_USAGE, "a label is not UTF-8");
	if (request_path(path, sizeof(path), "clients", argv[0], "labels") < 0)
		return complain(CTL_NOT_FOUND, "there is no client '%s'", argv[0]);
	body = json_pack("{s:O, s:O}", "set", set, "remove", remove);
	r = body ? request_post(c, path, body, &client) : complain(CTL_FAILED, "no memory");
	json_decref(body);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(client);
	scoped(freep) char *labels = labels_text(json_object_get(client, "labels"));

	say(stdout, "%s (%s) has the labels %s", get(client, "id"), get(client, "hostname"),
		labels && *labels ? labels : "(none)");
	json_decref(client);
	return CTL_OK;
}

int client_label(struct ctl *c, int argc, char **argv)
{
	json_t *set = json_array(), *remove = json_array();
	int r = take_removals(&argc, argv, remove);

	if (r == CTL_OK)
		r = options_take(c, NULL, 0, &argc, argv);
	if (r == CTL_OK && (argc == 0 || (size_t)argc + json_array_size(remove) < 2))
		r = complain(CTL_USAGE, "an ID is needed, and what is to change: LABEL or -KEY");
	if (r == CTL_OK)
		r = label(c, argc, argv, set, remove);
	json_decref(set);
	json_decref(remove);
	return r;
}
