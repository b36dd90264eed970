/* SPDX-License-Identifier: MIT */
/*
 * Restarts of agents that administrators ask for (RESET). They are numbered, so that each is made
 * once, however often it is sent, and above what machines have seen when the database has been put
 * back from a backup: by number_draw(), as the orders of configurations. As store.h says: what writes does so in the
 * turn's transaction, and the errors are the same.
 */
#ifndef MUSTER_STORE_RESETS_H
#define MUSTER_STORE_RESETS_H

#include "store.h"

enum reset_state {
	RESET_WANTED,  /* to be sent, or not answered yet */
	RESET_DONE,    /* the agent is back and has acknowledged it */
	RESET_REFUSED, /* the agent can't; not sent again */
};
const char *reset_state_name(enum reset_state state); /* "wanted", "done", "refused" */

struct reset_record {
	uint64_t number;
	enum reset_state state;
	uint64_t asked, answered; /* answered: 0 while wanted */
	uint16_t code;            /* refused: enum nack_code, and the agent's words */
	char text[513];
};

/* Asks for one, audited. 1: *ret is it; 0: one is wanted already, *ret; -EPERM: not of a client in
 * its state, which *ret_client tells. */
int store_reset_ask(struct store *s, const char *id_or_prefix, const struct client_order *order,
	struct client_record *ret_client, struct reset_record *ret) must_use;

/* The last one of the client. -ENOENT: none was ever asked for. */
int store_reset_get(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	struct reset_record *ret) must_use;

/* The machine has answered: code 0, it's done. Audited. 1: written down; 0: that one isn't wanted
 * any more. */
int store_reset_answer(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t number, uint16_t code, const char *text) must_use;

#endif
