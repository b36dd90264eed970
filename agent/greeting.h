/* SPDX-License-Identifier: MIT */
/* What goes into HELLO, and what its ACK tells of this machine's clock. */
#ifndef MUSTER_AGENT_GREETING_H
#define MUSTER_AGENT_GREETING_H

#include "lib/body.h"

void greeting_gather(struct hello *ret);

/* If this machine's clock is more than two minutes off the server's, a sentence that says so and by
 * how much (rounded, so that it stays the same); otherwise empty. */
#define GREETING_ODD_SIZE 128
void greeting_check_clock(uint64_t server_time, char ret[static GREETING_ODD_SIZE]);

void greeting_client_text(
	const uint8_t client_id[static CLIENT_ID_SIZE], char ret[static CLIENT_ID_TEXT_SIZE]);

#endif
