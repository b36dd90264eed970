/* SPDX-License-Identifier: MIT */
/*
 * The client port's sockets, from systemd (socket activation) or of the server's own, and the
 * accepting of connections: in batches, with a cap on all and on each source (source.h). When
 * descriptors run out or the cap is reached it rests a little and lets the kernel's queue hold the
 * rest.
 */
#ifndef MUSTER_LISTENER_H
#define MUSTER_LISTENER_H

#include "lib/base.h"

#define LISTENER_TEXT 80

struct server;
struct listener;

/* Fills config.name if it is empty. Failures are logged. */
int listener_start(struct server *s) must_use;
/* No new connections; those that there are stay. */
void listener_stop(struct server *s);
struct listener *listener_free(struct listener *l);

/* A connection that was accepted has ended. */
struct source;
void listener_left(struct server *s, const struct source *source);

/* The addresses really listened on ("[::]:8443"); how many were written, at most max. */
size_t listener_addresses(const struct server *s, char ret[][LISTENER_TEXT], size_t max);

#endif
