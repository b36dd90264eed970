/* SPDX-License-Identifier: MIT */
/* An enrolled machine's own messages (muster-protocol(7), "HELLO" and "LEAVE"). */
#ifndef MUSTER_AGENT_H
#define MUSTER_AGENT_H

#include "channel.h"

int agent_hello(struct channel *c, const struct message *m) must_use;
int agent_leave(struct channel *c, const struct message *m) must_use;

#endif
