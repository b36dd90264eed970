/* SPDX-License-Identifier: MIT */
/*
 * A channel (muster-protocol(7), "Channel"): after the upgrade of a connection, framed packets both
 * ways. What comes goes to its handler by dispatch.h; what is answered is held until the turn has
 * committed (turn.h). channels.h has all of them whose client is known.
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
	bool renumbered;  /* on this connection, since the machine has carried out a later one */
	char name[CONFIG_NAME_SIZE];
	uint8_t hash[CONFIG_HASH_SIZE];
};

/* The restart that has been sent on this channel; resets.h. */
struct reset_sent {
	uint64_t sequence; /* 0: none that waits for an answer */
	uint64_t number;
};

/* The update that has been sent on this channel, or the place among those that may be asked for
 * one; updates.h. */
struct update_sent {
	struct channel *next, **previous;
	uint64_t sequence; /* 0: none that waits for an answer */
	uint64_t number;
	bool looked; /* for what there is, since something may have changed */
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
	struct update_sent update;
	enum standing standing;
	uint8_t id[CLIENT_ID_SIZE]; /* zero while anonymous */
	struct channel *next;       /* in channels.h's table, if it is */
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

/* No more is taken on it, and its client isn't connected by it; it ends when its answers have been sent. */
void channel_finish(struct channel *c);

/* Of a dialled channel: it ends unless something is said soon, or is under way. */
void channel_linger(struct channel *c);

/* What has been answered is held until the turn has committed. For answers that are made outside of
 * the channel's own event; there it happens anyway. */
void channel_hold(struct channel *c);

/* Sends a message; for answers there is reply.h. ret_sequence: the message's number; may be NULL.
 * 0, or negative: the channel must end. */
int channel_send(struct channel *c, enum op op, const void *body, size_t len,
	uint64_t *ret_sequence) must_use;
/* Sends STATE; the channel goes by it from now on. The same. */
int channel_state(struct channel *c, enum client_state state, const char *reason) must_use;
/* A client of that state is none any more; its machine is told that it is revoked. */
bool channel_ends_with(enum client_state state);
/* The store failed: the turn fails, and this channel with it. Returns a negative errno. */
int channel_store_failed(struct channel *c, int error) must_use;

#endif
