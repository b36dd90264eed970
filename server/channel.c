/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include "agent.h"
#include "beats.h"
#include "changes.h"
#include "configs.h"
#include "dblink.h"
#include "dialer.h"
#include "enrol.h"
#include "lib/packet.h"
#include "lib/secret.h"
#include "log.h"
#include "messages.h"
#include "presence.h"
#include "resets.h"
#include "server.h"
#include "tls.h"
#include "workers.h"

#define SLOTS    16384u
#define BATCH    8 /* packets taken in one event: nobody has the loop for long */
#define IN_LIMIT (6 * STREAM_SLICE)

/* Seconds that a dialled channel lasts after the last word, and while a machine's hook is at work.
 */
#define LINGER_SECONDS 2
#define ANSWER_SECONDS 900

/* ---- the connected */

struct channels {
	uint8_t key[crypto_shorthash_KEYBYTES];
	size_t count;
	struct channel *slots[SLOTS];
};

int channels_new(struct channels **ret)
{
	struct channels *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	random_bytes(all->key, sizeof(all->key));
	*ret = all;
	return 0;
}

struct channels *channels_free(struct channels *all)
{
	free(all);
	return NULL;
}

static size_t slot_of(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t value;

	crypto_shorthash(hash, id, CLIENT_ID_SIZE, all->key);
	memcpy(&value, hash, sizeof(value));
	return value % SLOTS;
}

/* The first of the client's channels from c on. */
static struct channel *of_client(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE])
{
	while (c != NULL && memcmp(c->id, id, CLIENT_ID_SIZE) != 0)
		c = c->next;
	return c;
}

static struct channel *find(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channel *c = of_client(all->slots[slot_of(all, id)], id);

	while (c != NULL && !c->connected)
		c = of_client(c->next, id);
	return c;
}

void channel_identify(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channels *all = c->server->channels;
	struct channel **slot = &all->slots[slot_of(all, id)];

	if (c->listed)
		return;
	memcpy(c->id, id, CLIENT_ID_SIZE);
	c->next = *slot;
	*slot = c;
	c->listed = true;
}

static void unlist(struct channel *c)
{
	struct channels *all = c->server->channels;

	if (!c->listed)
		return;
	struct channel **at = &all->slots[slot_of(all, c->id)];
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->listed = false;
	if (!c->connected)
		return;
	board_connected(c->server, --all->count);
	c->connected = false;
	presence_gone(c->server, c->id);
	changes_tell_client(c->server, CHANGE_STATUS, c->id);
}

bool channels_connected(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	return find(all, id) != NULL;
}

size_t channels_count(const struct channels *all)
{
	return all->count;
}

void channels_each(
	struct channels *all, void (*visit)(void *userdata, struct channel *c), void *userdata)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct channel *c = all->slots[i]; c != NULL; c = c->next)
			visit(userdata, c);
}

static void end_replaced(struct channel *c)
{
	configs_forget(c);
	unlist(c);
	stream_end(c->stream);
}

void channel_end_others(struct channel *c)
{
	struct channel *other = find(c->server->channels, c->id);

	if (other != NULL && other != c)
		end_replaced(other);
}

void channel_connected(struct channel *c)
{
	if (c->connected)
		return;
	channel_end_others(c);
	c->connected = true;
	board_connected(c->server, ++c->server->channels->count);
	changes_tell_client(c->server, CHANGE_STATUS, c->id);
}

/* ---- one channel */

/* What a machine answers to is either of the two that wait for answers. */
static int take_ack(struct channel *c, const struct message *m)
{
	struct ack ack;
	int r = ack_decode(m->body, m->len, &ack);

	r = r < 0 || ack.subject.name[0] ? 0 : resets_answer(c, ack.sequence, 0, "");
	return r == 0 ? configs_ack(c, m) : r < 0 ? r : 0;
}

