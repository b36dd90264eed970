/* SPDX-License-Identifier: MIT */
#include "configs.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "beats.h"
#include "changes.h"
#include "channels.h"
#include "desired.h"
#include "dialer.h"
#include "log.h"
#include "mesh.h"
#include "reply.h"
#include "server.h"

#define SERVE_MAX  8            /* channels in one event of the loop */
#define FLIGHT_MAX (256u << 20) /* bytes of contents that wait to be written, to all machines */
#define OUT_LIMIT  (2u << 20)   /* of a channel with an order in it */
#define ANSWER_MAX 900          /* seconds that a machine's hooks may take, and more */

/* The queue of channels that are due. */
struct configs {
	sd_event_source *work;
	struct channel *first, **last;
	uint64_t in_flight;
};

/* ---- the queue */

static int on_work(sd_event_source *source, void *userdata);

int configs_start(struct server *s)
{
	struct configs *all = calloc(1, sizeof(*all));
	int r = all != NULL ? sd_event_add_defer(s->loop, &all->work, on_work, s) : -ENOMEM;

	if (r >= 0)
		r = sd_event_source_set_enabled(all->work, SD_EVENT_OFF);
	if (r < 0) {
		free(all);
		return log_err(r, "cannot prepare the delivery of configurations");
	}
	all->last = &all->first;
	s->configs = all;
	return 0;
}

void configs_stop(struct server *s)
{
	if (s->configs == NULL)
		return;
	sd_event_source_disable_unref(s->configs->work);
	free(s->configs);
	s->configs = NULL;
}

static void wake(struct configs *all)
{
	if (all->first != NULL)
		sd_event_source_set_enabled(all->work, SD_EVENT_ONESHOT);
}

static void unqueue(struct configs *all, struct channel *c)
{
	struct order_queue *q = &c->order;

	if (q->previous == NULL)
		return;
	*q->previous = q->next;
	if (q->next != NULL)
		q->next->order.previous = q->previous;
	else
		all->last = q->previous;
	q->next = NULL;
	q->previous = NULL;
}

void configs_due(struct channel *c)
{
	struct configs *all = c->server->configs;

	if (all == NULL || !c->connected || c->suspended || c->order.previous != NULL ||
		c->order.sequence != 0)
		return;
	c->order.previous = all->last;
	*all->last = c;
	all->last = &c->order.next;
	wake(all);
}

static void make_due(void *userdata, struct channel *c)
{
	(void)userdata;
	configs_due(c);
}

void configs_all_due_here(struct server *s)
{
	channels_each(s->channels, make_due, NULL);
}

void configs_all_due(struct server *s)
{
	mesh_configs(s);
	configs_all_due_here(s);
	dialer_tell_all(s);
}

void configs_written(struct channel *c)
{
	struct configs *all = c->server->configs;

	if (all == NULL || c->order.charged == 0)
		return;
	all->in_flight -= c->order.charged;
	c->order.charged = 0;
	wake(all);
}

/* The order that was under way is over. */
static void settle(struct channel *c)
{
	configs_written(c);
	c->order.sequence = 0;
	wake(c->server->configs);
}

void configs_forget(struct channel *c)
{
	if (c->server->configs == NULL)
		return;
	unqueue(c->server->configs, c);
	settle(c);
}

/* ---- orders */

static int seal(struct channel *c, const struct config_order *o)
{
	struct buffer *out = stream_out(c->stream);
	scoped(freep) uint8_t *body = malloc(o->len + 256);
	ssize_t len;
	int r;

	if (body == NULL)
		return -ENOMEM;
	len = config_order_encode(o, body, o->len + 256);
	out->limit = OUT_LIMIT;
	r = len < 0 ? (int)len
		    : session_seal(
			      c->session, OP_CONFIG, body, (size_t)len, out, &c->order.sequence);
	if (r < 0)
		return r;
	c->server->metrics.packets[FROM_SERVER][OP_CONFIG] += metrics_packets((size_t)len);
	c->server->metrics.orders++;
	c->order.sent = store_now(c->server->store);
	c->order.charged = (uint32_t)o->len;
	c->server->configs->in_flight += o->len;
	c->order.kind = (uint8_t)o->kind;
	c->order.revision = o->revision;
	memcpy(c->order.name, o->name, sizeof(c->order.name));
	memcpy(c->order.hash, o->hash, sizeof(c->order.hash));
	channel_linger(c);
	channel_hold(c);
	return 0;
}

