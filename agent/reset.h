/* SPDX-License-Identifier: MIT */
/*
 * Restarts that the server asks for (muster-protocol(7), "RESET"). Each has a number; that of the
 * last one is in the file STATE/reset, written before the agent ends, so each is made once: whoever
 * sends it again, and however often, gets its ACK. No agent that has just started restarts, so no
 * server can keep it from working.
 */
#ifndef MUSTER_AGENT_RESET_H
#define MUSTER_AGENT_RESET_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "lib/base.h"

struct reset;

struct reset_calls {
	unsigned age;                 /* seconds that an agent must have run */
	bool (*busy)(void *userdata); /* something is at work that a restart would break off */
	/* The restart that was asked for by that message can't be made: a negative errno. */
	void (*failed)(void *userdata, uint64_t sequence, int error);
	void (*restart)(void *userdata); /* now */
};

/* Reads the file; one that can't be read counts as none. Errors have been logged. state_folder and
 * calls must outlive it. */
int reset_new(sd_event *event, const char *state_folder, const struct reset_calls *calls,
	void *userdata, struct reset **ret) must_use;
struct reset *reset_free(struct reset *r); /* takes NULL, returns NULL */

/* A RESET has come, by the message of that sequence number. true: that one has been made; false: it
 * will be. */
bool reset_take(struct reset *r, uint64_t number, uint64_t sequence) must_use;

/* One is to be made. */
bool reset_waits(const struct reset *r);

/* The connection is gone: nobody waits for an answer any more. */
void reset_forget(struct reset *r);

#endif
