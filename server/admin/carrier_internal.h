/* SPDX-License-Identifier: MIT */
/* A connection as carrier.c, carrier_call.c and carrier_stream.c see it; nobody else does. */
#ifndef MUSTER_CARRIER_INTERNAL_H
#define MUSTER_CARRIER_INTERNAL_H

#include "../http_parser.h"
#include "carrier.h"

enum carrier_state {
	CARRIER_IDLE,      /* no byte of a request yet */
	CARRIER_READING,   /* a request's head or body */
	CARRIER_BUSY,      /* the request is under way: until its answer may leave */
	CARRIER_WRITING,   /* its answer leaves */
	CARRIER_STREAMING, /* it goes on leaving */
	CARRIER_LINGERING, /* all is said; what still comes is dropped */
};

struct carrier {
	struct door *door;
	struct carrier *next, **previous; /* of the door's */
	struct visitor visitor;
	bool entered;

	enum carrier_state state;
	sd_event_source *io;
	sd_event_source *timer; /* of the state */
	bool eof;               /* the peer sends no more */
	uint64_t grace_ends;    /* CLOCK_MONOTONIC, microseconds; 0: it has asked */

	struct buffer in; /* not yet parsed */
	struct http_parser *parser;
	struct api_call call;
	sd_event_source *work; /* timer, while the call has steps to do */

	struct buffer out;
	size_t sent; /* of out */
	struct held held;
	bool last; /* the answer under way is the last */

	bool stream; /* the answer under way is one */
	bool chunked;
	void (*gone)(void *userdata);
	void *userdata;
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t carrier_from_now(uint64_t usec);

/* Also sets the time-out that goes with the state, if it is another. */
void carrier_change_state(struct carrier *c, enum carrier_state state);
/* The connection ends then; 0: it may take as long as it likes. */
void carrier_set_deadline(struct carrier *c, uint32_t seconds);

/* Waits for what there is to be done now: to read, to write. If that can't be set up, the connection
 * ends, but later: this may be within its own event. */
void carrier_watch(struct carrier *c);
/* Ends it later, whatever there is to send; may be called within its own event. */
void carrier_abort(struct carrier *c);
/* Ends it now. */
void carrier_free(struct carrier *c);

#endif
