/* SPDX-License-Identifier: MIT */
#include "clones.h"

#include <sodium.h>

#include "changes.h"
#include "log.h"
#include "server.h"
#include "store/clones.h"

/* Both are told: this one by its HELLO's answer, the other when it is back on a connection. */
static int suspend(struct server *s, struct client_record *client, const char *id)
{
	static struct client_record now; /* large, and used nowhere beyond this call */
	const struct client_order order = { .reason = "two machines speak with this identity: "
						      "run muster-enrol --rekey on the copy",
		.actor = "server" };
	int r = store_client_change(s->store, id, CLIENT_SUSPEND, &order, &now);

	if (r <= 0)
		return r;
	client->state = now.state;
	client->since = now.since;
	memcpy(client->reason, now.reason, sizeof(client->reason));
	return 0;
}

static void log_alarm(const struct client_record *client, const char *id, const struct hello *h,
	const char *address)
{
	char message[512];

	snprintf(message, sizeof(message),
		"two machines speak as %s (%s): %s at %s, and %s at %s (%s)",
		client->facts.hostname, id, client->facts.hostname, client->address,
		h->facts.hostname, address, clone_sign_name(client->clone));
	log_fields(LOG_ALERT, message, "MUSTER_CLIENT", id, "MUSTER_ADDRESS", address, NULL);
}

static int alarm_now(struct server *s, struct client_record *client, enum clone_sign sign,
	const struct hello *h, const char *address)
{
	char id[CLIENT_ID_TEXT_SIZE];
	int r = store_clone_alarm(s->store, client, sign, h, address);

	if (r < 0)
		return r;
	sodium_bin2hex(id, sizeof(id), client->id, sizeof(client->id));
	log_alarm(client, id, h, address);
	changes_tell_client(s, CHANGE_CLIENTS, client->id);
	if (s->config.clones_suspend && client->state == CLIENT_ENROLLED)
		return suspend(s, client, id);
	return 0;
}

int clones_watch(
	struct channel *c, struct client_record *client, const struct hello *h, const char *address)
{
	struct server *s = c->server;
	enum clone_sign sign = CLONE_NONE;
	int r = 0;

	if (client->clone_since == 0)
		sign = clone_judge(client, h, store_now(s->store), store_clock_is_steady(s->store));
	if (sign != CLONE_NONE)
		r = alarm_now(s, client, sign, h, address);
	return r < 0 ? r : store_clone_follow(s->store, client, h, address);
}