static int take_nack(struct channel *c, const struct message *m)
{
	struct nack nack;
	int r = nack_decode(m->body, m->len, &nack);

	r = r < 0 || nack.code == 0 || nack.subject.name[0]
		    ? 0
		    : resets_answer(c, nack.sequence, nack.code, nack.text);
	return r == 0 ? configs_nack(c, m) : r < 0 ? r : 0;
}

/* What each op code needs; one that is not here is never allowed from a machine. */
static const struct rule {
	enum op op;
	unsigned allowed; /* enum standing, one or more */
	int (*take)(struct channel *c, const struct message *m);
	bool in_suspense; /* also of a suspended machine */
	bool connected;   /* only after a HELLO on this channel: of those a machine has one */
} rules[] = {
	{ OP_TOKEN, STANDING_ANONYMOUS, enrol_token, false, false },
	{ OP_ENROL, STANDING_ANONYMOUS | STANDING_PENDING, enrol_machine, false, false },
	{ OP_HELLO, STANDING_ENROLLED, agent_hello, true, false },
	{ OP_MSG, STANDING_ENROLLED, messages_take, false, true },
	{ OP_ACK, STANDING_ENROLLED, take_ack, false, false },
	{ OP_NACK, STANDING_ENROLLED, take_nack, false, false },
	{ OP_LEAVE, STANDING_NEW | STANDING_PENDING | STANDING_ENROLLED, agent_leave, true, false },
};

static const struct rule *find_rule(uint8_t op)
{
	for (size_t i = 0; i < COUNT(rules); i++)
		if (rules[i].op == op)
			return &rules[i];
	return NULL;
}

/* Nothing authentic to answer to: the connection ends. */
static int refuse(const struct channel *c, const char *what, const char *why)
{
	static struct log_rate rate;
	char address[ADDRESS_SIZE];

	c->server->metrics.breaches++;
	source_text(stream_source(c->stream), address);
	log_limited(&rate, LOG_WARNING, "ended the channel of %s: %s: %s", address, what, why);
	return -EPROTO;
}

static const char *session_error(int error)
{
	switch (error) {
	case -EBADMSG:
		return "a packet that doesn't open";
	case -EPROTO:
		return "an op code that is not a machine's to send";
	case -EMSGSIZE:
		return "a message that is too long";
	case -EKEYREJECTED:
		return "a wrong signature";
	case -EILSEQ:
		return "a wrong sequence number or client id";
	case -ENOKEY:
		return "a message before any introduction";
	default:
		return strerror(-error);
	}
}

static bool is_allowed(const struct channel *c, const struct rule *rule)
{
	return (rule->allowed & c->standing) != 0 && (!rule->connected || c->connected);
}

static int refuse_op(const struct channel *c, const char *name)
{
	return refuse(c, name, "that op code is not allowed there and then");
}

static int take_message(struct channel *c, const struct message *m)
{
	const struct rule *rule = find_rule((uint8_t)m->op);

	if (!dblink_up(c->server))
		return channel_put_off(c, m->sequence, (enum op)m->op);
	int r = m->op == OP_MSG && !c->suspended ? 0 : channel_flush_acks(c); /* in their order */
	if (r < 0)
		return r;
	if (c->suspended && (rule->op == OP_ACK || rule->op == OP_NACK)) {
		configs_forget(c); /* an answer gets none; what it holds, it says in HELLO */
		resets_forget(c);
		return 0;
	}
	if (c->suspended && !rule->in_suspense)
		return channel_nack(c, m->sequence, NACK_SUSPENDED, 0,
			"this machine is suspended: only HELLO is taken from it");
	r = rule->take(c, m);
	if (m->op != OP_HELLO)
		channel_linger(c);
	return r;
}

void channel_linger(struct channel *c)
{
	bool busy = c->order.sequence != 0 || c->order.previous != NULL;

	if (!c->dialled || c->standing == STANDING_OVER)
		return;
	if (busy)
		stream_deadline(c->stream, DEADLINE_IDLE, ANSWER_SECONDS);
	else
		stream_deadline(c->stream, DEADLINE_LINGER, LINGER_SECONDS);
}