static int send_order(
	struct channel *c, const struct client_record *client, const struct desired_order *next)
{
	struct config_order o = { .revision = next->config.revision,
		.number = store_order_number(client, &next->config),
		.kind = ORDER_SET };
	scoped(freep) char *content = NULL;
	int r = 0;

	memcpy(o.name, next->config.name, sizeof(o.name));
	if (next->remove) {
		o.kind = ORDER_REMOVE;
		/* An older removal, after an edit of labels, say: at the revision that it has. */
		if (next->has.revision > o.revision)
			o.revision = next->has.revision;
	} else {
		r = store_config_content(c->server->store, next->config.hash, &content, &o.len);
		o.content = (uint8_t *)content;
		memcpy(o.hash, next->config.hash, sizeof(o.hash));
		if (next->has.revision > o.revision)
			o.kind = ORDER_RETURN;
	}
	return r < 0 ? r : seal(c, &o);
}

/* 1: an order was sent; 0: it has what it should have. */
static int serve(struct channel *c)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct desired_order next;
	int r = store_client_by_id(c->server->store, c->id, &client);

	if (r == -ENOENT || (r == 0 && client.state != CLIENT_ENROLLED))
		return 0;
	if (r == 0)
		r = desired_next(c->server, &client, &next);
	if (r <= 0)
		return r;
	r = send_order(c, &client, &next);
	return r < 0 ? r : 1;
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct server *s = userdata;
	struct configs *all = s->configs;

	(void)source;
	for (size_t i = 0; i < SERVE_MAX && all->first != NULL; i++) {
		struct channel *c = all->first;

		if (all->in_flight >= FLIGHT_MAX)
			return 0; /* until some has been written, or a channel ends */
		unqueue(all, c);
		int r = serve(c);
		if (r < 0) {
			log_err(r, "cannot send a configuration; the machine's connection ends");
			stream_end(c->stream);
		} else if (r == 0) {
			channel_linger(c);
		}
	}
	wake(all);
	return 0;
}

/* ---- what the machine says */

int configs_hello(struct channel *c, const struct holdings *held)
{
	uint64_t now = store_now(c->server->store);
	int r = store_held_set(c->server->store, c->id, held);

	if (r < 0)
		return r;
	if (c->order.sequence != 0 && now > c->order.sent + ANSWER_MAX) {
		log_warning("a machine has not answered to a configuration for %llu seconds: its "
			    "connection ends",
			(unsigned long long)(now - c->order.sent));
		return -ETIMEDOUT;
	}
	configs_due(c);
	return 0;
}

static int keep_receipt(
	struct channel *c, const struct message *m, const uint8_t *key, uint16_t code)
{
	struct server *s = c->server;
	struct receipt r = { .time = store_now(s->store),
		.op = (uint8_t)m->op,
		.kind = c->order.kind,
		.code = code,
		.revision = c->order.revision,
		.len = m->signed_len };

	if (m->signed_len > sizeof(r.bytes))
		return -EIO;
	memcpy(r.client, c->id, sizeof(r.client));
	memcpy(r.client_key, key, sizeof(r.client_key));
	memcpy(r.server_key, identity_public(s->keys.identity), sizeof(r.server_key));
	memcpy(r.name, c->order.name, sizeof(r.name));
	memcpy(r.hash, c->order.hash, sizeof(r.hash));
	memcpy(r.binding, session_binding(c->session), sizeof(r.binding));
	memcpy(r.signature, m->signature, sizeof(r.signature));
	memcpy(r.bytes, m->signed_bytes, m->signed_len);
	return store_receipt_add(s->store, &r);
}

/* Does the answer belong to the order that is under way? */
static bool is_answer(const struct channel *c, uint64_t sequence, const struct subject *s)
{
	return c->order.sequence != 0 && sequence == c->order.sequence &&
	       strcmp(s->name, c->order.name) == 0 && s->revision == c->order.revision &&
	       s->kind == c->order.kind && memcmp(s->hash, c->order.hash, sizeof(s->hash)) == 0;
}

