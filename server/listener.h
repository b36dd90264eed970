/* SPDX-License-Identifier: MIT */
/*
 * The accepting of connections on the client port's sockets (sockets.h): in batches, with a cap on
 * all and on each source (source.h). When descriptors run out or the cap is reached it rests a
 * little and lets the kernel's queue hold the rest.
 */
#ifndef MUSTER_LISTENER_H
#define MUSTER_LISTENER_H

#include <stdbool.h>

#include "lib/base.h"

struct server;
struct listener;

/* Needs s->sockets. Failures are logged. */
int listener_start(struct server *s) must_use;
/* No new connections, the sockets are closed; the connections that there are stay. */
void listener_stop(struct server *s);
struct listener *listener_free(struct listener *l);

/* A connection that was accepted has ended. */
struct source;
void listener_left(struct server *s, const struct source *source);

bool listener_is_open(const struct server *s);
uint32_t listener_connections(const struct server *s); /* open now */

#endif