/* Must it wait for a transaction, or for one before it that must? Tokens are only looked at, and a
 * heartbeat has a wait of its own (beats.h). */
static bool is_to_be_deferred(const struct channel *c, const struct rule *rule)
{
	if (!turn_is_shared(c->server->turn))
		return false;
	return c->deferred.count > 0 ||
	       !(rule->op == OP_TOKEN || (rule->op == OP_HELLO && c->connected && c->beat == NULL));
}

static void take_deferred(struct channel *c, const struct message *m);

static int take_packet(struct channel *c, const uint8_t *packet, size_t len)
{
	const struct op_row *row = op_find(packet[0]);
	const struct rule *rule = find_rule(packet[0]);
	struct message m;

	c->server->metrics.packets[FROM_CLIENT][packet[0]]++;
	if (row == NULL)
		return refuse(c, "a packet", "there is no such op code");
	/* What waits may change the standing: then this is judged after it. */
	if (rule == NULL || (c->deferred.count == 0 && !is_allowed(c, rule)))
		return refuse_op(c, row->name);
	int r = session_open(c->session, packet, len, &m);
	if (r < 0)
		return refuse(c, row->name, session_error(r));
	if (r == 0)
		return 0;
	return is_to_be_deferred(c, rule) ? deferred_add(c, &m, take_deferred)
					  : take_message(c, &m);
}

/* Everything that a channel writes waits for the turn's end, if the turn has changed anything. */
void channel_hold(struct channel *c)
{
	if (stream_out(c->stream)->len == 0)
		return;
	stream_cork(c->stream);
	turn_hold(c->server->turn, &c->held);
}

static void on_release(struct held *h, bool committed)
{
	struct channel *c = (struct channel *)((char *)h - offsetof(struct channel, held));

	if (committed)
		stream_uncork(c->stream);
	else
		stream_end(c->stream);
}

static int take_in_order(struct channel *c, const struct message *m)
{
	const struct rule *rule = find_rule((uint8_t)m->op);
	int r = 0;

	if (c->standing != STANDING_OVER)
		r = is_allowed(c, rule) ? take_message(c, m)
					: refuse_op(c, op_find((uint8_t)m->op)->name);
	return r >= 0 && c->deferred.count == 0 ? channel_flush_acks(c) : r;
}

static void take_deferred(struct channel *c, const struct message *m)
{
	if (take_in_order(c, m) < 0) {
		stream_end(c->stream);
		return;
	}
	if (c->deferred.count == 0)
		session_rest(c->session);
	if (stream_out(c->stream)->len > 0)
		channel_hold(c);
	else if (c->deferred.count == 0 && !turn_is_held(&c->held))
		stream_uncork(c->stream); /* may end it */
}

static int take_packets(struct channel *c)
{
	for (size_t i = 0; i < BATCH; i++) {
		if (c->standing == STANDING_OVER)
			return 0;
		if (stream_out(c->stream)->len >= STREAM_HIGH || c->deferred.count >= DEFERRED_MAX)
			return 1;
		ssize_t len = frame_complete(c->in.data, c->in.len);
		if (len < 0)
			return refuse(c, "a frame", "no packet has that length");
		if (len == 0)
			return 0;
		int r = take_packet(c, c->in.data + FRAME_HEAD, (size_t)len - FRAME_HEAD);
		buffer_consume(&c->in, (size_t)len);
		if (r < 0)
			return r;
	}
	return 1;
}

static int on_step(void *owner)
{
	struct channel *c = owner;

	if (c->in.len == 0)
		return 0;
	int r = take_packets(c);
	if (r < 0)
		return r;
	if (c->deferred.count >= DEFERRED_MAX)
		stream_cork(c->stream); /* until they have been taken */
	if (c->deferred.count > 0)
		return r;
	int flushed = channel_flush_acks(c);
	if (flushed < 0)
		return flushed;
	if (r == 0)
		session_rest(c->session);
	channel_hold(c);
	return r;
}

