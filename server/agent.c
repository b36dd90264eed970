/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include <errno.h>
#include <sodium.h>

#include "changes.h"
#include "channels.h"
#include "clones.h"
#include "configs.h"
#include "dblink.h"
#include "dialer.h"
#include "log.h"
#include "mesh.h"
#include "presence.h"
#include "reply.h"
#include "resets.h"
#include "server.h"
#include "store/listening.h"
#include "updates.h"

#define SKEW_TOLD 300 /* seconds that a machine's clock may be off before it is said */

static void log_client(const struct channel *c, int priority, const char *what, const char *name)
{
	char id[CLIENT_ID_TEXT_SIZE], address[ADDRESS_SIZE], message[512];

	sodium_bin2hex(id, sizeof(id), c->id, CLIENT_ID_SIZE);
	source_text(stream_source(c->stream), address);
	snprintf(message, sizeof(message), "%s (%s) at %s %s", name, id, address, what);
	log_fields(priority, message, "MUSTER_CLIENT", id, "MUSTER_ADDRESS", address, NULL);
}

static void log_first_hello(const struct channel *c, const struct hello *hello)
{
	uint64_t now = store_now(c->server->store);
	uint64_t off = hello->time > now ? hello->time - now : now - hello->time;
	char what[96];

	log_client(c, LOG_INFO, "is connected", hello->facts.hostname);
	if (off <= SKEW_TOLD)
		return;
	snprintf(what, sizeof(what), "has a wrong clock: %llu seconds %s this server's",
		(unsigned long long)off, hello->time > now ? "ahead of" : "behind");
	log_client(c, LOG_WARNING, what, hello->facts.hostname);
}

static int refuse_client(struct channel *c, uint64_t sequence, const struct client_record *client)
{
	if (client->state == CLIENT_PENDING)
		return reply_nack(c, sequence, NACK_SUSPENDED, 0,
			"an administrator has to approve this machine first");
	if (client->state == CLIENT_LEFT)
		return reply_nack(c, sequence, NACK_REVOKED, 0,
			"this machine has left; to come back it needs a new enrolment");
	return reply_nack(c, sequence, NACK_REVOKED, 0, "an administrator has %s this machine%s%s",
		client_state_name(client->state), *client->reason ? ": " : "", client->reason);
}

int agent_check(struct channel *c, uint64_t sequence, struct client_record *ret)
{
	int r = store_client_by_id(c->server->store, c->id, ret);

	if (r == -ENOENT)
		r = reply_nack(c, sequence, NACK_NOT_ENROLLED, 0,
			"this server doesn't know this machine any more");
	else if (r < 0)
		return channel_store_failed(c, r);
	else if (ret->state == CLIENT_ENROLLED || ret->state == CLIENT_SUSPENDED ||
		 ret->state == CLIENT_REPLACED)
		return 0;
	else
		r = refuse_client(c, sequence, ret);
	if (r < 0)
		return r;
	dialer_over(c);
	channel_finish(c);
	return 1;
}

int agent_succeed(struct server *s, struct client_record *client)
{
	static struct client_record former; /* large, and used nowhere beyond this call */
	char id[CLIENT_ID_TEXT_SIZE], message[256];

	if (client->link != LINK_MAYBE)
		return 0;
	int r = store_client_succeed(s->store, client, config_idle_timeout(&s->config), &former);
	if (r <= 0)
		return r;
	sodium_bin2hex(id, sizeof(id), client->id, sizeof(client->id));
	snprintf(message, sizeof(message), "%s (%s) is the machine that was %s (%s, %s)",
		client->facts.hostname, id, former.facts.hostname, client->former,
		client_state_name(former.state));
	log_fields(LOG_NOTICE, message, "MUSTER_CLIENT", id, NULL);
	changes_tell_client(s, CHANGE_CLIENTS, client->id);
	changes_tell_client(s, CHANGE_CLIENTS, former.id);
	return 0;
}

/* It is heard, so its machine is still there; another may have the same machine-id. */
static int come_back(struct channel *c, struct client_record *client)
{
	char what[128];

	snprintf(what, sizeof(what), "is not replaced by %.32s: they have the same machine-id",
		client->successor);
	int r = store_client_return(c->server->store, client);
	if (r < 0)
		return r;
	log_client(c, LOG_WARNING, what, client->facts.hostname);
	changes_tell_client(c->server, CHANGE_CLIENTS, c->id);
	return 0;
}

