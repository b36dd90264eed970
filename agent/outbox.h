/* SPDX-License-Identifier: MIT */
/*
 * The way of messages from the spool to the server: in order, several under way at once; what is
 * not acknowledged when a connection is lost is sent again on the next.
 */
#ifndef MUSTER_AGENT_OUTBOX_H
#define MUSTER_AGENT_OUTBOX_H

#include "agent/spool.h"

#define OUTBOX_WINDOW 128          /* messages under way */
#define OUTBOX_BYTES  (256 * 1024) /* so many of them, or one that is longer */

/* Sends one MSG; its sequence number goes to ret_sequence. Negative errno. */
typedef int outbox_send(void *userdata, const void *body, size_t len, uint64_t *ret_sequence);

struct outbox;

int outbox_new(struct spool *spool, outbox_send *send, void *userdata, struct outbox **ret)
	must_use;
struct outbox *outbox_free(struct outbox *o); /* takes NULL, returns NULL */

/* A connection stands from now on, or no more: without one nothing is sent. */
void outbox_open(struct outbox *o);
void outbox_close(struct outbox *o);
/* Sends nothing more until it is opened again; what is under way may be acknowledged. */
void outbox_hold(struct outbox *o);

/* Sends what may be under way. -ENOMEM, or an error of send. A spool that can't be read is logged, and
 * the outbox held. */
int outbox_pump(struct outbox *o) must_use;

/* ACK of a sequence number: of that message and all before it. false: no message under way has it.
 */
bool outbox_acked(struct outbox *o, uint64_t sequence);

/* NACK: the server will never take it. It and what stands before it goes out of the spool; its
 * number, or 0: no message under way has that sequence number. */
uint64_t outbox_refused(struct outbox *o, uint64_t sequence);

/* The oldest under way, by sequence number; 0: none is. */
uint64_t outbox_oldest(const struct outbox *o);

#endif
