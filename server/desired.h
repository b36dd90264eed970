/* SPDX-License-Identifier: MIT */
/*
 * What configurations a machine should have, beside what it has. The one is in the store, the other
 * the machine says in HELLO; what differs is to be sent. All return a negative errno if the store
 * failed.
 */
#ifndef MUSTER_DESIRED_H
#define MUSTER_DESIRED_H

#include "store/configs.h"

struct server;

/* How far a machine is from what it should have of one name. */
enum config_state {
	CONFIG_NONE,    /* it should have none and has none */
	CONFIG_CURRENT, /* it has what it should have */
	CONFIG_PENDING, /* connected: under way, or about to be */
	CONFIG_OFFLINE, /* not connected: when it comes back */
	CONFIG_REFUSED, /* it has refused that revision */
	CONFIG_AHEAD,   /* it holds a revision that this server has never made */
};
#define CONFIG_STATES 6
const char *config_state_name(enum config_state state);

struct config_standing {
	enum config_state state;
	bool wanted; /* some revision is meant for it: */
	struct config_record should;
	struct holding has;     /* revision 0: none */
	struct refusal refusal; /* with CONFIG_REFUSED */
};

/* Of one name. */
int desired_standing(const struct server *s, const struct client_record *client, const char *name,
	struct config_standing *ret) must_use;

/* The one thing that the machine is to be told next. */
struct desired_order {
	struct config_record config; /* without a hash if it was never meant for it */
	bool remove;
	struct holding has; /* of that name; revision 0: none */
};

/* 1: there is something; 0: it has what it should have, or has refused the rest. */
int desired_next(struct server *s, const struct client_record *client, struct desired_order *ret)
	must_use;

#endif
