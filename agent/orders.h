/* SPDX-License-Identifier: MIT */
/*
 * The configurations that the server sends: checked, stored below the state folder and nowhere
 * else, answered. config/NAME is the content; the file holdings says which revisions these are. A
 * file that somebody has changed is told as what it is, so that the server sends it anew. If the
 * machine has a hook for the name, that comes first (apply.h), and the file is stored only when it
 * has succeeded.
 */
#ifndef MUSTER_AGENT_ORDERS_H
#define MUSTER_AGENT_ORDERS_H

#include <systemd/sd-event.h>

#include "lib/body.h"
#include "lib/session.h"

struct orders;

/* What is to be told of an order: code 0 is an ACK. */
struct verdict {
	uint16_t code;          /* enum nack_code */
	char text[513];         /* printable */
	struct subject subject; /* no name: the order could not be read */
};

/* done: the answer to the message of that sequence number; it may come within orders_take(). */
typedef void (*orders_done)(void *userdata, uint64_t sequence, const struct verdict *v);

/* Reads what is held. The error has been logged. state must outlive it. */
int orders_new(sd_event *event, const char *state, orders_done done, void *userdata,
	struct orders **ret) must_use;
struct orders *orders_free(struct orders *o); /* takes NULL, returns NULL */

/* A hook is at work on one. */
bool orders_busy(const struct orders *o);

const struct holdings *orders_holdings(const struct orders *o);

/* A CONFIG of the server's, sent to this key on the connection of that binding. One at a time is
 * worked on; another one waits, and takes the place of one that waited before. */
void orders_take(struct orders *o, const struct message *m,
	const uint8_t self[static PUBLIC_KEY_SIZE], const uint8_t binding[static BINDING_SIZE]);

/* The connection is gone: nobody waits for an answer any more. What a hook is at work on is still
 * brought to its end. */
void orders_forget(struct orders *o);

#endif
