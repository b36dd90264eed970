/* SPDX-License-Identifier: MIT */
/* What an administrator does to a client: approve, refuse, suspend, resume, revoke, remove, reset,
 * label. */
#include <errno.h>
#include <sodium.h>

#include "../changes.h"
#include "../channels.h"
#include "../dialer.h"
#include "../log.h"
#include "../mesh.h"
#include "../store/clones.h"
#include "../store/resets.h"
#include "../updates.h"
#include "answer.h"
#include "clients_json.h"
#include "read.h"
#include "tag.h"
#include "value.h"

static void log_change(const struct api_call *c, const struct client_record *client)
{
	char id[CLIENT_ID_TEXT_SIZE], message[256];
	const char *state = client_state_name(client->state);

	sodium_bin2hex(id, sizeof(id), client->id, sizeof(client->id));
	snprintf(message, sizeof(message), "%s (%s) is %s, by %s", client->facts.hostname, id,
		state, c->actor);
	log_fields(LOG_NOTICE, message, "MUSTER_CLIENT", id, "MUSTER_STATE", state, "MUSTER_ACTOR",
		c->actor, NULL);
}

static void change(struct api_call *c, enum client_act act)
{
	static const char *const fields[] = { "reason", NULL };
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct client_order order = { .actor = c->actor };
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_string(c, "reason", NOTE_SIZE, &order.reason) || !answer_may_write(c))
		return;
	r = store_client_change(c->server->store, c->id, act, &order, &client);
	if (r == -EPERM) {
		answer_refuse(c, 409, "wrong-state", "client '%s' is %s: %s is not possible", c->id,
			client_state_name(client.state), client_act_name(act));
		return;
	}
	if (r < 0) {
		answer_store_error(c, r, "client");
		return;
	}
	if (r > 0) {
		log_change(c, &client);
		changes_tell_client(c->server, CHANGE_CLIENTS, client.id);
		mesh_look(c->server, client.id);
		channels_tell(c->server->channels, &client);
		dialer_tell(c->server, client.id);
		if (channel_ends_with(client.state))
			updates_left(c->server);
	}
	answer_json(c, 200, client_whole_object(c->server, &client));
}

void api_client_approve(struct api_call *c)
{
	change(c, CLIENT_APPROVE);
}

void api_client_refuse(struct api_call *c)
{
	change(c, CLIENT_REFUSE);
}

void api_client_suspend(struct api_call *c)
{
	change(c, CLIENT_SUSPEND);
}

void api_client_resume(struct api_call *c)
{
	change(c, CLIENT_RESUME);
}

void api_client_revoke(struct api_call *c)
{
	change(c, CLIENT_REVOKE);
}

void api_client_remove(struct api_call *c)
{
	change(c, CLIENT_REMOVE);
}

/* Logged, and the machine hears of it as soon as it can be told anything. */
static void follow(const struct api_call *c, const struct client_record *client, const char *what)
{
	char id[CLIENT_ID_TEXT_SIZE], message[256];

	sodium_bin2hex(id, sizeof(id), client->id, sizeof(client->id));
	snprintf(message, sizeof(message), "%s (%s) %s, by %s", client->facts.hostname, id, what,
		c->actor);
	log_fields(LOG_NOTICE, message, "MUSTER_CLIENT", id, "MUSTER_ACTOR", c->actor, NULL);
	changes_tell_client(c->server, CHANGE_CLIENTS, client->id);
	mesh_look(c->server, client->id);
	channels_due(c->server->channels, client->id);
	dialer_tell(c->server, client->id);
}

void api_client_reset(struct api_call *c)
{
	static const char *const fields[] = { "reason", NULL };
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct client_order order = { .actor = c->actor };
	struct reset_record reset;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_string(c, "reason", NOTE_SIZE, &order.reason) || !answer_may_write(c))
		return;
	r = store_reset_ask(c->server->store, c->id, &order, &client, &reset);
	if (r == -EPERM) {
		answer_refuse(c, 409, "wrong-state", "client '%s' is %s: reset is not possible",
			c->id, client_state_name(client.state));
		return;
	}
	if (r < 0) {
		answer_store_error(c, r, "client");
		return;
	}
	if (r > 0)
		follow(c, &client, "is to restart its agent");
	answer_json(c, 200, client_whole_object(c->server, &client));
}

void api_client_clear_clone(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	static struct client_record client; /* large, and used nowhere beyond this call */
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = store_clone_clear(c->server->store, c->id, c->actor, &client);
	if (r < 0) {
		answer_store_error(c, r, "client");
		return;
	}
	if (r > 0)
		changes_tell_client(c->server, CHANGE_CLIENTS, client.id);
	answer_json(c, 200, client_whole_object(c->server, &client));
}

static json_t *labels_object(const struct client_record *client)
{
	return json_pack("{s:o, s:o}", "id", value_hex(client->id, sizeof(client->id)), "labels",
		value_labels(&client->labels));
}

void api_client_labels(struct api_call *c)
{
	struct client_record client;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = store_client_get(c->server->store, c->id, &client);
	if (r < 0)
		answer_store_error(c, r, "client");
	else
		answer_json(c, 200, labels_object(&client));
}

/* If-Match is about the labels, as api_client_labels() tells them. */
static bool labels_are(struct api_call *c, const struct client_record *client)
{
	char etag[TAG_SIZE];

	c->error = tag_of_json(labels_object(client), etag);
	return c->error == 0 && tag_permits(c, etag);
}

void api_client_label(struct api_call *c)
{
	static const char *const fields[] = { "set", "remove", NULL };
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct labels labels;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = store_client_get(c->server->store, c->id, &client);
	labels = client.labels;
	if (r == 0 && (!labels_are(c, &client) || !read_labels_drop(c, "remove", &labels) ||
			      !read_labels_put(c, "set", &labels)))
		return;
	if (r == 0)
		r = store_client_label(c->server->store, c->id, &labels, c->actor, &client);
	if (r < 0) {
		answer_store_error(c, r, "client");
		return;
	}
	if (r > 0)
		follow(c, &client, "has other labels");
	answer_json(c, 200, client_whole_object(c->server, &client));
}
