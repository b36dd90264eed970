/* SPDX-License-Identifier: MIT */
/*
 * One run of muster-enrol --update. update.c finds out what there is to do and fetches it; swap.c
 * puts it in place, proves it, and takes it back.
 *
 * The whole update is this program's, the one that has worked so far: it watches over the new ones
 * and takes them back, whatever they are like. What the new release alone can know, its units, the
 * new muster-enrol writes into a folder (--units), and they are installed from there.
 */
#ifndef MUSTER_ENROL_UPDATE_H
#define MUSTER_ENROL_UPDATE_H

#include "enrol/enrol.h"
#include "enrol/machine.h"
#include "enrol/unit.h"

struct update {
	struct enrol *e;
	struct machine_conf conf;
	char version[33];            /* of what is installed now, where that is known; or "" */
	char units[STAGE_SIZE];      /* folder of the new units; "" before */
	bool has_agent, has_program; /* installed are the manifest's */
	bool current;                /* both: there is nothing to do */
	bool listens;
	bool connected; /* the agent was, before */
	bool unproved;  /* the server is away: the next run goes on, nothing is undone */
	bool half_done; /* not all could be undone */
	char release[2 * RELEASE_DIGEST_SIZE + 1]; /* of what the server offers */
};

/* The steps install and start. 0, or reported and the exit code. */
int swap_install(struct update *u);
int swap_start(struct update *u);

/* After a failure or a signal: all as it was, which is waited for where the agent had to be restarted.
 * The exit code, code or EXIT_INSTALL: not all could be undone. */
int swap_undo(struct update *u, int code);

/* The same of an earlier run, before this one begins. 0, or reported and the exit code. */
int swap_undo_cut_off(struct update *u);

#endif
