/* SPDX-License-Identifier: MIT */
/*
 * Changes (changes.h) as Server-Sent Events, for those who look on: GET /api/v1/events. What comes
 * within a moment goes out together, so a thousand machines coming back are a few events; the latest
 * are kept for who comes back after a lost connection (Last-Event-ID). There is a bound to the number
 * of streams, and to what waits for a slow reader, who is dropped then: he comes back, and learns
 * that he has missed something.
 */
#ifndef MUSTER_EVENTS_H
#define MUSTER_EVENTS_H

#include "lib/base.h"

#define EVENTS_STREAMS_MAX 50
#define EVENTS_KEPT        256
#define EVENTS_GATHER_USEC 100000u
#define EVENTS_BEAT_USEC   20000000u /* between signs of life */

struct server;

/* Needs changes. Failures are logged. */
int events_start(struct server *s) must_use;
/* Ends all streams. May be called twice. */
void events_stop(struct server *s);

#endif
