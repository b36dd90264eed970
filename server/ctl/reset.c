/* SPDX-License-Identifier: MIT */
/* client reset: agents restart, and are waited for. */
#include <string.h>
#include <time.h>

#include "lib/text.h"
#include "table.h"

#define WAIT_DEFAULT "5m"
#define TICK_MS      250

struct reset_options {
	const char *reason, *timeout;
	bool wait;
	uint64_t seconds;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* *client is what is known of it until its agent is back, or the time is over. */
static int wait_for(
	struct ctl *c, const char *path, time_t began, uint64_t seconds, json_t **client)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000l };
	int r = CTL_OK;

	while (r == CTL_OK &&
		strcmp(get(json_object_get(*client, "reset"), "state"), "wanted") == 0 &&
		(uint64_t)(now() - began) < seconds) {
		nanosleep(&tick, NULL);
		json_decref(*client);
		*client = NULL;
		r = request_get(c, path, client);
	}
	return r;
}

/* Takes client over. */
static int tell(struct ctl *c, json_t *client, bool waited)
{
	json_t *reset = json_object_get(client, "reset");
	const char *state = get(reset, "state");
	bool refused = strcmp(state, "refused") == 0, wanted = strcmp(state, "wanted") == 0;

	const char *id = get(client, "id"), *name = get(client, "hostname");
	int verdict = refused || (waited && wanted) ? CTL_NOT_ALL : CTL_OK;

	if (c->json) {
		int r = print_json(client);

		return r == CTL_OK ? verdict : r;
	}
	if (refused)
		say(stdout, "%s (%s) can't restart its agent: %s: %s", id, name,
			get(reset, "reason"), get(reset, "text"));
	else
		say(stdout, "%s (%s) %s", id, name,
			!wanted  ? "has restarted its agent"
			: waited ? "is to restart its agent: it is not back yet"
				 : "is to restart its agent");
	json_decref(client);
	return verdict;
}

static int ask(struct ctl *c, const char *id, const char *reason, json_t **ret)
{
	char path[256];
	json_t *body = NULL;
	int r;

	if (request_path(path, sizeof(path), "clients", id, "reset") < 0)
		return complain(CTL_NOT_FOUND, "there is no client '%s'", id);
	if (reason) {
		body = json_pack("{s:s}", "reason", reason);
		if (!body)
			return complain(CTL_USAGE, "--reason: this is not UTF-8");
	}
	r = request_post(c, path, body, ret);
	json_decref(body);
	return r;
}

/* All are asked before one is waited for. */
static int reset_all(struct ctl *c, const struct reset_options *o, int argc, char **argv)
{
	scoped(freep) json_t **clients = calloc((size_t)argc, sizeof(json_t *));
	time_t began = now();
	int first = CTL_OK;

	if (!clients)
		return complain(CTL_FAILED, "no memory");
	for (int i = 0; i < argc; i++) {
		int r = ask(c, argv[i], o->reason, &clients[i]);

		first = first == CTL_OK ? r : first;
	}
	for (int i = 0; i < argc; i++) {
		char path[256];
		int r = CTL_OK;

		if (!clients[i])
			continue;
		if (o->wait && request_path(path, sizeof(path), "clients", argv[i], NULL) == 0)
			r = wait_for(c, path, began, o->seconds, &clients[i]);
		r = r == CTL_OK ? tell(c, clients[i], o->wait) : r;
		first = first == CTL_OK ? r : first;
	}
	return first;
}

int client_reset(struct ctl *c, int argc, char **argv)
{
	struct reset_options o = { .timeout = NULL };
	const struct option options[] = {
		{ "reason", OPTION_VALUE, { .value = &o.reason } },
		{ "wait", OPTION_FLAG, { .flag = &o.wait } },
		{ "timeout", OPTION_VALUE, { .value = &o.timeout } },
	};
	int r = options_take(c, options, COUNT(options), &argc, argv);

	if (r != CTL_OK)
		return r;
	if (argc == 0)
		return complain(CTL_USAGE, "which ones? At least one ID is needed");
	if (o.timeout && !o.wait)
		return complain(CTL_USAGE, "--timeout is for --wait");
	if (text_duration(o.timeout ? o.timeout : WAIT_DEFAULT, &o.seconds) < 0)
		return complain(CTL_USAGE, "--timeout: '%s' is not a duration", o.timeout);
	return reset_all(c, &o, argc, argv);
}
