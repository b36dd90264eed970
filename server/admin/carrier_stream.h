/* SPDX-License-Identifier: MIT */
/*
 * Answers that go on: a connection that is pushed to until one of both sides ends it. What the reader
 * still sends is dropped.
 */
#ifndef MUSTER_CARRIER_STREAM_H
#define MUSTER_CARRIER_STREAM_H

#include "carrier.h"

#define CARRIER_BACKLOG_MAX   (64u << 10) /* unsent bytes */
#define CARRIER_STREAM_BUFFER (64 << 10)  /* and the kernel's share, which it counts twice */

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
