/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a server tell one another, after the commit of what they have done:
 *
 *	l ID      look at that client: an administrator has changed it, or it has connected elsewhere
 *	c         configurations: look at all clients
 *	u         updates: look at the roll-out
 *	p         a process has come or gone
 *	t TOPICS  for who watches (changes.h)
 *	*         some of it was lost: look at everything
 *
 * Workers on one machine with SQLite tell it over sockets of their own; servers on PostgreSQL, and
 * their workers, by the database's notices (dblink.h).
 *
 * Nothing but "look": the store has the contents, and who looks twice does no harm. What is lost is
 * found at the next HELLO; where a loss is noticed, everything is looked at.
 */
#ifndef MUSTER_MESH_H
#define MUSTER_MESH_H

#include <stdint.h>

#include "config.h"
#include "lib/identity.h"

struct server;
struct mesh;

/* Made before the workers are forked: each reads its own, and writes to the others'. */
struct mesh_sockets {
	unsigned count;
	int read[WORKERS_MAX], write[WORKERS_MAX];
};
int mesh_sockets_open(struct mesh_sockets *m, unsigned count) must_use;
void mesh_sockets_close(struct mesh_sockets *m);

/* Needs the loop, the turn and changes. Failures are logged. */
int mesh_start(struct server *s) must_use;
void mesh_stop(struct server *s);

/* Tells all others, after the turn's commit if one is open, or at once. Nothing if there are none. */
void mesh_look(struct server *s, const uint8_t client[static CLIENT_ID_SIZE]);
void mesh_configs(struct server *s);
void mesh_updates(struct server *s);
void mesh_peers(struct server *s);

#endif
