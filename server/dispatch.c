/* SPDX-License-Identifier: MIT */
#include "dispatch.h"

#include <errno.h>
#include <string.h>

#include "agent.h"
#include "configs.h"
#include "dblink.h"
#include "enrol.h"
#include "log.h"
#include "messages.h"
#include "reply.h"
#include "resets.h"
#include "server.h"
#include "updates.h"

/* An answer without a subject. 1: it was to what such answers are to; 0: to something else. */
static int take_short(struct channel *c, uint64_t sequence, uint16_t code, const char *text)
{
	int r = resets_answer(c, sequence, code, text);

	return r == 0 ? updates_answer(c, sequence, code, text) : r;
}

static int take_ack(struct channel *c, const struct message *m)
{
	struct ack ack;
	int r = ack_decode(m->body, m->len, &ack);

	r = r < 0 || ack.subject.name[0] ? 0 : take_short(c, ack.sequence, 0, "");
	return r == 0 ? configs_ack(c, m) : r < 0 ? r : 0;
}

static int take_nack(struct channel *c, const struct message *m)
{
	struct nack nack;
	int r = nack_decode(m->body, m->len, &nack);

	r = r < 0 || nack.code == 0 || nack.subject.name[0]
		    ? 0
		    : take_short(c, nack.sequence, nack.code, nack.text);
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

int dispatch_breach(const struct channel *c, const char *what, const char *why)
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
	return dispatch_breach(c, name, "that op code is not allowed there and then");
}

/* An answer that can't be taken gets none; what the machine holds it says in HELLO. */
static int drop_answer(struct channel *c)
{
	configs_forget(c);
	resets_forget(c);
	updates_forget(c);
	return 0;
}

static int take_message(struct channel *c, const struct message *m)
{
	const struct rule *rule = find_rule((uint8_t)m->op);
	bool answer = rule->op == OP_ACK || rule->op == OP_NACK;
	bool up = dblink_up(c->server);
	int r = 0;

	if (rule->op != OP_MSG || c->suspended || !up)
		r = reply_flush_acks(c); /* in their order */
	if (r < 0)
		return r;
	if (answer && (c->suspended || !up))
		return drop_answer(c);
	if (!up)
		return reply_put_off(c, m->sequence, rule->op);
	if (c->suspended && !rule->in_suspense)
		return reply_nack(c, m->sequence, NACK_SUSPENDED, 0,
			"this machine is suspended: only HELLO is taken from it");
	r = rule->take(c, m);
	if (rule->op != OP_HELLO)
		channel_linger(c);
	return r;
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

int dispatch_packet(struct channel *c, const uint8_t *packet, size_t len)
{
	const struct op_row *row = op_find(packet[0]);
	const struct rule *rule = find_rule(packet[0]);
	struct message m;

	c->server->metrics.packets[FROM_CLIENT][packet[0]]++;
	if (row == NULL)
		return dispatch_breach(c, "a packet", "there is no such op code");
	/* What waits may change the standing: then this is judged after it. */
	if (rule == NULL || (c->deferred.count == 0 && !is_allowed(c, rule)))
		return refuse_op(c, row->name);
	int r = session_open(c->session, packet, len, &m);
	if (r < 0)
		return dispatch_breach(c, row->name, session_error(r));
	if (r == 0)
		return 0;
	return is_to_be_deferred(c, rule) ? deferred_add(c, &m, take_deferred)
					  : take_message(c, &m);
}

static int take_in_order(struct channel *c, const struct message *m)
{
	const struct rule *rule = find_rule((uint8_t)m->op);
	int r = 0;

	if (c->standing != STANDING_OVER)
		r = is_allowed(c, rule) ? take_message(c, m)
					: refuse_op(c, op_find((uint8_t)m->op)->name);
	return r >= 0 && c->deferred.count == 0 ? reply_flush_acks(c) : r;
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
