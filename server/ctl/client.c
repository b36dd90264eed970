/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "table.h"

#define ID_SHOWN 12 /* digits: enough to be unambiguous among millions */

static bool by_name; /* the list; else in the order in which they come */

static bool is_connected(json_t *client)
{
	return json_is_true(json_object_get(client, "connected"));
}

static bool is_over(const char *state)
{
	return strcmp(state, "left") == 0 || strcmp(state, "revoked") == 0 ||
	       strcmp(state, "replaced") == 0;
}

static void list_one(void *userdata, json_t *client)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];
	const char *state = get(client, "state");
	bool over = is_over(state), listens = strcmp(get(client, "mode"), "listen") == 0;
	bool cloned = json_is_object(json_object_get(client, "clone"));
	scoped(freep) char *labels = labels_text(json_object_get(client, "labels"));

	if (by_name)
		table_row(t, get(client, "hostname"));
	table_addf(t, PAINT_NONE, "%.*s", ID_SHOWN, get(client, "id"));
	table_add(t, get(client, "hostname"), PAINT_NONE);
	table_addf(t,
		cloned                            ? PAINT_BAD
		: over                            ? PAINT_DIM
		: strcmp(state, "suspended") == 0 ? PAINT_BAD
						  : PAINT_NONE,
		"%s%s", state, cloned ? ", cloned" : "");
	table_add(t,
		is_connected(client) ? "yes"
		: listens            ? "listens"
				     : "no",
		is_connected(client) ? PAINT_GOOD
		: over || listens    ? PAINT_DIM
				     : PAINT_BAD);
	table_add(t, when(get(client, "last_hello"), "never", time), PAINT_NONE);
	table_add(t, get(client, "address"), PAINT_NONE);
	table_add(t, get(client, "os"), PAINT_NONE);
	table_add(t, get(client, "version"), PAINT_NONE);
	table_add(t, labels ? labels : "", PAINT_NONE);
}

/* The options as parameters of the path. */
static int filters(
	struct ctl *c, int argc, char **argv, const char **ret_sort, char *path, size_t size)
{
	static const struct {
		const char *option, *parameter;
		size_t most;
	} all[] = { { "sort", "sort", 20 }, { "label", "label", 1000 }, { "state", "state", 100 },
		{ "search", "q", 128 }, { "connected", "connected", 20 } };
	const char *values[COUNT(all)] = {};
	bool clones = false;
	struct option options[COUNT(all) + 1];
	int r;

	for (size_t i = 0; i < COUNT(all); i++)
		options[i] =
			(struct option){ all[i].option, OPTION_VALUE, { .value = &values[i] } };
	options[COUNT(all)] = (struct option){ "clones", OPTION_FLAG, { .flag = &clones } };
	r = options_only(c, options, COUNT(options), argc, argv, 0);
	if (clones)
		request_add(path, size, "clones", "true");
	for (size_t i = 0; r == CTL_OK && i < COUNT(all); i++) {
		if (values[i] && strlen(values[i]) > all[i].most)
			return complain(CTL_USAGE, "--%s: this is longer than %zu characters",
				all[i].option, all[i].most);
		if (values[i])
			request_add(path, size, all[i].parameter, values[i]);
	}
	*ret_sort = values[0];
	return r;
}

int client_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "HOSTNAME", "STATE", "CONNECTED", "LAST HELLO",
		"ADDRESS", "OS", "VERSION", "LABELS" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	const char *sort = NULL;
	char path[4000] = "/api/v1/clients";
	int r = filters(c, argc, argv, &sort, path, sizeof(path));

	if (r != CTL_OK)
		return r;
	by_name = !sort || strcmp(sort, "hostname") == 0;
	r = request_list(c, path, "clients", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fputs(strchr(path, '?') ? "no such clients\n"
					: "no clients yet: musterctl token create --installer\n",
			stderr);
	return r == CTL_OK ? table_print(c, &t) : r;
}

/* Of a machine that listens. */
static void print_listening(struct ctl *c, json_t *listening)
{
	char time[WHEN_SIZE];
	const char *fixed = get(listening, "fixed"), *own = get(listening, "own");

	if (!json_is_object(listening))
		return;
	field(c, "Mode", "listen");
	field(c, "Dialled at", *fixed ? fixed : *own ? own : "(unknown)");
	field(c, "Next dial", when_exactly(get(listening, "next"), time));
	if (*get(listening, "error"))
		field_painted(c, "Last dial", get(listening, "error"), PAINT_BAD);
}

