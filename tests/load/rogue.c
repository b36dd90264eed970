/* SPDX-License-Identifier: MIT */
/*
 * Peers that misbehave, each kind in its own way and all at the same time. The server must end
 * every one of them within its time-outs, and answer none with a message.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/body.h"
#include "lib/packet.h"
#include "lib/secret.h"
#include "swarm.h"

#define DRIP_US 300000u

enum depth { DEPTH_TCP, DEPTH_TLS, DEPTH_CHANNEL };

struct rogue {
	const struct kind *kind;
	struct dial dial;
	uint64_t began, ended;
	uint64_t dripped; /* last byte */
	size_t sent;      /* bytes dripped */
	bool spoken;
	bool answered; /* by a message: wrong */
};

/* speak: once, when the depth is reached; drip: bytes of a text, one at a time, as it may be. */
static const struct kind {
	const char *name;
	enum depth depth;
	int (*speak)(struct rogue *r);
	const char *drip;
} kinds[];

static int put(struct rogue *r, const void *data, size_t len)
{
	if (r->kind->depth == DEPTH_TCP)
		return send(r->dial.fd, data, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
	int n = SSL_write(r->dial.ssl, data, (int)len);
	return n <= 0 ? -EPIPE : 0;
}

static int nothing(struct rogue *r)
{
	(void)r;
	return 0;
}

static int garbage(struct rogue *r)
{
	uint8_t bytes[2048];

	random_bytes(bytes, sizeof bytes);
	return put(r, bytes, sizeof bytes);
}

/* The head of a TLS record with a ClientHello of 512 bytes, and only its first ones. */
static int half_hello(struct rogue *r)
{
	static const uint8_t head[] = { 22, 3, 1, 2, 4, 1, 0, 2, 0, 3, 3, 0, 0, 0 };

	return put(r, head, sizeof head);
}

static int half_open(struct rogue *r)
{
	return shutdown(r->dial.fd, SHUT_WR);
}

static int garbage_packet(struct rogue *r)
{
	uint8_t frame[FRAME_HEAD + 300] = { 300 >> 8, 300 & 0xff };

	random_bytes(frame + FRAME_HEAD, sizeof frame - FRAME_HEAD);
	frame[FRAME_HEAD] = OP_ENROL;
	return put(r, frame, sizeof frame);
}

static int wrong_length(struct rogue *r)
{
	static const uint8_t frame[] = { 0xff, 0xff, OP_ENROL };

	return put(r, frame, sizeof frame);
}

static int half_packet(struct rogue *r)
{
	uint8_t frame[FRAME_HEAD + 100] = { 300 >> 8, 300 & 0xff };

	return put(r, frame, sizeof frame);
}

/* An ENROL in order, but for its signature: made for another connection. */
static int other_binding(struct rogue *r)
{
	struct session_setup setup = { .self = FROM_CLIENT,
		.identity = r->dial.identity,
		.peer = r->dial.target->server_key };
	scoped(session_freep) struct session *other = NULL;
	struct enrol_request request = { .facts.hostname = "rogue" };
	struct buffer out = {};
	uint8_t body[BODY_ANSWER_MAX];

	memcpy(request.identity, identity_public(r->dial.identity), PUBLIC_KEY_SIZE);
	random_bytes(setup.binding, sizeof setup.binding);
	ssize_t len = enrol_request_encode(&request, body, sizeof body);
	int result = session_new(&setup, &other);

	if (result == 0)
		result = session_seal(other, OP_ENROL, body, (size_t)len, &out, NULL);
	if (result == 0)
		result = put(r, out.data, out.len);
	buffer_clear(&out);
	return result;
}

/* Well made and well signed, but not allowed to one that isn't enrolled. */
static int wrong_op(struct rogue *r)
{
	return dial_send(&r->dial, OP_LEAVE, "", 0, NULL);
}

static const struct kind kinds[] = {
	{ "silent", DEPTH_TCP, nothing, NULL },
	{ "garbage-tcp", DEPTH_TCP, garbage, NULL },
	{ "half-handshake", DEPTH_TCP, half_hello, NULL },
	{ "slow-handshake", DEPTH_TCP, nothing, "\x16\x03\x01\x02\x04\x01" },
	{ "silent-tls", DEPTH_TLS, nothing, NULL },
	{ "half-open", DEPTH_TLS, half_open, NULL },
	{ "garbage-request", DEPTH_TLS, garbage, NULL },
	{ "slow-request", DEPTH_TLS, nothing, "GET /v1/channel HTTP/1.1\r\nHost: slow.example" },
	{ "garbage-packet", DEPTH_CHANNEL, garbage_packet, NULL },
	{ "wrong-length", DEPTH_CHANNEL, wrong_length, NULL },
	{ "half-packet", DEPTH_CHANNEL, half_packet, NULL },
	{ "other-binding", DEPTH_CHANNEL, other_binding, NULL },
	{ "wrong-op", DEPTH_CHANNEL, wrong_op, NULL },
};

/* ---- one step of one rogue */

static void end(struct rogue *r)
{
	r->ended = now_us();
	dial_close(&r->dial);
}

static bool at_depth(const struct rogue *r)
{
	switch (r->kind->depth) {
	case DEPTH_TCP:
		return r->dial.state >= DIAL_CONNECTING && !r->dial.wants_out;
	case DEPTH_TLS:
		return r->dial.state >= DIAL_UPGRADE;
	case DEPTH_CHANNEL:
		return r->dial.state == DIAL_CHANNEL;
	}
	return false;
}

/* A TCP or TLS rogue never gets as far as dial_step() would take it. */
static int look(struct rogue *r)
{
	uint8_t waste[4096];

	if (r->kind->depth == DEPTH_CHANNEL || !at_depth(r)) {
		int result = r->dial.state == DIAL_CONNECTING && r->kind->depth == DEPTH_TCP
				     ? 0
				     : dial_step(&r->dial);

		r->dial.wants_out = r->dial.wants_out && r->kind->depth != DEPTH_TCP;
		return result;
	}
	ssize_t n = recv(r->dial.fd, waste, sizeof waste, MSG_DONTWAIT);
	return n > 0 || (n < 0 && errno == EAGAIN) ? 0 : -ECONNRESET;
}

static int drip(struct rogue *r, uint64_t now)
{
	if (!r->kind->drip || now - r->dripped < DRIP_US || !r->kind->drip[r->sent])
		return 0;
	r->dripped = now;
	return put(r, r->kind->drip + r->sent++, 1);
}

static void step(struct rogue *r, bool event, uint64_t now)
{
	struct message m;
	int result = event ? look(r) : 0;

	if (result >= 0 && at_depth(r) && !r->spoken) {
		r->spoken = true;
		result = r->kind->speak(r);
	}
	if (result >= 0 && r->spoken)
		result = drip(r, now);
	if (result >= 0 && r->dial.state == DIAL_CHANNEL && dial_next(&r->dial, &m) > 0)
		r->answered = true;
	if (result < 0)
		end(r);
}

/* ---- all of them */

static void poll_all(struct rogue *rogues, struct pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct dial *d = &rogues[i].dial;

		fds[i] = (struct pollfd){ .fd = rogues[i].ended ? -1 : d->fd,
			.events = (short)(POLLIN | (d->wants_out ? POLLOUT : 0)) };
	}
	if (poll(fds, count, 50) < 0)
		return;
	uint64_t now = now_us();
	for (size_t i = 0; i < count; i++)
		if (!rogues[i].ended)
			step(&rogues[i], fds[i].revents != 0, now);
}

