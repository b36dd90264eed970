/* SPDX-License-Identifier: MIT */
/* An enrolled machine's own messages (muster-protocol(7), "HELLO" and "LEAVE"). */
#ifndef MUSTER_AGENT_H
#define MUSTER_AGENT_H

#include "beats.h"
#include "channel.h"

int agent_hello(struct channel *c, const struct message *m) must_use;
/* A HELLO of a connected machine has waited long enough; for beats_new(). */
void agent_beat(struct channel *c, const struct beat *b);
int agent_leave(struct channel *c, const struct message *m) must_use;

#endif
