/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "lib/body.h"
#include "lib/packet.h"
#include "lib/secret.h"
#include "serve.h"

#define HEARTBEAT 60

static uint64_t told_time(const struct connection *c)
{
	return (uint64_t)(time(NULL) + (c->h->mode == MODE_CLOCK ? c->h->number : 0));
}

/* The session that answers are sealed by: another than the one that opens, if a wrong key is to
 * sign them. */
static void make_sessions(struct connection *c)
{
	struct session_setup setup = { .self = FROM_SERVER, .identity = c->h->identity };
	const struct client *client = c->h->client;
	int r;

	if (SSL_export_keying_material(c->ssl, setup.binding, sizeof setup.binding,
		    "EXPORTER-Channel-Binding", strlen("EXPORTER-Channel-Binding"), NULL, 0,
		    0) != 1)
		finish(c, true);
	if (c->has_pin && client->enrolled && memcmp(client->tls_pin, c->pin, PIN_SIZE) == 0) {
		setup.peer = client->identity;
		memcpy(setup.client_id, client->id, sizeof setup.client_id);
	}
	r = session_new(&setup, &c->in);
	if (r < 0)
		die("session", r);
	c->out = c->in;
}

static void sign_by_another(struct connection *c)
{
	struct session_setup setup = { .self = FROM_SERVER, .identity = c->h->other };
	int r;

	setup.peer = session_peer(c->in);
	if (SSL_export_keying_material(c->ssl, setup.binding, sizeof setup.binding,
		    "EXPORTER-Channel-Binding", strlen("EXPORTER-Channel-Binding"), NULL, 0,
		    0) != 1)
		finish(c, true);
	r = session_new(&setup, &c->out);
	if (r < 0)
		die("session", r);
}

static void answer(struct connection *c, enum op op, const void *body, ssize_t len)
{
	struct buffer out = {};
	int r = len < 0 ? (int)len : session_seal(c->out, op, body, (size_t)len, &out, NULL);

	if (r < 0)
		die("answer", r);
	if (c->h->mode == MODE_REPLAY && c->first_answer.data) {
		say(c, c->first_answer.data, c->first_answer.len);
	} else {
		say(c, out.data, out.len);
		c->first_answer = (struct bytes){ (char *)out.data, out.len };
	}
	note(c, "answered %s", op_find((uint8_t)op)->name);
}

static void refuse(struct connection *c, uint64_t sequence)
{
	struct nack n = { .sequence = sequence, .code = (uint16_t)c->h->number };
	uint8_t body[1024];

	(void)snprintf(n.text, sizeof n.text, "refused by the test's server");
	answer(c, OP_NACK, body, nack_encode(&n, body, sizeof body));
}

static void acknowledge(struct connection *c, uint64_t sequence)
{
	struct ack a = { .sequence = sequence, .time = told_time(c), .heartbeat = HEARTBEAT };
	uint8_t body[64];

	answer(c, OP_ACK, body, ack_encode(&a, body, sizeof body));
}

static void take_token(struct connection *c, const struct message *m)
{
	struct token_answer a = {
		.time = told_time(c), .expires = told_time(c) + 3600, .uses_left = 1
	};
	struct token_query q;
	uint8_t body[BODY_ANSWER_MAX];

	if (token_query_decode(m->body, m->len, &q) < 0)
		finish(c, true);
	note(c, "token arrived");
	at(c, STEP_TOKEN);
	if (c->h->mode == MODE_REFUSE_TOKEN) {
		refuse(c, m->sequence);
		return;
	}
	(void)!labels_add(&a.labels, "role=test");
	answer(c, OP_TOKEN, body, token_answer_encode(&a, body, sizeof body));
}

/* The same identity gets the same id again. */
static void enrol(struct client *client, const struct enrol_request *e)
{
	if (!client->enrolled || memcmp(client->identity, e->identity, PUBLIC_KEY_SIZE) != 0)
		random_bytes(client->id, sizeof client->id);
	memcpy(client->identity, e->identity, PUBLIC_KEY_SIZE);
	memcpy(client->tls_pin, e->tls_pin, PIN_SIZE);
	client->enrolled = true;
}

static void take_enrol(struct connection *c, const struct message *m)
{
	struct enrolled a = { .time = told_time(c), .heartbeat = HEARTBEAT, .pin_count = 1 };
	struct enrol_request e;
	uint8_t body[BODY_ANSWER_MAX];

	if (enrol_request_decode(m->body, m->len, &e) < 0)
		finish(c, true);
	note(c, "token arrived");
	if (c->h->mode == MODE_REFUSE_ENROL) {
		refuse(c, m->sequence);
		return;
	}
	enrol(c->h->client, &e);
	at(c, STEP_ENROL);
	memcpy(a.client_id, c->h->client->id, sizeof a.client_id);
	memcpy(a.pins[0], c->h->tls.pin, PIN_SIZE);
	(void)!labels_add(&a.labels, "role=test");
	answer(c, OP_ENROLLED, body, enrolled_encode(&a, body, sizeof body));
	session_enrolled(c->in, a.client_id);
}

