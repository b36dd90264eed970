/* SPDX-License-Identifier: MIT */
/*
 * Who holds which machine's connection, where several processes serve (workers.h, or several
 * servers on one database). The store knows it (store/presence.h): the process that takes a
 * machine's first HELLO writes itself down, and whoever held it before hears of it (mesh.h) and
 * ends the older connection; one who didn't hear finds out by the next HELLO. A process that is
 * gone, whatever it held, is seen by its beats that have stopped.
 *
 * With one process there is nothing to write or to ask.
 */
#ifndef MUSTER_PRESENCE_H
#define MUSTER_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/identity.h"

struct channel;
struct presence;
struct server;

#define PRESENCE_BEAT_MS  5000u  /* between a process's signs of life */
#define PRESENCE_LEASE_MS 20000u /* without one it holds nothing any more */

/* Failures are logged. */
int presence_start(struct server *s) must_use;
/* The server is about to stop: on its loop, the others are told. */
void presence_leave(struct server *s);
void presence_stop(struct server *s);

/* The number of this process; 0: it is alone. */
uint64_t presence_self(const struct server *s);

/* In the transaction of a HELLO, before the channel is counted as connected: its client is held
 * here. 1: by an older connection only, which has been replaced by one elsewhere: it is to end. */
int presence_hold(struct channel *c) must_use;
/* The client's connection has ended here. */
void presence_gone(struct server *s, const uint8_t id[static CLIENT_ID_SIZE]);

/* Does another process, which lives, hold that client by the store? Negative: the store failed. */
int presence_elsewhere(struct server *s, const uint8_t id[static CLIENT_ID_SIZE]) must_use;

/* Is the client connected, wherever? sight: as of a second ago is good enough, for looks at many. */
bool presence_connected(const struct server *s, const uint8_t id[static CLIENT_ID_SIZE]);
bool presence_sight(const struct server *s, const uint8_t id[static CLIENT_ID_SIZE]);
size_t presence_count(const struct server *s);

/* Of what must be done once, however many servers use the database: is this the process to do it? It
 * is the one that has been there longest of all first workers (the only one, mostly). When it is
 * gone the next one is. While that is decided two may think so: what they do must bear it. */
bool presence_leads(const struct server *s);
#define PRESENCE_LEAD_USEC 5000000u /* who doesn't asks again after that time */

/* Another process has come or gone: look who there is. */
void presence_refresh(struct server *s);

#endif
