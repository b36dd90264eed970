/* SPDX-License-Identifier: MIT */
/*
 * The end of an enrolment that the server has ended for ever: the keys are of no more use to
 * anybody but a thief, so they are wiped, and why is left in their place for the next start to
 * tell.
 */
#ifndef MUSTER_AGENT_ENDING_H
#define MUSTER_AGENT_ENDING_H

#include "lib/base.h"

#define ENDING_SIZE 640

/* Writes STATE/revoked, then overwrites and removes both keys. All is tried; the first error. */
int ending_make(const char *state_folder, const char *why) must_use;

/* Why there are no keys: one printable line. -ENOENT: no such end. */
int ending_read(const char *state_folder, char ret[static ENDING_SIZE]) must_use;

#endif
