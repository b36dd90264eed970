/* SPDX-License-Identifier: MIT */
/*
 * Channels (muster-protocol(7), "Channel"): after the upgrade of a connection, framed packets both
 * ways. One table says which op code may come from whom and who handles it (enrol.h, agent.h).
 * What answers it makes is held until the turn has committed (turn.h).
 */
#ifndef MUSTER_CHANNEL_H
#define MUSTER_CHANNEL_H

#include <stdbool.h>

#include "deferred.h"
#include "lib/body.h"
#include "lib/session.h"
#include "stream.h"
#include "turn.h"

struct beat;
struct server;
struct channel;
struct channels; /* of machines with an id; connected are those whose HELLO has been taken */

int channels_new(struct channels **ret) must_use;
struct channels *channels_free(struct channels *c);
bool channels_connected(const struct channels *c, const uint8_t id[static CLIENT_ID_SIZE]);
size_t channels_count(const struct channels *c);
/* Every connected machine's; none may end meanwhile. */
void channels_each(
	struct channels *c, void (*visit)(void *userdata, struct channel *channel), void *userdata);
/* There may be something for the client now: configurations, a restart. */
void channels_due(struct channels *c, const uint8_t id[static CLIENT_ID_SIZE]);
/* An administrator has changed the client: all its channels are told (STATE) with the turn's
 * commit; if it is no client any more they take nothing more and end within a second. */
void channels_tell(struct channels *c, const struct client_record *client);

/* Another process has changed the client, as far as it is known: its channels here are told if they
 * don't know it yet. elsewhere: it is connected there by now, so what was connected here ends. */
void channels_look(struct channels *c, const struct client_record *client, bool elsewhere);
bool channels_has(const struct channels *c, const uint8_t id[static CLIENT_ID_SIZE]);

enum standing {
	STANDING_ANONYMOUS = 1, /* showed no TLS key */
	STANDING_NEW = 2,       /* the same, but it has enrolled on this channel */
	STANDING_ENROLLED = 4,  /* showed the TLS key of a client */
	STANDING_OVER = 8,      /* has left */
	STANDING_PENDING = 16,  /* has enrolled on this channel, and waits for the approval */
};

/* The one configuration that is under way to the machine, or the place in the queue for one;
 * configs.h. */
struct order_queue {
	struct channel *next, **previous;
	uint64_t sequence; /* of the CONFIG that has not been answered; 0: none */
	uint64_t sent;     /* store_now() */
	uint64_t revision;
	uint32_t charged; /* bytes */
	uint8_t kind;     /* enum order_kind */
	char name[CONFIG_NAME_SIZE];
	uint8_t hash[CONFIG_HASH_SIZE];
};

/* The restart that has been sent on this channel; resets.h. */
struct reset_sent {
	uint64_t sequence; /* 0: none that waits for an answer */
	uint64_t number;
};

struct channel {
	struct server *server;
	struct stream *stream;
	struct session *session;
	struct buffer in; /* a packet that is not complete yet; mostly nothing */
	struct held held;
	struct deferrals deferred; /* messages that wait for the store */
	struct beat *beat;         /* a heartbeat that waits, or NULL (beats.h) */
	struct order_queue order;
	struct reset_sent reset;
	enum standing standing;
	uint8_t id[CLIENT_ID_SIZE]; /* zero while anonymous */
	struct channel *next;       /* in the table of those that have an id */
	bool listed;
	bool connected;    /* its HELLO has been taken */
	bool dialled;      /* to a machine that listens: ends when nothing is said */
	bool heard;        /* a HELLO has been taken on it */
	bool suspended;    /* nothing is taken from it but HELLO and LEAVE, and nothing else sent */
	bool mail_put_off; /* a MSG was; those after it must not be stored before it */
	uint64_t unacknowledged; /* sequence number of the last MSG taken, 0: acknowledged */
};

/* Makes the stream a channel. client: whose TLS key was shown, or NULL. rest: what the peer has
 * sent behind its upgrade request. */
int channel_start(struct stream *stream, const struct client_record *client, const void *rest,
	size_t len) must_use;

/* The channel is that client's. */
void channel_identify(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE]);
/* The client is connected by this channel now; an older one of it ends. */
void channel_connected(struct channel *c);
/* Ends the client's connected channel, if that is another than c. */
void channel_end_others(struct channel *c);
/* No more is taken on it; it ends when its answers have been sent. */
void channel_finish(struct channel *c);

/* Of a dialled channel: it ends unless something is said soon, or is under way. */
void channel_linger(struct channel *c);

/* What has been answered is held until the turn has committed. For answers that are made outside of
 * the channel's own event; there it happens anyway. */
void channel_hold(struct channel *c);

/* Answers, for the handlers; negative: the channel must end. */
int channel_send(struct channel *c, enum op op, const void *body, size_t len) must_use;
/* STATE; the channel goes by it from now on. */
int channel_state(struct channel *c, enum client_state state, const char *reason) must_use;
int channel_ack(struct channel *c, uint64_t sequence, bool with_time) must_use;
int channel_nack(struct channel *c, uint64_t sequence, enum nack_code code, uint32_t retry,
	const char *format, ...) must_use printf_like(5);
/* ACK for all MSGs taken since the last, if there are any. */
int channel_flush_acks(struct channel *c) must_use;
/* NACK: the store can't be used now, to be said again. After a MSG every other one on this channel
 * is to be put off as well. */
int channel_put_off(struct channel *c, uint64_t sequence, enum op op) must_use;
/* NACK to a body that a decoder has refused with that error. */
int channel_nack_body(struct channel *c, uint64_t sequence, int error) must_use;
/* The store failed: the turn fails, and this channel with it. Returns a negative errno. */
int channel_store_failed(struct channel *c, int error) must_use;

#endif
