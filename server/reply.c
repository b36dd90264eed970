/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "dblink.h"
#include "server.h"

int reply_ack(struct channel *c, uint64_t sequence, bool with_time)
{
	struct ack ack = { .sequence = sequence };
	uint8_t body[64];

	if (with_time) {
		ack.time = store_now(c->server->store);
		ack.heartbeat = c->server->config.heartbeat;
	}
	ssize_t len = ack_encode(&ack, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_ACK, body, (size_t)len, NULL);
}

int reply_flush_acks(struct channel *c)
{
	uint64_t sequence = c->unacknowledged;

	c->unacknowledged = 0;
	return sequence == 0 ? 0 : reply_ack(c, sequence, false);
}

int reply_nack(struct channel *c, uint64_t sequence, enum nack_code code, uint32_t retry,
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
	return len < 0 ? (int)len : channel_send(c, OP_NACK, body, (size_t)len, NULL);
}

int reply_put_off(struct channel *c, uint64_t sequence, enum op op)
{
	int r = reply_flush_acks(c);

	if (r < 0)
		return r;
	c->mail_put_off = c->mail_put_off || op == OP_MSG;
	return reply_nack(c, sequence, NACK_INTERNAL, DBLINK_RETRY,
		"the server can't use its database now: try again later");
}

int reply_nack_body(struct channel *c, uint64_t sequence, int error)
{
	if (error == -EPROTONOSUPPORT)
		return reply_nack(c, sequence, NACK_UNSUPPORTED, 0,
			"this server speaks version %d of the protocol only", BODY_VERSION);
	return reply_nack(c, sequence, NACK_MALFORMED, 0, "the message is malformed");
}
