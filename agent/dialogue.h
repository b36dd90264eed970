/* SPDX-License-Identifier: MIT */
/* What agent and server say to each other: HELLO and what its answers mean, the server's states and refusals, orders,
 * messages. Each of these may end the connection. */
#ifndef MUSTER_AGENT_DIALOGUE_H
#define MUSTER_AGENT_DIALOGUE_H

#include "agent/life.h"

void dialogue_hello(struct agent *a);
void dialogue_take(
	struct agent *a, const struct message *m); /* a message that session_open() gave out */

/* For orders_new(): the answer to a CONFIG. userdata is the agent, here and below. */
void dialogue_verdict(void *userdata, uint64_t sequence, const struct verdict *v);

/* For update_new(): the answer to an UPDATE. */
void dialogue_updated(void *userdata, uint64_t sequence, uint16_t code, const char *text);

/* For reset_new(): whether a restart would break something off; it can't be made; it is now. */
bool dialogue_busy(void *userdata);
void dialogue_reset_failed(void *userdata, uint64_t sequence, int error);
void dialogue_restart(void *userdata);

/* For mail_new(): seals a MSG; and what became of those that were handed in. */
int dialogue_send_msg(void *userdata, const void *body, size_t len, uint64_t *ret_sequence);
void dialogue_sent(void *userdata, int r);

#endif
