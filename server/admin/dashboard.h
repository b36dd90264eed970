/* SPDX-License-Identifier: MIT */
/*
 * The dashboard's listener: plain HTTP/1.1, made to stand behind a proxy. Below /api the same API
 * as on the control socket, for those who show who they are (access.h). Before anything else the
 * Host is looked at (hosts.h); every answer, a refusal too, carries the headers that keep a browser
 * from doing more with it than it should.
 */
#ifndef MUSTER_DASHBOARD_H
#define MUSTER_DASHBOARD_H

#include "door.h"

struct dashboard;

/* Listens as the configuration says. Failures are logged; if the address is the default one and
 * taken, it's told and there is no dashboard. */
int dashboard_start(struct server *s) must_use;
void dashboard_stop(struct server *s); /* may be called twice */

/* "127.0.0.1:8080"; "" if there is no dashboard. */
#define DASHBOARD_TEXT 80
void dashboard_address(const struct server *s, char ret[static DASHBOARD_TEXT]);

/* One request of a visitor that came to the address local: the whole answer is in c->out, or it is
 * made in steps (api.h). For the listener, and for tests. */
void dashboard_answer(struct api_call *c, const struct visitor *v, const struct source *local);

#endif
