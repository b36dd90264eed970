/* SPDX-License-Identifier: MIT */
/* An enrolled machine's own messages (muster-protocol(7), "HELLO" and "LEAVE"). */
#ifndef MUSTER_AGENT_H
#define MUSTER_AGENT_H

#include "beats.h"
#include "channel.h"

/* Is the channel's client (still) one? 0: yes; 1: no, and it was told why; or an error: the channel
 * must end. */
int agent_check(struct channel *c, uint64_t sequence, struct client_record *ret) must_use;

/* A client of LINK_MAYBE takes its former's place, if that is silent. Negative: the store failed. */
int agent_succeed(struct server *s, struct client_record *client) must_use;

int agent_hello(struct channel *c, const struct message *m) must_use;
/* A HELLO of a connected machine has waited long enough; for beats_new(). */
void agent_beat(struct channel *c, const struct beat *b);
int agent_leave(struct channel *c, const struct message *m) must_use;

#endif
