/* SPDX-License-Identifier: MIT */
/*
 * Several server processes on one port: Workers= in muster-server.conf(5). The first process
 * becomes their supervisor: it opens the port, forks the workers, passes signals on, starts again
 * who dies (supervise.h), and is what systemd sees. It has no keys, no database and no connection.
 *
 * All workers accept from the same sockets. So a connection is taken by whoever is free, of those
 * that hold about as many as the others: the kernel alone would wake the same one again and again,
 * and connections stay where they are for months. One that
 * waits in the kernel's queue is not lost with the worker that dies, and a worker that has all it
 * may hold leaves the others to the rest; with a socket for each (SO_REUSEPORT) none of that holds.
 *
 * What there must be one of (control socket, outlet, removal of what is too old) is the first
 * worker's.
 */
#ifndef MUSTER_WORKERS_H
#define MUSTER_WORKERS_H

#include "config.h"
#include "tally.h"

struct server;

/* In memory that all of them share. */
struct board;
/* So many machines are connected to this process; and to all of them. */
void board_connected(struct server *s, size_t count);
size_t board_all_connected(const struct server *s);
/* So many connections are open in this process, which accepts more of them; or it doesn't. */
void board_open(struct server *s, uint32_t connections);
void board_shut(struct server *s);
/* This process has so many that the next is better left to another for a moment. */
bool board_is_ahead(const struct server *s, uint32_t connections);
tally_slot *board_tally(const struct server *s, unsigned worker); /* what a process has counted */

/* Runs them with what *s has: configuration, sockets, guesses. Returns in the supervisor at the end
 * (0, or negative: they failed), and in each worker (1) with s->worker and s->board set, to serve.
 * reread, in the supervisor: at a reload, the configuration for workers that start later. */
int workers_run(struct server *s, void (*reread)(void *userdata), void *userdata) must_use;

/* In a worker, on its loop: signs of life. Nothing if there are no others. */
int workers_start(struct server *s) must_use;
void workers_stop(struct server *s);

#endif
