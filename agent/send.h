/* SPDX-License-Identifier: MIT */
/* `muster-agent send`: hands messages to the agent and waits until they are stored. */
#ifndef MUSTER_AGENT_SEND_H
#define MUSTER_AGENT_SEND_H

/* Exit codes, muster-agent(8). */
enum send_exit {
	SEND_STORED = 0,
	SEND_FAILED = 1,
	SEND_USAGE = 2,  /* also: no message that can be taken */
	SEND_DENIED = 4, /* not root and not in the group */
	SEND_FULL = 5,   /* the spool */
	SEND_NOBODY = 6, /* no agent has answered in time */
};

int send_command(const char *runtime, int argc, char **argv);

#endif
