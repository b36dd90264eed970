/* SPDX-License-Identifier: MIT */
/* Two machines that speak as one client: noticed by what their HELLOs say (store/clones.h). */
#ifndef MUSTER_CLONES_H
#define MUSTER_CLONES_H

#include "channel.h"

/* Before a HELLO is stored: judges it by what is known of the client. Sounds the alarm, and does
 * what Clones= says: then *client is what it has become. Negative: the store failed. */
int clones_watch(struct channel *c, struct client_record *client, const struct hello *hello,
	const char *address) must_use;

#endif