static void print_reset(struct ctl *c, json_t *reset)
{
	char time[WHEN_SIZE], line[800];
	const char *state = get(reset, "state"), *reason = get(reset, "reason");

	if (!*state)
		return;
	if (strcmp(state, "refused") == 0)
		snprintf(line, sizeof(line), "refused: %s: %s", reason, get(reset, "text"));
	else
		snprintf(line, sizeof(line), "%s, asked for %s", state,
			when_exactly(get(reset, "asked"), time));
	field(c, "Reset", line);
}

static void print_update(struct ctl *c, json_t *update)
{
	char time[WHEN_SIZE], line[800];
	const char *state = get(update, "state"), *reason = get(update, "reason");
	long long rollout = (long long)json_integer_value(json_object_get(update, "rollout"));
	bool bad = *reason != '\0' || strcmp(state, "lost") == 0;

	if (!*state)
		return;
	if (*reason)
		snprintf(line, sizeof(line), "failed: %s: %s", reason, get(update, "text"));
	else
		snprintf(line, sizeof(line), "%s by roll-out %lld, asked %s",
			strcmp(state, "under-way") == 0 ? "under way" : state, rollout,
			when_exactly(get(update, "sent"), time));
	field_painted(c, "Update", line, bad ? PAINT_BAD : PAINT_NONE);
}

static void print_clone(struct ctl *c, json_t *client)
{
	json_t *clone = json_object_get(client, "clone"), *machine;
	char time[WHEN_SIZE], last[WHEN_SIZE];
	size_t i;

	if (!json_is_object(clone))
		return;
	field_painted(c, "Cloned", "two machines speak with this identity", PAINT_BAD);
	fieldf(c, "Noticed", "%s, by %s", when_exactly(get(clone, "since"), time),
		get(clone, "sign"));
	json_array_foreach (json_object_get(client, "clone_machines"), i, machine)
		fieldf(c, i ? "" : "Seen", "%s at %s, boot %.8s, machine %.8s, last %s",
			get(machine, "hostname"), get(machine, "address"), get(machine, "boot_id"),
			get(machine, "machine"), when(get(machine, "last"), "never", last));
}

static void print_client(struct ctl *c, json_t *client)
{
	char time[WHEN_SIZE];
	const char *hello = get(client, "last_hello");
	json_t *uptime = json_object_get(client, "uptime");
	scoped(freep) char *labels = labels_text(json_object_get(client, "labels"));

	field(c, "ID", get(client, "id"));
	field(c, "Hostname", get(client, "hostname"));
	field(c, "State", get(client, "state"));
	print_clone(c, client);
	field(c, "Since", when_exactly(get(client, "since"), time));
	if (*get(client, "reason"))
		field(c, "Reason", get(client, "reason"));
	field_painted(c, "Connected", is_connected(client) ? "yes" : "no",
		is_connected(client) ? PAINT_GOOD : PAINT_NONE);
	print_listening(c, json_object_get(client, "listening"));
	field(c, "Address", get(client, "address"));
	field(c, "Labels", labels ? labels : "");
	field(c, "Enrolled", when_exactly(get(client, "enrolled"), time));
	field(c, "Token", get(client, "token"));
	if (json_is_integer(json_object_get(client, "ephemeral")))
		fieldf(c, "Ephemeral", "removed after %s offline",
			lasting(json_integer_value(json_object_get(client, "ephemeral")), time));
	field(c, "Cloned from", get(client, "cloned_from"));
	field(c, "Replaces", get(client, "replaces"));
	field(c, "Replaced by", get(client, "replaced_by"));
	field(c, "Last HELLO", *hello ? when_exactly(hello, time) : "never");
	if (json_is_integer(uptime))
		field(c, "Uptime", lasting(json_integer_value(uptime), time));
	print_reset(c, json_object_get(client, "reset"));
	print_update(c, json_object_get(client, "update"));
	field(c, "OS", get(client, "os"));
	field(c, "Kernel", get(client, "kernel"));
	field(c, "Architecture", get(client, "arch"));
	field(c, "Version", get(client, "version"));
	field(c, "Boot ID", get(client, "boot_id"));
	field(c, "Machine", get(client, "machine"));
	field(c, "Key", get(client, "key"));
	field(c, "TLS pin", get(client, "tls_pin"));
}

int client_show(struct ctl *c, int argc, char **argv)
{
	char path[256];
	json_t *client = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "clients", argv[0], NULL) < 0)
		return complain(CTL_NOT_FOUND, "there is no client '%s'", argv[0]);
	r = request_get(c, path, &client);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(client);
	print_client(c, client);
	json_decref(client);
	return CTL_OK;
}
