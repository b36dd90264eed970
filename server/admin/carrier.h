/* SPDX-License-Identifier: MIT */
/*
 * Connections that carry API calls, and the doors that they come in by: the control socket, the
 * dashboard. A connection has one request under way at a time and bounded memory; an answer leaves
 * when the turn that it depends on has committed. Who is slow is closed: a request's head has
 * CARRIER_HEAD_SECONDS from its first byte, the whole of it CARRIER_REQUEST_SECONDS, a reader
 * CARRIER_WRITE_SECONDS for each part of an answer. After a refusal what the peer still sends is
 * read and dropped for a moment, so that it gets to see the answer.
 *
 * A handler can make its answer a stream (carrier_stream): then the connection is pushed to until
 * one of both sides ends it.
 */
#ifndef MUSTER_CARRIER_H
#define MUSTER_CARRIER_H

#include "../source.h"
#include "api.h"

#define CARRIER_IDLE_SECONDS    75 /* longer than proxies keep a connection to us open */
#define CARRIER_HEAD_SECONDS    10
#define CARRIER_REQUEST_SECONDS 60
#define CARRIER_WRITE_SECONDS   30
#define CARRIER_LINGER_SECONDS  2
#define CARRIER_BACKLOG_MAX     (64u << 10) /* of a stream: unsent bytes */
#define CARRIER_STREAM_BUFFER   (64 << 10)  /* and the kernel's share, which it counts twice */

struct carrier;

/* Who is at the other end, as far as the connection itself tells. */
struct visitor {
	int fd;
	struct source source;   /* zeros: not by IP */
	bool counted;           /* the door's own */
	char actor[ACTOR_SIZE]; /* "": to be found out by the request */
};

/* Part of its owner. */
struct door {
	struct server *server;
	size_t limit;      /* connections at once; beyond, idle ones go, else new ones wait */
	uint32_t idle;     /* seconds without a request */
	size_t body_limit; /* of a request */
	/* Lines for the head of every answer, each with CR LF; NULL: none. */
	const char *headers;
	/* The name of a header that requests are looked through for as well (http.h); NULL: none. */
	const char *watched;
	/* Fills in who the visitor is. Negative: it is turned away. NULL: all may enter. */
	int (*enter)(struct door *d, struct visitor *v);
	void (*leave)(
		struct door *d, struct visitor *v); /* of each that has entered; may be NULL */
	/* Answers, perhaps by api_handle() after having set who asks. */
	void (*handle)(struct door *d, const struct visitor *v, struct api_call *c);
	/* The largest body that this request may have, asked when its head is there. NULL:
	 * body_limit. */
	size_t (*body_max)(
		struct door *d, const struct visitor *v, const struct http_request *head);

	/* carrier.c's */
	int fd;
	bool open;
	sd_event_source *accept;
	sd_event_source *rest; /* timer: ends a pause of accepting */
	struct carrier *carriers;
	size_t count;
};

/* fd listens already, and is the door's from here on, also on failure. */
int door_open(struct door *d, int fd) must_use;
/* Ends all connections. May be called twice, and of a door all zero that was never opened. */
void door_close(struct door *d);

/* The next step of the call under way (api.h) is done in so many microseconds, unless it is due
 * before. */
void carrier_hasten(struct carrier *c, uint64_t usec);

/* ---- streams */

/* Makes the answer under way a stream: writes its head (200, chunked for HTTP/1.1) with these
 * further header lines (or NULL). From then on carrier_push() may be called, until gone() is. gone:
 * the connection has ended, for whatever reason but carrier_end(); what belongs to the stream is to
 * be let go. -ENOTSUP: the call has no connection. */
int carrier_stream(struct api_call *c, const char *content_type, const char *headers,
	void (*gone)(void *userdata), void *userdata, struct carrier **ret) must_use;

/* Sends, as soon as the peer reads. -EMSGSIZE: it reads too slowly, and the connection ends; -EPIPE:
 * it is ending already. In both cases gone() is still to come, later. */
int carrier_push(struct carrier *c, const void *data, size_t len);

/* Ends a stream after what has been pushed; gone() is not called any more. */
void carrier_end(struct carrier *c);

#endif
