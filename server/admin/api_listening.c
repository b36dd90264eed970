/* SPDX-License-Identifier: MIT */
/* Where machines that listen are dialled. */
#include <errno.h>
#include <string.h>

#include "../changes.h"
#include "../dialer.h"
#include "../store/listening.h"
#include "answer.h"
#include "clients_json.h"
#include "read.h"
#include "value.h"

/* An IPv6 address needs its brackets in front of the port. */
static json_t *own_address(const struct listening_record *l)
{
	if (l->port == 0 || l->address[0] == '\0')
		return json_null();
	return json_sprintf(
		strchr(l->address, ':') ? "[%s]:%u" : "%s:%u", l->address, (unsigned)l->port);
}

json_t *listening_object(const struct server *s, const struct client_record *client)
{
	struct listening_record l;
	int r = store_listening_get(s->store, client->id, &l);

	if (r < 0)
		return r == -ENOENT ? json_null() : NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "own", own_address(&l), "fixed",
		value_said_or_null(l.fixed), "next", value_time(l.next), "seen", value_time(l.seen),
		"error", value_said_or_null(l.error));
}

bool client_listens(const struct server *s, const struct client_record *client)
{
	struct listening_record l;

	return store_listening_get(s->store, client->id, &l) == 0 && l.port > 0;
}

static bool read_address(struct api_call *c, const char **ret)
{
	struct sockaddr_storage to;

	if (!read_string(c, "address", DIAL_ADDRESS_SIZE, ret))
		return false;
	*ret = *ret ? *ret : "";
	if (!**ret || dialer_parse(*ret, &to) == 0)
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'address' must be an IP address and a port, as 192.0.2.1:8444 or "
		"[2001:db8::1]:8444, or null");
	return false;
}

void api_client_address(struct api_call *c)
{
	static const char *const fields[] = { "address", NULL };
	static struct client_record client; /* large, and used nowhere beyond this call */
	const char *address;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_address(c, &address) ||
		!answer_may_write(c))
		return;
	r = store_client_get(c->server->store, c->id, &client);
	if (r == 0 && client.state != CLIENT_ENROLLED && client.state != CLIENT_SUSPENDED) {
		answer_refuse(c, 409, "wrong-state", "client '%s' is %s: it is not to be dialled",
			c->id, client_state_name(client.state));
		return;
	}
	if (r == 0)
		r = store_listening_fix(c->server->store, &client, address, c->actor);
	if (r < 0) {
		answer_store_error(c, r, "client");
		return;
	}
	changes_tell_client(c->server, CHANGE_CLIENTS, client.id);
	dialer_tell(c->server, client.id);
	answer_json(c, 200, client_whole_object(c->server, &client));
}
