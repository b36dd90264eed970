/* SPDX-License-Identifier: MIT */
/*
 * Configuration to the machines (muster-protocol(7), "CONFIG"). What a machine still needs
 * (desired.h) is sent, one order at a time on a channel, the next after the answer. A push, a HELLO
 * and an answer each only make a channel due; a source of the loop serves a few of them at a time,
 * so that a push to all machines holds nobody up.
 */
#ifndef MUSTER_CONFIGS_H
#define MUSTER_CONFIGS_H

#include "channel.h"
#include "store/configs.h"

struct configs;

int configs_start(struct server *s) must_use;
void configs_stop(struct server *s);

/* What a machine should have may differ from what it has: this machine's, if it is connected, or
 * anyone's. */
void configs_due(struct channel *c);
void configs_all_due(struct server *s);
void configs_all_due_here(struct server *s); /* of this process only (mesh.h) */
void configs_forget(struct channel *c);      /* the channel ends */
void configs_written(struct channel *c);     /* nothing waits to be written to it any more */

/* Takes over what the machine says it holds. -ETIMEDOUT: it has not answered to a configuration in
 * time, so the channel must end; other negative: the store failed. */
int configs_hello(struct channel *c, const struct holdings *held) must_use;

/* The machine's ACK and NACK of a CONFIG: kept as a receipt. */
int configs_ack(struct channel *c, const struct message *m) must_use;
int configs_nack(struct channel *c, const struct message *m) must_use;

#endif