static bool tell(const struct rogue *rogues, size_t each)
{
	bool good = true;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		size_t ended = 0, answered = 0;
		uint64_t longest = 0;

		for (size_t i = 0; i < each; i++) {
			const struct rogue *r = &rogues[k * each + i];
			uint64_t lived = r->ended ? r->ended - r->began : 0;

			ended += r->ended != 0 && r->spoken;
			answered += r->answered;
			longest = lived > longest ? lived : longest;
		}
		printf("rogue %s ended %zu/%zu answered %zu longest %.2f s\n", kinds[k].name, ended,
			each, answered, (double)longest / 1e6);
		good = good && ended == each && answered == 0;
	}
	return good;
}

static int open_all(struct swarm *s, struct rogue *rogues, size_t count,
	const struct identity *identity, size_t each)
{
	static const uint8_t zeros[CLIENT_ID_SIZE];

	for (size_t i = 0; i < count; i++) {
		rogues[i].kind = &kinds[i / each];
		rogues[i].began = now_us();
		if (dial_open(&rogues[i].dial, &s->target, 60000 + (unsigned)i, identity, zeros,
			    NULL) < 0)
			return -ECONNREFUSED;
	}
	return 0;
}

int rogues_run(struct swarm *s)
{
	size_t each = s->agents, count = each * COUNT(kinds);
	scoped(freep) struct rogue *rogues = calloc(count, sizeof *rogues);
	scoped(freep) struct pollfd *fds = calloc(count, sizeof *fds);
	scoped(identity_freep) struct identity *identity = NULL;
	uint64_t until = now_us() + s->limit * 1000000ull;
	size_t left = count;

	if (!rogues || !fds || identity_generate(&identity) < 0)
		return -ENOMEM;
	int r = open_all(s, rogues, count, identity, each);
	while (r == 0 && left > 0 && now_us() < until) {
		poll_all(rogues, fds, count);
		left = 0;
		for (size_t i = 0; i < count; i++)
			left += rogues[i].ended == 0;
	}
	for (size_t i = 0; i < count; i++)
		dial_close(&rogues[i].dial);
	if (r < 0)
		return r;
	return tell(rogues, each) ? 0 : -EBADMSG;
}
