/* SPDX-License-Identifier: MIT */
/*
 * One connection, accepted or dialled: TLS over a socket, on the loop. It does the handshake, reads one record
 * an event into memory that all streams share, and writes what its user has put into the output; so
 * an idle stream holds no buffers. Who uses it changes once: first web.h, then perhaps channel.h.
 */
#ifndef MUSTER_STREAM_H
#define MUSTER_STREAM_H

#include <openssl/ssl.h>

#include "deadline.h"
#include "lib/buffer.h"
#include "source.h"

#define STREAM_SLICE 16384 /* most bytes read or produced in one event */
#define STREAM_HIGH  65536 /* with so much unwritten nothing more is read */

struct server;
struct stream;

/* Called within the stream's event. Negative: the stream is to end at once. */
struct stream_user {
	/* Plain bytes have come; all are to be taken. */
	int (*input)(void *owner, const uint8_t *data, size_t len);
	/* After every event: one bounded piece of work. 1: there is more to do, come again when the
	 * output has been written, and read nothing until then; 0: waits for input. */
	int (*step)(void *owner);
	/* The stream ends: free what belongs to it. */
	void (*end)(void *owner);
	/* All of the output has been handed to the kernel. May be NULL. */
	void (*written)(void *owner);
};

/* Takes the socket over, also on failure. */
int stream_new(struct server *server, int fd, const struct source *source) must_use;

/* Connects to that address; who is meant to be there, owner's TLS says (ssl, taken over also on
 * failure). user's step is called when the handshake has succeeded, its end when the stream ends,
 * unless another uses it by then: then stream_why() tells what happened. */
int stream_dial(struct server *server, const struct sockaddr_storage *to, SSL *ssl,
	const struct stream_user *user, void *owner, struct stream **ret) must_use;
bool stream_is_dialled(const struct stream *s);
int stream_why(const struct stream *s); /* errno of the socket, 0: it has none */

void stream_use(struct stream *s, const struct stream_user *user, void *owner);

/* Ends it now; inside its own event, when that is over. May be called twice. */
void stream_end(struct stream *s);

/* What is done for it outside of its event as if it were inside: it ends when that is over, not in
 * the middle of it. */
void stream_enter(struct stream *s);
void stream_leave(struct stream *s);

/* Ends it when the output has been written, politely: the peer has time to read it. */
void stream_finish(struct stream *s);

/* With it: it ends after a second at the latest, whatever the peer does. */
void stream_hurry(struct stream *s);

/* What is to be sent. While it's corked nothing is. */
struct buffer *stream_out(struct stream *s);
void stream_cork(struct stream *s);
void stream_uncork(struct stream *s);

void stream_deadline(struct stream *s, enum deadline_kind kind, uint32_t seconds);

SSL *stream_tls(const struct stream *s);
const struct source *stream_source(const struct stream *s);
struct server *stream_server(const struct stream *s);

/* Ends all of a server's streams. */
void streams_end(struct server *server);

/* For deadlines_new() and poller_new(). */
void stream_expired(struct deadline *d);
void stream_ready(void *owner, uint32_t events);

#endif
