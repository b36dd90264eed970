/* SPDX-License-Identifier: MIT */
/*
 * The outlet: every message as one line of JSON, in order and at least once, appended to a file or
 * given to a command on its standard input (muster-server.conf(5), "[messages]"). The work is a
 * child's, in batches: when it has ended well the batch is over, and how far the outlet has come is
 * written to the store; when not, the same batch is tried again after a while.
 */
#ifndef MUSTER_OUTLET_H
#define MUSTER_OUTLET_H

#include "server.h"

int outlet_start(struct server *s) must_use;
void outlet_stop(struct server *s);

/* There may be something new for it. */
void outlet_wake(const struct server *s);

#endif