static void take_hello(struct connection *c, const struct message *m)
{
	struct hello hello;

	if (hello_decode(m->body, m->len, &hello) < 0)
		finish(c, true);
	at(c, STEP_HELLO);
	if (c->h->mode == MODE_REFUSE_HELLO)
		refuse(c, m->sequence);
	else
		acknowledge(c, m->sequence);
}

static void take_leave(struct connection *c, const struct message *m)
{
	at(c, STEP_LEAVE);
	c->h->client->enrolled = false;
	acknowledge(c, m->sequence);
}

/* Sealed well, each part but the last one that never comes. */
static _Noreturn void say_endless_message(struct connection *c)
{
	uint8_t plain[PACKET_DATA_MAX] = { 1 }, frame[FRAME_MAX];
	struct ecies_sender *sender;

	if (ecies_sender_new(session_peer(c->in), &sender) < 0)
		finish(c, true);
	frame[0] = PACKET_MAX >> 8;
	frame[1] = PACKET_MAX & 0xff;
	frame[FRAME_HEAD] = OP_TOKEN;
	for (;;) {
		if (ecies_seal(sender, plain, sizeof plain, frame + FRAME_HEAD + 1) < 0)
			finish(c, true);
		say(c, frame, sizeof frame);
	}
}

static void say_garbage_frame(struct connection *c)
{
	uint8_t frame[FRAME_HEAD + 300];

	random_bytes(frame, sizeof frame);
	frame[0] = 300 >> 8;
	frame[1] = 300 & 0xff;
	frame[FRAME_HEAD] = OP_TOKEN;
	frame[FRAME_HEAD + 1] = 4;
	say(c, frame, sizeof frame);
}

/* What the client said, opened and sealed to the client: only the signature tells. */
static void say_resealed(struct connection *c, const uint8_t *packet, size_t len)
{
	uint8_t plain[PACKET_DATA_MAX], frame[FRAME_MAX];
	const uint8_t *identity = plain + 1 + CLIENT_ID_SIZE + 8; /* flags, id, sequence */
	struct ecies_receiver *receiver;
	struct ecies_sender *sender;

	if (ecies_receiver_new(c->h->identity, &receiver) < 0 ||
		ecies_open(receiver, packet + 1, len - 1, plain) < 0 ||
		ecies_sender_new(identity, &sender) < 0)
		finish(c, true);
	frame[0] = (uint8_t)(len >> 8);
	frame[1] = (uint8_t)len;
	frame[FRAME_HEAD] = packet[0];
	if (ecies_seal(sender, plain, len - 1 - ECIES_OVERHEAD, frame + FRAME_HEAD + 1) < 0)
		finish(c, true);
	say(c, frame, FRAME_HEAD + len);
}

/* Answers without a look at the message. */
static bool misanswer_packet(struct connection *c, const uint8_t *packet, size_t len)
{
	uint8_t head[FRAME_HEAD] = { (uint8_t)(len >> 8), (uint8_t)len };

	switch ((int)c->h->mode) {
	case MODE_GARBAGE_PACKETS:
		say_random(c, 4096);
		return true;
	case MODE_GARBAGE_FRAMES:
		say_garbage_frame(c);
		return true;
	case MODE_REFLECT:
		say(c, head, sizeof head);
		say(c, packet, len);
		return true;
	case MODE_REFLECT_RESEALED:
		say_resealed(c, packet, len);
		return true;
	default:
		return false;
	}
}

static void take_message(struct connection *c, const struct message *m)
{
	note(c, "received %s", op_find((uint8_t)m->op)->name);
	if (c->h->mode == MODE_WRONG_SIGNATURE && c->out == c->in)
		sign_by_another(c);
	if (c->h->mode == MODE_ENDLESS_MESSAGE)
		say_endless_message(c);
	switch ((int)m->op) { /* of those that a client sends */
	case OP_TOKEN:
		take_token(c, m);
		break;
	case OP_ENROL:
		take_enrol(c, m);
		break;
	case OP_HELLO:
		take_hello(c, m);
		break;
	case OP_LEAVE:
		take_leave(c, m);
		break;
	default:
		finish(c, true);
	}
}

static void take_packet(struct connection *c, const uint8_t *packet, size_t len)
{
	struct message m;
	int r;

	if (misanswer_packet(c, packet, len))
		return;
	r = session_open(c->in, packet, len, &m);
	if (r < 0) {
		note(c, "not opened: %s", strerror(-r));
		finish(c, true);
	}
	if (r == 1)
		take_message(c, &m);
}

_Noreturn void serve_channel(struct connection *c)
{
	at(c, STEP_UPGRADE);
	say_head(c, "101 Switching Protocols",
		"Connection: Upgrade\r\nUpgrade: muster-packet/1\r\n");
	make_sessions(c);
	for (;;) {
		uint8_t *room = buffer_reserve(&c->unread, 4096);
		ssize_t frame;

		if (!room)
			finish(c, true);
		buffer_grew(&c->unread, hear(c, room, 4096));
		while ((frame = frame_complete(c->unread.data, c->unread.len)) > 0) {
			take_packet(c, c->unread.data + FRAME_HEAD, (size_t)frame - FRAME_HEAD);
			buffer_consume(&c->unread, (size_t)frame);
		}
	}
}
