/* SPDX-License-Identifier: MIT */
/*
 * The agent's life: it keeps one channel to its server, says HELLO when the channel stands and then
 * every heartbeat, and when the channel is lost tries again, for ever, with growing and random
 * delays. Each event makes one step and arms the next; change_state() is the one place that says
 * what it is doing, lose() the one end of a connection.
 */
#ifndef MUSTER_AGENT_AGENT_H
#define MUSTER_AGENT_AGENT_H

#include <systemd/sd-event.h>

#include "lib/base.h"

struct agent_paths {
	const char *config;  /* file */
	const char *state;   /* folder of the keys */
	const char *runtime; /* folder of the file status */
	int port, send;      /* sockets that systemd listens on, for Mode=listen; -1: none */
};

/* The loop's exit code when the server has revoked this machine (EX_NOPERM). */
#define AGENT_EXIT_REVOKED 77

/* And when it has asked for a restart: systemd starts the agent again. */
#define AGENT_EXIT_RESTART 0

/* And with Mode=listen when there is nothing to do. */
#define AGENT_EXIT_IDLE 100

struct agent;

/* Loads configuration and keys and arms the first attempt. Errors have been logged. paths must
 * outlive the agent. */
int agent_new(sd_event *event, const struct agent_paths *paths, struct agent **ret) must_use;
struct agent *agent_free(struct agent *a); /* takes NULL, returns NULL */

/* Reads configuration and keys anew and connects anew; with a mistake in them all stays as it is.
 */
void agent_reload(struct agent *a);

#endif
