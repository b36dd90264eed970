/* SPDX-License-Identifier: MIT */
#include "tests/helpers/machine/machine.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

/* lib seals no message that isn't a machine's to send: such a one is sealed as MSG, and gets its op
 * code on the packets. */
static void seal(uint8_t op, const void *body, size_t len, struct buffer *out)
{
	const struct op_row *row = op_find(op);
	bool proper = row != NULL && row->from_client && len <= row->largest;

	must(session_seal(me.session, proper ? (enum op)op : OP_MSG, body, len, out, NULL),
		"sealing");
	for (size_t at = 0; !proper && at < out->len;
		at += (size_t)frame_complete(out->data + at, out->len - at))
		out->data[at + FRAME_HEAD] = op;
}

void send_message(uint8_t op, const void *body, size_t len)
{
	struct buffer out = {};

	seal(op, body, len, &out);
	if (me.flip >= 0)
		out.data[FRAME_HEAD + me.flip / 8] ^= (uint8_t)(0x80 >> me.flip % 8);
	me.flip = -1;
	if (me.sent != NULL &&
		(fwrite(out.data, 1, out.len, me.sent) != out.len || fflush(me.sent) != 0))
		stop(FAILED, "recording failed");
	if (!me.muted)
		send_bytes(out.data, out.len);
	buffer_clear(&out);
}

static void tell_labels(const struct labels *l, char *text)
{
	labels_join(l, text);
}

int tell_answer(const struct message *m)
{
	static char labels[LABELS_TEXT_SIZE];
	char id[CLIENT_ID_TEXT_SIZE], release[2 * RELEASE_DIGEST_SIZE + 1];
	union {
		struct token_answer token;
		struct enrolled enrolled;
		struct ack ack;
		struct nack nack;
		struct config_order order;
		struct state_notice state;
		struct reset_order reset;
		struct update_order update;
	} b;

	switch (m->op) {
	case OP_TOKEN:
		must(token_answer_decode(m->body, m->len, &b.token), "TOKEN");
		tell_labels(&b.token.labels, labels);
		tell("op=TOKEN time=%llu expires=%llu uses_left=%u labels=%s",
			(unsigned long long)b.token.time, (unsigned long long)b.token.expires,
			b.token.uses_left, labels);
		return 0;
	case OP_ENROLLED:
		must(enrolled_decode(m->body, m->len, &b.enrolled), "ENROLLED");
		tell_labels(&b.enrolled.labels, labels);
		save_id(b.enrolled.client_id);
		session_enrolled(me.session, b.enrolled.client_id);
		sodium_bin2hex(id, sizeof(id), b.enrolled.client_id, CLIENT_ID_SIZE);
		tell("op=ENROLLED client=%s heartbeat=%u pins=%u labels=%s", id,
			b.enrolled.heartbeat, b.enrolled.pin_count, labels);
		return 0;
	case OP_ACK:
		must(ack_decode(m->body, m->len, &b.ack), "ACK");
		tell("op=ACK sequence=%llu time=%llu heartbeat=%u",
			(unsigned long long)b.ack.sequence, (unsigned long long)b.ack.time,
			b.ack.heartbeat);
		return 0;
	case OP_NACK:
		must(nack_decode(m->body, m->len, &b.nack), "NACK");
		tell("op=NACK sequence=%llu code=%u retry=%u name=%s text=%s",
			(unsigned long long)b.nack.sequence, b.nack.code, b.nack.retry,
			nack_name(b.nack.code), b.nack.text);
		return REFUSED;
	case OP_STATE:
		must(state_notice_decode(m->body, m->len, &b.state), "STATE");
		tell("op=STATE state=%u text=%s", b.state.state, b.state.text);
		return 0;
	case OP_RESET:
		must(reset_order_decode(m->body, m->len, &b.reset), "RESET");
		tell("op=RESET sequence=%llu number=%llu", (unsigned long long)m->sequence,
			(unsigned long long)b.reset.number);
		return 0;
	case OP_UPDATE:
		must(update_order_decode(m->body, m->len, &b.update), "UPDATE");
		sodium_bin2hex(release, sizeof(release), b.update.release, RELEASE_DIGEST_SIZE);
		tell("op=UPDATE sequence=%llu number=%llu release=%s version=%s",
			(unsigned long long)m->sequence, (unsigned long long)b.update.number,
			release, b.update.version);
		return 0;
	case OP_CONFIG:
		must(config_order_decode(m->body, m->len, &b.order), "CONFIG");
		tell("op=CONFIG sequence=%llu name=%s revision=%llu number=%llu",
			(unsigned long long)m->sequence, b.order.name,
			(unsigned long long)b.order.revision, (unsigned long long)b.order.number);
		return 0;
	default:
		tell("op=%u length=%zu", m->op, m->len);
		return 0;
	}
}