static int not_asked(struct channel *c, const struct message *m)
{
	return reply_nack(
		c, m->sequence, NACK_MALFORMED, 0, "this answers nothing that the server has sent");
}

static int taken(struct channel *c, const struct subject *what)
{
	struct store *s = c->server->store;
	struct holding h = {
		.revision = what->kind == ORDER_REMOVE ? 0 : what->revision,
	};

	memcpy(h.name, what->name, sizeof(h.name));
	memcpy(h.hash, what->hash, sizeof(h.hash));
	int r = store_held_put(s, c->id, &h);
	return r < 0 ? r : store_refusal_drop(s, c->id, what->name);
}

static void log_refusal(const struct channel *c, const struct nack *n)
{
	char id[CLIENT_ID_TEXT_SIZE];

	sodium_bin2hex(id, sizeof(id), c->id, CLIENT_ID_SIZE);
	log_warning("machine %s refused configuration %s, revision %llu: %s: %s", id, c->order.name,
		(unsigned long long)c->order.revision, nack_name(n->code), n->text);
}

/* The roll-out of the order's configuration has gone on, for this machine. */
static void tell_progress(const struct channel *c)
{
	char id[CHANGE_ID_SIZE], client[CLIENT_ID_TEXT_SIZE];

	if (!changes_watched(c->server))
		return;
	sodium_bin2hex(client, sizeof(client), c->id, CLIENT_ID_SIZE);
	snprintf(id, sizeof(id), "%s %s", c->order.name, client);
	changes_tell(c->server, CHANGE_RECEIPTS, id);
}

/* The answer is durable before anything that follows from it is sent. */
static int settled(struct channel *c, int r)
{
	settle(c);
	if (r < 0)
		return channel_store_failed(c, r);
	tell_progress(c);
	configs_due(c);
	return 0;
}

int configs_ack(struct channel *c, const struct message *m)
{
	struct ack ack;

	if (c->beat != NULL) /* said before, so taken before */
		beats_flush(c->server->beats);
	int r = ack_decode(m->body, m->len, &ack);

	if (r < 0)
		return reply_nack_body(c, m->sequence, r);
	if (!is_answer(c, ack.sequence, &ack.subject))
		return not_asked(c, m);
	if (turn_enter(c->server->turn) < 0)
		return -EIO; /* it says in its next HELLO what it holds */
	r = keep_receipt(c, m, session_peer(c->session), 0);
	if (r == 0)
		r = taken(c, &ack.subject);
	c->server->metrics.acks += r == 0;
	return settled(c, r);
}

/* The machine has carried out an order with a greater number than what the store knows of, as after
 * it was put back from a backup. What the machine should have is ordered anew under a new number; if
 * that doesn't help, the clock had been ahead, and the refusal is for people. */
static int refused(struct channel *c, const struct nack *n)
{
	struct store *s = c->server->store;
	struct refusal why = {
		.revision = c->order.revision, .time = store_now(s), .code = n->code
	};
	bool again = n->code == NACK_OLDER_ORDER && !c->order.renumbered;
	int r = n->code == NACK_OLDER_ORDER ? store_client_renumber(s, c->id) : 0;

	c->order.renumbered = n->code == NACK_OLDER_ORDER || c->order.renumbered;
	memcpy(why.text, n->text, sizeof(why.text));
	return r < 0 || again ? r : store_refusal_set(s, c->id, c->order.name, &why);
}

int configs_nack(struct channel *c, const struct message *m)
{
	struct nack nack;

	if (c->beat != NULL)
		beats_flush(c->server->beats);
	int r = nack_decode(m->body, m->len, &nack);

	if (r < 0)
		return reply_nack_body(c, m->sequence, r);
	/* What it couldn't read it can't name. */
	if (c->order.sequence == 0 || nack.sequence != c->order.sequence ||
		(nack.subject.name[0] && !is_answer(c, nack.sequence, &nack.subject)))
		return not_asked(c, m);
	if (turn_enter(c->server->turn) < 0)
		return -EIO;
	log_refusal(c, &nack);
	r = keep_receipt(c, m, session_peer(c->session), nack.code);
	if (r == 0)
		r = refused(c, &nack);
	c->server->metrics.nacked += r == 0;
	return settled(c, r);
}