/* What it says of the machine goes into the store. Negative: that failed. */
static int note_hello(struct channel *c, const struct hello *hello, struct client_record *client)
{
	char address[ADDRESS_SIZE];
	int r = *client->successor ? come_back(c, client) : agent_succeed(c->server, client);

	source_text(stream_source(c->stream), address);
	if (r == 0)
		r = clones_watch(c, client, hello, address);
	return r < 0 ? r : store_client_hello(c->server->store, c->id, hello, address);
}

/* What the machine holds, and how it is reached, as it says by now. */
static int follow_hello(struct channel *c, const struct hello *hello,
	const struct client_record *client, bool first)
{
	int r = configs_hello(c, &hello->holdings);

	if (r == -ETIMEDOUT)
		return r;
	if (r == 0 && (first || hello->listens != 0))
		r = dialer_hello(c, hello, client);
	return r < 0 ? channel_store_failed(c, r) : 0;
}

static int answer_hello(
	struct channel *c, uint64_t sequence, const struct client_record *client, bool first)
{
	int r = 0;

	/* Or another process has made of it what this one has not heard. */
	if ((first && client->state != CLIENT_ENROLLED) ||
		c->suspended != (client->state == CLIENT_SUSPENDED))
		r = channel_state(c, client->state, client->reason);
	if (r >= 0)
		r = reply_ack(c, sequence, true);
	if (r >= 0 && first)
		r = resets_due(c);
	return r < 0 ? r : updates_hello(c, client);
}

static int take_hello(struct channel *c, uint64_t sequence, const struct hello *hello)
{
	static struct client_record client; /* large, and used nowhere beyond this call */

	int r = agent_check(c, sequence, &client);
	if (r != 0)
		return r < 0 ? r : 0;
	if (turn_enter(c->server->turn) < 0)
		return reply_put_off(c, sequence, OP_HELLO);
	r = note_hello(c, hello, &client);
	if (r == 0)
		r = presence_hold(c);
	if (r != 0)
		return r < 0 ? channel_store_failed(c, r) : -ESTALE;
	bool first = !c->connected;
	if (first)
		log_first_hello(c, hello);
	channels_take_over(c);
	c->heard = true;
	r = follow_hello(c, hello, &client, first);
	if (r < 0)
		return r;
	stream_deadline(c->stream, DEADLINE_IDLE, config_idle_timeout(&c->server->config));
	channel_linger(c);
	return answer_hello(c, sequence, &client, first);
}

void agent_beat(struct channel *c, const struct beat *b)
{
	int r = dblink_up(c->server) ? take_hello(c, b->sequence, &b->hello)
				     : reply_put_off(c, b->sequence, OP_HELLO);

	if (r < 0)
		stream_end(c->stream);
	else
		channel_hold(c);
}

int agent_hello(struct channel *c, const struct message *m)
{
	struct beats *beats = c->server->beats;
	struct hello hello;

	int r = hello_decode(m->body, m->len, &hello);
	if (r < 0)
		return reply_nack_body(c, m->sequence, r);
	if (!c->connected)
		return take_hello(c, m->sequence, &hello);
	if (c->beat != NULL)
		beats_flush(beats);
	if (!c->connected) /* not any more */
		return 0;
	beats_add(beats, c, m->sequence, &hello);
	return 0;
}

int agent_leave(struct channel *c, const struct message *m)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	bool withdrawn = false;

	if (m->len != 0)
		return reply_nack_body(c, m->sequence, -EBADMSG);
	int r = store_client_by_id(c->server->store, c->id, &client);
	if (r == 0 && (client.state == CLIENT_REVOKED || client.state == CLIENT_REMOVED)) {
		r = refuse_client(c, m->sequence, &client);
		channel_finish(c);
		return r;
	}
	if (c->beat != NULL) /* said before, so taken before */
		beats_flush(c->server->beats);
	if (turn_enter(c->server->turn) < 0)
		return reply_put_off(c, m->sequence, OP_LEAVE);
	r = store_client_leave(c->server->store, c->id, &withdrawn);
	if (r < 0 && r != -ENOENT) /* gone already is as good */
		return channel_store_failed(c, r);
	changes_tell_client(c->server, CHANGE_CLIENTS, c->id);
	if (withdrawn) /* its use came back */
		changes_tell(c->server, CHANGE_TOKENS, client.token);
	log_client(c, LOG_INFO, withdrawn ? "took its enrolment back" : "has left", "a machine");
	channels_end_other(c);
	mesh_look(c->server, c->id);
	updates_left(c->server);
	r = store_listening_drop(c->server->store, c->id);
	if (r < 0)
		return channel_store_failed(c, r);
	r = reply_ack(c, m->sequence, false);
	if (r >= 0)
		channel_finish(c);
	return r;
}
