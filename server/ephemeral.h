/* SPDX-License-Identifier: MIT */
/*
 * Ephemeral clients: removed, as by an administrator, once they have been offline for as long as
 * their token said. What is due is read from the store each minute (store.h), so nothing is armed
 * for a client and nothing is lost by a restart.
 */
#ifndef MUSTER_EPHEMERAL_H
#define MUSTER_EPHEMERAL_H

#include "server.h"

int ephemeral_start(struct server *s) must_use;
void ephemeral_stop(struct server *s);

#endif
