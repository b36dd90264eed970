/* SPDX-License-Identifier: MIT */
/*
 * Which Host a request to the dashboard may name. A page from elsewhere whose name is made to point
 * here (DNS rebinding) sends its own: it gets no answer but a refusal.
 *
 * Good are: the names of Host=, else the host of [server] Name=; the very address that the
 * connection came to; localhost if that is a loopback one. Ports are not looked at.
 */
#ifndef MUSTER_HOSTS_H
#define MUSTER_HOSTS_H

#include "../config.h"
#include "../source.h"

#define HOST_SIZE 256 /* a name of 253 characters, or an IPv6 address in brackets */

/* The host of "HOST" or "HOST:PORT" in lower case, without a last dot. -EINVAL: it's none. */
int host_split(const char *text, char ret[static HOST_SIZE], uint16_t *ret_port) must_use;

/* local: where the connection came to; zeros: not by IP. host may be NULL: refused. */
bool host_accepted(const struct config *c, const struct source *local, const char *host);

#endif
