/* SPDX-License-Identifier: MIT */
/*
 * Updates of machines (muster-protocol(7), "UPDATE") by the roll-out that stands (store/rollouts.h).
 * What is under way is sent on each of a machine's connections until it is answered. Whom else to
 * ask is decided one place at a time: the connected machines that may be meant wait in a queue, and
 * when a place is free the first of them for whom there is something takes it. A new roll-out, or
 * one that goes on, puts all into the queue; who says HELLO finds out by itself; he for whom there
 * is nothing leaves it. So a roll-out looks at each machine about once, and while nothing is to be
 * done a HELLO costs a comparison.
 *
 * Each process serves the machines that are connected to it. Whether a place is free is the store's
 * to say; what is remembered here only spares asking, and is looked up again when another process
 * says so (mesh.h) and every few seconds.
 */
#ifndef MUSTER_UPDATES_H
#define MUSTER_UPDATES_H

#include "channel.h"

struct updates;

/* Needs the loop, the turn and channels. Failures are logged. */
int updates_start(struct server *s) must_use;
void updates_stop(struct server *s);

/* The roll-out was changed in this turn, or a place in it is free: this process and all others
 * look. */
void updates_changed(struct server *s);
/* A client is none any more: its place is free, if it had one. */
void updates_left(struct server *s);
/* Of this process only: for the mesh, and after a reload of the release. */
void updates_look(struct server *s);

/* What the server asks of that machine, or knows of it, has changed: to whoever watches. */
void updates_tell(struct server *s, const uint8_t client[static CLIENT_ID_SIZE]);

/* A HELLO, in its transaction: sends what is under way, or takes a place. Negative: the channel must
 * end. */
int updates_hello(struct channel *c, const struct client_record *client) must_use;
/* There may be something for that machine now: its labels, or its state have changed. */
void updates_due(struct channel *c);
/* The channel ends, or what was sent on it will not be answered there. */
void updates_forget(struct channel *c);

/* The machine's ACK (code 0) or NACK of that message. 1: it was of an UPDATE; 0: it was not;
 * negative: the channel must end. */
int updates_answer(struct channel *c, uint64_t sequence, uint16_t code, const char *text) must_use;

/* Of a machine that listens and isn't connected: is there something for which it is worth a dial?
 * fails: of dials before; then what it is to be asked newly can wait until it is reached. 1, 0, or
 * negative: the store failed. */
int updates_worth_dialling(struct server *s, const struct client_record *client, uint32_t fails)
	must_use;

#endif
