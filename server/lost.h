/* SPDX-License-Identifier: MIT */
/*
 * Machines that are lost while they are updated (updates.h): nothing was heard of them for a quarter
 * of an hour, or they are heard of and have not answered for an hour. Their places are free again,
 * and they count as failed until they answer after all. Only what a server was up to hear counts:
 * time during which it was not there, or had no database, is nobody's silence.
 */
#ifndef MUSTER_LOST_H
#define MUSTER_LOST_H

#include <stdint.h>

#include "lib/base.h"

struct server;

int lost_start(struct server *s) must_use; /* failures are logged */
void lost_stop(struct server *s);

/* Gives up those, a batch at a time; there was a server to hear them ever since attended. 1: there
 * may be more. For lost.c and its tests. */
int lost_give_up(struct server *s, uint64_t attended) must_use;

#endif
