/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "table.h"

static long long number(const json_t *object, const char *field)
{
	return (long long)json_integer_value(json_object_get(object, field));
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
	bool known = !json_is_integer(json_object_get(database, "unreachable"));
	scoped(freep) char *listen = labels_text(json_object_get(s, "listen"));

	fieldf(c, "Server", "muster-server %s", get(s, "version"));
	field(c, "Started", when_exactly(get(s, "started"), time));
	field(c, "Listens on", listen ? listen : "");
	field(c, "Name", get(s, "name"));
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
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_get(c, "/api/v1/status", &s);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(s);
	print_status(c, s);
	json_decref(s);
	return CTL_OK;
}
