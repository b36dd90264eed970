/* SPDX-License-Identifier: MIT */
/*
 * Updates that the server orders (muster-protocol(7), "UPDATE"), the part with root's rights:
 * `muster-agent update`, which muster-update.service runs when muster-update.path sees an order,
 * given by the agent (handover.h) or begun and not brought to its end.
 *
 * An order is verified, its number is taken (newest.h), and it is kept in this part's own folder
 * before anything is done: so whatever cuts it off, it is brought to its end after the next start.
 * What came of it is kept as well, and an order that comes again gets the same answer. The work is
 * muster-enrol's, which proves the new agent or puts the former one back.
 */
#ifndef MUSTER_AGENT_RENEWAL_H
#define MUSTER_AGENT_RENEWAL_H

#include "lib/base.h"

#define RENEWAL_NAME    "update" /* for handover.h and newest.h */
#define RENEWAL_SECONDS 2400     /* that it takes at most while the server can be reached */
#define RENEWAL_PAUSE   5        /* seconds between two looks at what is waited for */

struct renewal_setup {
	const char *config, *state, *runtime; /* the agent's */
	const char *folder;                   /* this part's own */
	const char *outcome;                  /* for the agent */
	const char *program;                  /* muster-enrol */
	const char *journal; /* muster-enrol's, there while it has not ended what it began */
	unsigned pause;      /* RENEWAL_PAUSE, but in tests */
};

/* An exit code. */
int renewal_run(const struct renewal_setup *s);

#endif
