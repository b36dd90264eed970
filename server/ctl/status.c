/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "table.h"

static long long number(const json_t *object, const char *field)
{
	return (long long)json_integer_value(json_object_get(object, field));
}

/* Of several servers on one database there may be a name each. */
static void print_names(struct ctl *c, json_t *s)
{
	json_t *names = json_object_get(s, "names"), *name;
	size_t i;

	if (json_array_size(names) == 0) /* a server that tells one only */
		field(c, "Name", get(s, "name"));
	json_array_foreach (names, i, name)
		field(c, i == 0 ? "Name" : "", json_string_value(name));
}

static bool is_reachable(const json_t *status)
{
	return !json_is_integer(
		json_object_get(json_object_get(status, "database"), "unreachable"));
}

static void print_database(struct ctl *c, json_t *database, bool reachable)
{
	char text[96];

	if (reachable) {
		field(c, "Database",
			strcmp(get(database, "kind"), "sqlite") == 0 ? "SQLite" : "PostgreSQL");
		return;
	}
	snprintf(text, sizeof(text), "can't be reached, for %lld s: machines wait, nothing is lost",
		number(database, "unreachable"));
	field_painted(c, "Database", text, PAINT_BAD);
	if (*get(database, "reason"))
		field(c, "", get(database, "reason"));
}

static void print_status(struct ctl *c, json_t *s)
{
	char time[WHEN_SIZE];
	json_t *clients = json_object_get(s, "clients"), *manifest = json_object_get(s, "manifest");
	json_t *database = json_object_get(s, "database");
	bool known = is_reachable(s);
	scoped(freep) char *listen = labels_text(json_object_get(s, "listen"));

	fieldf(c, "Server", "muster-server %s", get(s, "version"));
	field(c, "Started", when_exactly(get(s, "started"), time));
	field(c, "Listens on", listen ? listen : "");
	print_names(c, s);
	if (known)
		fieldf(c, "Clients", "%lld enrolled, %lld of them connected; %lld left",
			number(clients, "enrolled"), number(clients, "connected"),
			number(clients, "left"));
	else
		fieldf(c, "Clients", "%lld connected", number(clients, "connected"));
	if (known)
		fieldf(c, "Tokens", "%lld live", number(json_object_get(s, "tokens"), "live"));
	print_database(c, database, known);
	if (json_is_object(manifest))
		fieldf(c, "Release", "version %s, manifest %lld", get(manifest, "version"),
			number(manifest, "serial"));
	else
		field_painted(c, "Release", "none: nothing can be enrolled", PAINT_BAD);
	field(c, "TLS pin", get(s, "pin"));
	field(c, "Server key", get(s, "server_key"));
	field(c, "Release key", get(s, "release_key"));
}

int status(struct ctl *c, int argc, char **argv)
{
	json_t *s = NULL;
	bool reachable;
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_get(c, "/api/v1/status", &s);
	if (r != CTL_OK)
		return r;
	reachable = is_reachable(s);
	if (c->json) {
		r = print_json(s);
	} else {
		print_status(c, s);
		json_decref(s);
	}
	return r == CTL_OK && !reachable ? CTL_AWAY : r;
}
