/* SPDX-License-Identifier: MIT */
/*
 * The control socket: a UNIX stream socket, mode 0660, on which the administrator's programs speak
 * HTTP/1.1 with the API (api.h). Who may connect is the file's owner and group; the kernel says who
 * did (SO_PEERCRED), and that is the actor of what is done. Whoever may connect is an
 * administrator.
 */
#ifndef MUSTER_CONTROL_H
#define MUSTER_CONTROL_H

#include "lib/base.h"

struct server;
struct control;
struct embed;

/* Makes the socket at config.control. A file left by a server that is gone is replaced;
 * -EADDRINUSE: one that runs answers there; -EEXIST: it's no socket. Failures are logged. */
int control_start(struct server *s) must_use;

/* Ends all connections and removes the socket, if it is still this server's. May be called twice.
 */
void control_stop(struct server *s);

/* What the installer scripts carry inside (embed.h); NULL without a control socket. */
struct embed *control_embed(const struct server *s);

#endif
