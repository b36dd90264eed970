/* SPDX-License-Identifier: MIT */
/*
 * Restarts of agents (muster-protocol(7), "RESET"): whether one is wanted is in the store; it is
 * sent on a machine's next HELLO, or at once if the machine is connected, and again on each of its
 * connections until it is answered. So the agent's answer comes when it is back.
 */
#ifndef MUSTER_RESETS_H
#define MUSTER_RESETS_H

#include "channel.h"

/* Sends what is wanted and not under way on this channel. Negative: the channel must end. */
int resets_due(struct channel *c) must_use;
void resets_forget(struct channel *c); /* what was sent on it will not be answered there */

/* The machine's ACK (code 0) or NACK of that message. 1: it was of a RESET; 0: it was not;
 * negative: the channel must end. */
int resets_answer(struct channel *c, uint64_t sequence, uint16_t code, const char *text) must_use;

#endif
