/* SPDX-License-Identifier: MIT */
/* Where machines that listen are dialled. */

#include "../changes.h"
#include "../dialer.h"
#include "../store/listening.h"
#include "answer.h"
#include "clients_json.h"
#include "read.h"

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
