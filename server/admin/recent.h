/* SPDX-License-Identifier: MIT */
/* Listings from the newest on (order=newest), for the routes that have both orders. */
#ifndef MUSTER_ADMIN_RECENT_H
#define MUSTER_ADMIN_RECENT_H

#include "read.h"

/* The parameters as they were given. */
struct audit_asked {
	const struct param *limit, *after, *object, *act, *text;
};
void audit_newest(struct api_call *c, const struct audit_asked *asked);

struct message_asked {
	const struct param *limit, *after, *text, *since, *until;
	const uint8_t *client; /* NULL: all */
	const char *type;      /* NULL: all */
};
void messages_newest(struct api_call *c, const struct message_asked *asked);

#endif
