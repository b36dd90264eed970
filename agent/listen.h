/* SPDX-License-Identifier: MIT */
/*
 * Mode=listen: no connection is kept. systemd holds the port and starts the agent when somebody
 * connects; the server does so when it has something to say; the agent ends when nothing has been
 * said for ListenIdle=. Once in each boot it connects by itself, so that the server knows where the
 * machine listens. All of these do nothing in the other mode.
 */
#ifndef MUSTER_AGENT_LISTEN_H
#define MUSTER_AGENT_LISTEN_H

#include "agent/life.h"

/* The sockets that systemd has given, -1: none. Negative errno, which has been logged. */
int listen_sockets(int *ret_port, int *ret_send) must_use;
/* Nobody is to connect any more. */
void listen_shut(const struct agent_paths *paths);

/* Opens the port. Errors have been logged. */
int listen_begin(struct agent *a) must_use;
void listen_end(struct agent *a);

/* Instead of connecting: the agent waits for its server, and for its own end. false: it is to
 * connect. detail may be a->status.detail itself. */
bool listen_rest(struct agent *a, const char *detail) must_use;

/* The server has acknowledged a HELLO, so it knows. */
void listen_greeted(struct agent *a);
/* Something was said: the agent lives on for ListenIdle=. */
void listen_exchange(struct agent *a);

#endif
