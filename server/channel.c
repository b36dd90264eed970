/* SPDX-License-Identifier: MIT */
#include "channel.h"

#include <errno.h>
#include <string.h>

#include "beats.h"
#include "channels.h"
#include "configs.h"
#include "dialer.h"
#include "dispatch.h"
#include "lib/packet.h"
#include "lib/tlscontext.h"
#include "log.h"
#include "reply.h"
#include "server.h"
#include "updates.h"

#define BATCH    8 /* packets taken in one event: nobody has the loop for long */
#define IN_LIMIT (6 * STREAM_SLICE)

/* Seconds that a dialled channel lasts after the last word, and while a machine's hook is at work.
 */
#define LINGER_SECONDS 2
#define ANSWER_SECONDS 900

void channel_linger(struct channel *c)
{
	bool busy = c->order.sequence != 0 || c->order.previous != NULL || c->update.sequence != 0;

	if (!c->dialled || c->standing == STANDING_OVER)
		return;
	if (busy)
		stream_deadline(c->stream, DEADLINE_IDLE, ANSWER_SECONDS);
	else
		stream_deadline(c->stream, DEADLINE_LINGER, LINGER_SECONDS);
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

static int take_packets(struct channel *c)
{
	for (size_t i = 0; i < BATCH; i++) {
		if (c->standing == STANDING_OVER)
			return 0;
		if (stream_out(c->stream)->len >= STREAM_HIGH || c->deferred.count >= DEFERRED_MAX)
			return 1;
		ssize_t len = frame_complete(c->in.data, c->in.len);
		if (len < 0)
			return dispatch_breach(c, "a frame", "no packet has that length");
		if (len == 0)
			return 0;
		int r = dispatch_packet(c, c->in.data + FRAME_HEAD, (size_t)len - FRAME_HEAD);
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
	int flushed = reply_flush_acks(c);
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
	updates_forget(c);
	channels_leave(c);
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

static void on_written(void *owner)
{
	configs_written(owner);
}

static const struct stream_user channel_user = { on_input, on_step, on_end, on_written };

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
	c->standing = STANDING_ANONYMOUS;
	if (client != NULL) {
		c->standing = STANDING_ENROLLED;
		setup.peer = client->identity;
		memcpy(setup.client_id, client->id, CLIENT_ID_SIZE);
		c->suspended = client->state == CLIENT_SUSPENDED;
		channels_enter(c, client->id);
	}
	int r = tlscontext_binding(stream_tls(stream), setup.binding);
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
	updates_forget(c);
	channels_leave(c);
	beats_forget(c);
	c->standing = STANDING_OVER;
	stream_finish(c->stream);
}

/* What the machine is told of a client's state. */
static const enum machine_state machine_states[] = {
	[CLIENT_ENROLLED] = MACHINE_ACTIVE,
	[CLIENT_LEFT] = MACHINE_REVOKED,
	[CLIENT_SUSPENDED] = MACHINE_SUSPENDED,
	[CLIENT_REVOKED] = MACHINE_REVOKED,
	[CLIENT_PENDING] = MACHINE_PENDING,
	[CLIENT_REPLACED] = MACHINE_ACTIVE,
	[CLIENT_REMOVED] = MACHINE_REVOKED,
};

bool channel_ends_with(enum client_state state)
{
	return machine_states[state] == MACHINE_REVOKED;
}

int channel_state(struct channel *c, enum client_state state, const char *reason)
{
	struct state_notice notice = { .state = (uint8_t)machine_states[state] };
	uint8_t body[sizeof(notice.text) + 16];

	snprintf(notice.text, sizeof(notice.text), "%s", reason);
	c->suspended = state == CLIENT_SUSPENDED;
	ssize_t len = state_notice_encode(&notice, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_STATE, body, (size_t)len, NULL);
}

int channel_send(
	struct channel *c, enum op op, const void *body, size_t len, uint64_t *ret_sequence)
{
	c->server->metrics.packets[FROM_SERVER][op] += metrics_packets(len);
	return session_seal(c->session, op, body, len, stream_out(c->stream), ret_sequence);
}

int channel_store_failed(struct channel *c, int error)
{
	turn_fail(c->server->turn);
	if (error == -ENOTCONN) /* told already */
		return error;
	return log_err(error, "the store failed; a machine's connection ends for it");
}
