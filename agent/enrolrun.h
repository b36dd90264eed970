/* SPDX-License-Identifier: MIT */
/*
 * One run of muster-enrol --update --release, and what came of it, by the last line that it says
 * (muster-enrol(8), "JSON"). All that it says goes to the journal, too.
 */
#ifndef MUSTER_AGENT_ENROLRUN_H
#define MUSTER_AGENT_ENROLRUN_H

#include "agent/outcome.h"

#define ENROLRUN_GRACE 180 /* seconds that undoing may take */

enum enrolrun_end {
	ENROLRUN_DONE,
	ENROLRUN_FAILED,    /* nothing has changed */
	ENROLRUN_PUT_BACK,  /* the former agent is back */
	ENROLRUN_HALF_DONE, /* not all is */
	ENROLRUN_UNPROVED,  /* the server is away: to be run again when it isn't */
	ENROLRUN_BUSY,      /* another muster-enrol is at work */
	ENROLRUN_LOST,      /* it was ended before it could say */
};

struct enrolrun {
	enum enrolrun_end end;
	char text[OUTCOME_TEXT]; /* why; printable */
};

/* program: a path. seconds: then it is asked to end, by which it undoes what it has done. */
void enrolrun(const char *program, const uint8_t release[static RELEASE_DIGEST_SIZE],
	unsigned seconds, struct enrolrun *ret);

/* The same of a run whose last line was that, which ended with that status of wait(2). */
void enrolrun_judge(const char *line, int status, struct enrolrun *ret);

#endif
