/* SPDX-License-Identifier: MIT */
/* The agent's systemd unit, by systemctl(1), and what the running agent tells of itself. */
#ifndef MUSTER_ENROL_UNIT_H
#define MUSTER_ENROL_UNIT_H

#include <signal.h>
#include <stdbool.h>

#include "lib/identity.h"

/* Whether systemd is this machine's init and systemctl is there. */
bool unit_systemd_runs(void);

/* enable and start, without waiting for the start to end. What systemctl says, when it fails, goes
 * to ret_said. -EIO: it failed; -ECANCELED, -ETIMEDOUT. */
#define UNIT_SAID_SIZE 512
int unit_start(const char *unit, const volatile sig_atomic_t *cancel,
	char ret_said[static UNIT_SAID_SIZE]) must_use;

/* Restarts one, or two with a blank between, without waiting for the end: systemd does both halves,
 * whatever becomes of the caller. */
int unit_restart(const char *units, char ret_said[static UNIT_SAID_SIZE]) must_use;

/* Stop and disable; forget that it failed. 0 also if there is no such unit. */
int unit_stop(const char *unit) must_use;
/* daemon-reload. The argument is of no meaning. */
int unit_reload(const char *unit) must_use;

/* What systemd says of a service. */
struct unit_state {
	char active[24];     /* "active", "inactive", ... */
	char invocation[48]; /* another one after each start; "": never started */
	bool ended;   /* it has failed, or has ended by itself and is going to be started again */
	uint64_t pid; /* of its main process; 0: none */
	uint64_t restarts; /* how often it has been, by itself */
};

int unit_look(const char *unit, struct unit_state *ret) must_use;

/* The last lines of its journal, "" if there are none. */
void unit_last_lines(const char *unit, char ret_said[static UNIT_SAID_SIZE]);

/* The agent's status file (muster-agent(8), "FILES"), written by the agent: not to be trusted. */
struct agent_status {
	char state[32]; /* "connected", ...; "" if there is no such file */
	char client[CLIENT_ID_TEXT_SIZE];
	char server[288];
	char detail[400];
	uint64_t since; /* seconds since 1970 */
	uint64_t hello; /* last acknowledged HELLO; 0: none yet */
};

void agent_status_read(struct agent_status *ret);

/* Waits until the agent of this client tells of an acknowledged HELLO. *ret is what it told last.
 * -ETIMEDOUT; -ECONNREFUSED: the server refuses it; -ECANCELED. */
int agent_status_wait(const char *client, unsigned seconds, const volatile sig_atomic_t *cancel,
	struct agent_status *ret) must_use;
/* The same of an agent that is being restarted: what the one before, of which systemd said that, has
 * told doesn't count. -ESRCH: the new one ended by itself. */
int agent_status_wait_new(const char *client, const struct unit_state *before, unsigned seconds,
	const volatile sig_atomic_t *cancel, struct agent_status *ret) must_use;

#endif