/* 1: *ret; 0: the connection has ended. */
int next_message(struct message *ret)
{
	for (;;) {
		buffer_consume(&me.in, me.taken);
		me.taken = 0;
		ssize_t len = frame_complete(me.in.data, me.in.len);
		must((int)len, "a frame");
		if (len == 0) {
			if (read_more() == 0)
				return 0;
			continue;
		}
		if (me.received != NULL &&
			(fwrite(me.in.data, 1, (size_t)len, me.received) != (size_t)len ||
				fflush(me.received) != 0))
			stop(FAILED, "recording failed");
		int r = session_open(
			me.session, me.in.data + FRAME_HEAD, (size_t)len - FRAME_HEAD, ret);
		me.taken = (size_t)len;
		must(r, "the server's message");
		if (r == 1)
			return 1;
	}
}

int await_answer(void)
{
	struct message m;

	if (me.muted)
		return 0;
	if (next_message(&m) == 0) {
		tell("closed");
		return FAILED;
	}
	return tell_answer(&m);
}

void send_ask(const uint8_t token[static TOKEN_SIZE])
{
	struct token_query q = { .time = (uint64_t)time(NULL) };
	uint8_t body[1024];

	memcpy(q.identity, identity_public(me.identity), PUBLIC_KEY_SIZE);
	memcpy(q.token, token, TOKEN_SIZE);
	ssize_t len = token_query_encode(&q, body, sizeof(body));
	must((int)len, "TOKEN");
	send_message(OP_TOKEN, body, (size_t)len);
}

static void gather(struct facts *ret)
{
	char key[IDENTITY_TEXT_SIZE];

	facts_gather(ret);
	identity_public_to_text(identity_public(me.identity), key);
	facts_hash_machine(me.machine[0] ? me.machine : key, ret->machine);
}

void send_enrol(const uint8_t token[static TOKEN_SIZE])
{
	struct enrol_request e = { .time = (uint64_t)time(NULL) };
	uint8_t body[4096];

	memcpy(e.identity, identity_public(me.identity), PUBLIC_KEY_SIZE);
	memcpy(e.token, token, TOKEN_SIZE);
	memcpy(e.tls_pin, me.tls.pin, PIN_SIZE);
	gather(&e.facts);
	ssize_t len = enrol_request_encode(&e, body, sizeof(body));
	must((int)len, "ENROL");
	send_message(OP_ENROL, body, (size_t)len);
}

size_t hello_body(uint8_t *ret, size_t size)
{
	struct hello h = {
		.time = (uint64_t)time(NULL), .uptime = me.uptime, .listens = me.listens
	};

	memcpy(h.boot_id, me.boot_id, sizeof(h.boot_id));
	gather(&h.facts);
	ssize_t len = hello_encode(&h, ret, size);
	must((int)len, "HELLO");
	return (size_t)len;
}

void send_hello(void)
{
	uint8_t body[4096];

	send_message(OP_HELLO, body, hello_body(body, sizeof(body)));
}
