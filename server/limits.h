/* SPDX-License-Identifier: MIT */
/* What the system allows the process: open files, of which every connection needs one. */
#ifndef MUSTER_LIMITS_H
#define MUSTER_LIMITS_H

#include "config.h"

#define LIMITS_SPARE_FILES 64 /* descriptors for all that is not a connection */

/* How many of so many wanted connections that many open files have room for: all of them, or fewer,
 * but never none. */
uint32_t limits_connections(uint32_t wanted, uint64_t files);

/* Takes as many open files as the system grants, and makes c->connections what they have room for.
 * That there are fewer than the administrator has asked for is logged, unless it was told already;
 * a default is simply what is possible. */
void limits_apply(struct config *c, bool told);

#endif
