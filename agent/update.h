/* SPDX-License-Identifier: MIT */
/*
 * Updates that the server orders, the agent's side: an order is handed to root's part (renewal.h)
 * as it came, and answered when that says what came of it. The update ends this agent: the next
 * one gets the same order again, and finds the answer.
 */
#ifndef MUSTER_AGENT_UPDATE_H
#define MUSTER_AGENT_UPDATE_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "agent/outcome.h"
#include "lib/session.h"

struct update;

struct update_setup {
	const char *state;          /* folder */
	const char *outcome;        /* file */
	const char *const *folders; /* of systemd's units, in its order; ends with NULL */
	unsigned wait;              /* seconds */
	uint64_t poll;              /* microseconds between two looks at the outcome */
};

/* As on every machine, but for the folder. */
struct update_setup update_setup_of(const char *state);

/* The answer to the message of that sequence number; code 0 is an ACK. It may come within
 * update_take(). */
typedef void (*update_done)(void *userdata, uint64_t sequence, uint16_t code, const char *text);

/* Errors have been logged. What setup points to must outlive it. */
int update_new(sd_event *event, const struct update_setup *setup, update_done done, void *userdata,
	struct update **ret) must_use;
struct update *update_free(struct update *u); /* takes NULL, returns NULL */

/* An UPDATE, decoded and as it came, from that giver, to this key on the connection of that
 * binding. It takes the place of one that waits. */
void update_take(struct update *u, const struct update_order *order, const struct message *m,
	const uint8_t giver[static GIVER_SIZE], const uint8_t self[static PUBLIC_KEY_SIZE],
	const uint8_t binding[static BINDING_SIZE]);

/* One waits for its end, which a restart for another reason would spoil. */
bool update_waits(const struct update *u);

/* The connection is gone: nobody waits for an answer any more. The update goes on. */
void update_forget(struct update *u);

#endif