static int on_input(void *owner, const uint8_t *data, size_t len)
{
	struct channel *c = owner;

	return buffer_append(&c->in, data, len);
}

static void channel_free(struct channel *c)
{
	configs_forget(c);
	unlist(c);
	if (c->dialled)
		dialer_left(c);
	turn_forget(&c->held);
	deferred_drop(&c->deferred);
	beats_forget(c);
	session_free(c->session);
	buffer_clear(&c->in);
	free(c);
}

static void on_end(void *owner)
{
	channel_free(owner);
}

static const struct stream_user channel_user = { on_input, on_step, on_end };

int channel_start(
	struct stream *stream, const struct client_record *client, const void *rest, size_t len)
{
	struct server *s = stream_server(stream);
	struct session_setup setup = { .self = FROM_SERVER, .identity = s->keys.identity };
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->server = s;
	c->stream = stream;
	c->in.limit = IN_LIMIT;
	c->held.release = on_release;
	deferred_init(&c->deferred);
	c->standing = client != NULL ? STANDING_ENROLLED : STANDING_ANONYMOUS;
	if (client != NULL) {
		setup.peer = client->identity;
		memcpy(setup.client_id, client->id, CLIENT_ID_SIZE);
		c->suspended = client->state == CLIENT_SUSPENDED;
		channel_identify(c, client->id);
	}
	int r = tls_binding(stream_tls(stream), setup.binding);
	if (r >= 0)
		r = session_new(&setup, &c->session);
	if (r >= 0 && len > 0)
		r = buffer_append(&c->in, rest, len);
	if (r < 0) {
		channel_free(c);
		return r;
	}
	c->dialled = stream_is_dialled(stream);
	stream_use(stream, &channel_user, c);
	if (client != NULL) /* until its first HELLO */
		stream_deadline(stream, DEADLINE_REQUEST, s->config.request_timeout);
	else
		stream_deadline(stream, DEADLINE_IDLE, config_idle_timeout(&s->config));
	channel_hold(c);
	return 0;
}

void channel_finish(struct channel *c)
{
	configs_forget(c);
	unlist(c);
	beats_forget(c);
	c->standing = STANDING_OVER;
	stream_finish(c->stream);
}

/* ---- what an administrator has made of a client */

static const enum machine_state notices[] = {
	[CLIENT_ENROLLED] = MACHINE_ACTIVE,
	[CLIENT_LEFT] = MACHINE_REVOKED,
	[CLIENT_SUSPENDED] = MACHINE_SUSPENDED,
	[CLIENT_REVOKED] = MACHINE_REVOKED,
	[CLIENT_PENDING] = MACHINE_PENDING,
	[CLIENT_REPLACED] = MACHINE_ACTIVE,
	[CLIENT_REMOVED] = MACHINE_REVOKED,
};

int channel_state(struct channel *c, enum client_state state, const char *reason)
{
	struct state_notice notice = { .state = (uint8_t)notices[state] };
	uint8_t body[sizeof(notice.text) + 16];

	snprintf(notice.text, sizeof(notice.text), "%s", reason);
	c->suspended = state == CLIENT_SUSPENDED;
	ssize_t len = state_notice_encode(&notice, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_STATE, body, (size_t)len);
}

/* Outside of the channel's own event; may end it. */
static void due(struct channel *c)
{
	configs_due(c);
	if (resets_due(c) < 0)
		stream_end(c->stream);
	else
		channel_hold(c);
}

/* Nobody who has lost his standing keeps the connection, not even by reading nothing. */
static void tell(struct channel *c, const struct client_record *client)
{
	int r = c->standing == STANDING_PENDING && client->state == CLIENT_ENROLLED
			? enrol_approved(c, client)
			: channel_state(c, client->state, client->reason);

	if (r < 0) {
		stream_end(c->stream);
		return;
	}
	if (notices[client->state] == MACHINE_REVOKED) {
		channel_finish(c);
		stream_hurry(c->stream);
		channel_hold(c); /* may end it */
	} else {
		due(c);
	}
}

