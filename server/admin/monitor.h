/* SPDX-License-Identifier: MIT */
/*
 * For what watches the server: /metrics (metrics.h), /healthz (the process answers) and /readyz (it
 * can do its work). They are routes of the API; with MetricsListen= in [dashboard] they also have a
 * listener of their own, where nobody is asked who he is and nothing else is answered.
 */
#ifndef MUSTER_MONITOR_H
#define MUSTER_MONITOR_H

#include "lib/base.h"

struct server;

int monitor_start(struct server *s) must_use; /* failures are logged */
void monitor_stop(struct server *s);          /* may be called twice */

#endif
