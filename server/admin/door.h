/* SPDX-License-Identifier: MIT */
/*
 * The doors that administrators' connections come in by: the control socket, the dashboard's port,
 * the one for metrics. A door accepts them up to its limit and says how they are treated; what a
 * connection then does is carrier.h's.
 */
#ifndef MUSTER_ADMIN_DOOR_H
#define MUSTER_ADMIN_DOOR_H

#include "../address.h"
#include "../source.h"
#include "api.h"

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
	uint32_t grace;    /* seconds that one which has never asked is left before it makes room */
	size_t body_limit; /* of a request */
	/* Lines for the head of every answer, each with CR LF; NULL: none. */
	const char *headers;
	/* The name of a header that requests are looked through for as well (http_parser.h); NULL: none. */
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

	/* door.c's */
	int fd;
	bool open;
	sd_event_source *accept;
	sd_event_source *rest; /* timer: ends a pause of accepting */
	bool full;             /* the pause is because of that */

	/* carrier.c's */
	struct carrier *carriers; /* the newest first */
	size_t count;
};

/* fd listens already, and is the door's from here on, also on failure. */
int door_open(struct door *d, int fd) must_use;
/* The same with a socket of its own; ret: where that is. Errors: address_listen()'s as well. */
int door_listen(struct door *d, const struct listen_address *a, char ret[static ADDRESS_TEXT_SIZE])
	must_use;
/* Ends all connections. May be called twice, and of a door all zero that was never opened. */
void door_close(struct door *d);

/* carrier.c tells: a connection has ended or is idle, and one more may come. */
void door_has_room(struct door *d);

#endif