void channels_due(struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channel *c = find(all, id);

	if (c != NULL)
		due(c);
}

void channels_tell(struct channels *all, const struct client_record *client)
{
	struct channel *c = of_client(all->slots[slot_of(all, client->id)], client->id), *next;

	for (; c != NULL; c = next) {
		next = of_client(c->next, client->id);
		tell(c, client);
	}
}

bool channels_has(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	return of_client(all->slots[slot_of(all, id)], id) != NULL;
}

/* Has it to be told what the client is by now? */
static bool is_news(const struct channel *c, const struct client_record *client)
{
	if (c->standing == STANDING_PENDING && client->state != CLIENT_PENDING)
		return true;
	return notices[client->state] == MACHINE_REVOKED ||
	       c->suspended != (client->state == CLIENT_SUSPENDED);
}

void channels_look(struct channels *all, const struct client_record *client, bool elsewhere)
{
	struct channel *c = of_client(all->slots[slot_of(all, client->id)], client->id), *next;

	for (; c != NULL; c = next) {
		next = of_client(c->next, client->id);
		if (c->connected && elsewhere)
			end_replaced(c);
		else if (is_news(c, client))
			tell(c, client);
		else
			due(c);
	}
}

/* ---- answers */

int channel_send(struct channel *c, enum op op, const void *body, size_t len)
{
	c->server->metrics.packets[FROM_SERVER][op] += metrics_packets(len);
	return session_seal(c->session, op, body, len, stream_out(c->stream), NULL);
}

int channel_ack(struct channel *c, uint64_t sequence, bool with_time)
{
	struct ack ack = { .sequence = sequence };
	uint8_t body[64];

	if (with_time) {
		ack.time = store_now(c->server->store);
		ack.heartbeat = c->server->config.heartbeat;
	}
	ssize_t len = ack_encode(&ack, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_ACK, body, (size_t)len);
}

int channel_flush_acks(struct channel *c)
{
	uint64_t sequence = c->unacknowledged;

	c->unacknowledged = 0;
	return sequence == 0 ? 0 : channel_ack(c, sequence, false);
}

int channel_nack(struct channel *c, uint64_t sequence, enum nack_code code, uint32_t retry,
	const char *format, ...)
{
	struct nack nack = { .sequence = sequence, .code = (uint16_t)code, .retry = retry };
	uint8_t body[sizeof(nack.text) + 64];
	va_list arguments;

	c->server->metrics.nacks[code % METRICS_NACKS]++;
	va_start(arguments, format);
	vsnprintf(nack.text, sizeof(nack.text), format, arguments);
	va_end(arguments);
	ssize_t len = nack_encode(&nack, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_NACK, body, (size_t)len);
}

int channel_put_off(struct channel *c, uint64_t sequence, enum op op)
{
	int r = channel_flush_acks(c);

	if (r < 0)
		return r;
	if (op == OP_ACK || op == OP_NACK) {
		configs_forget(c); /* an answer gets none; what it holds, it says in HELLO */
		return 0;
	}
	c->mail_put_off = c->mail_put_off || op == OP_MSG;
	return channel_nack(c, sequence, NACK_INTERNAL, DBLINK_RETRY,
		"the server can't use its database now: try again later");
}

int channel_nack_body(struct channel *c, uint64_t sequence, int error)
{
	if (error == -EPROTONOSUPPORT)
		return channel_nack(c, sequence, NACK_UNSUPPORTED, 0,
			"this server speaks version %d of the protocol only", BODY_VERSION);
	return channel_nack(c, sequence, NACK_MALFORMED, 0, "the message is malformed");
}

int channel_store_failed(struct channel *c, int error)
{
	turn_fail(c->server->turn);
	if (error == -ENOTCONN) /* told already */
		return error;
	return log_err(error, "the store failed; a machine's connection ends for it");
}
