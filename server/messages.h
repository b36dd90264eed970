/* SPDX-License-Identifier: MIT */
/* The machines' messages (muster-protocol(7), "MSG"): taken, and kept as [messages] says. */
#ifndef MUSTER_MESSAGES_H
#define MUSTER_MESSAGES_H

#include "channel.h"

/* Handles MSG; its ACK is left to the channel, so that one can stand for several. */
int messages_take(struct channel *c, const struct message *m) must_use;

/* From now on what is too old is taken out, a little at a time. The limits are read anew each time.
 */
int messages_start(struct server *s) must_use;
void messages_stop(struct server *s);

#endif
