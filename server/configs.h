/* SPDX-License-Identifier: MIT */
/*
 * Configuration to the machines (muster-protocol(7), "CONFIG"). What a machine should have is in
 * the store, what it has it says in HELLO; the difference is sent, one order at a time on a
 * channel, the next after the answer. A push, a HELLO and an answer each only make a channel due; a
 * source of the loop serves a few of them at a time, so that a push to all machines holds nobody
 * up.
 */
#ifndef MUSTER_CONFIGS_H
#define MUSTER_CONFIGS_H

#include "channel.h"
#include "store/configs.h"

struct configs;

int configs_start(struct server *s) must_use;
void configs_stop(struct server *s);

/* What a machine should have may differ from what it has: this machine's, if it is connected, or
 * anyone's. */
void configs_due(struct channel *c);
void configs_all_due(struct server *s);
void configs_all_due_here(struct server *s); /* of this process only (mesh.h) */
void configs_forget(struct channel *c);      /* the channel ends */
/* 1: a machine that isn't connected should have something else than it has; 0. */
int configs_differ(struct server *s, const struct client_record *client) must_use;

/* Takes over what the machine says it holds. Negative: the store failed. */
int configs_hello(struct channel *c, const struct holdings *held) must_use;

/* The machine's ACK and NACK of a CONFIG: kept as a receipt. */
int configs_ack(struct channel *c, const struct message *m) must_use;
int configs_nack(struct channel *c, const struct message *m) must_use;

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

int configs_standing(const struct server *s, const struct client_record *client, const char *name,
	struct config_standing *ret) must_use;

#endif
