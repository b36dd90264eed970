/* SPDX-License-Identifier: MIT */
/*
 * The client port's listening sockets, from systemd (socket activation) or of the server's own.
 * They are opened before anything else, so that several processes can share them (workers.h); what
 * comes meanwhile waits in the kernel's queue.
 */
#ifndef MUSTER_SOCKETS_H
#define MUSTER_SOCKETS_H

#include "config.h"

struct sockets {
	size_t count;
	int fd[LISTEN_MAX];
};

/* Fills in config.names if there is none. Failures are logged. */
int sockets_open(struct config *c, struct sockets *ret) must_use;
void sockets_close(struct sockets *s); /* may be called twice */

/* The addresses really listened on ("[::]:8443"); how many were written, at most max. */
size_t sockets_addresses(const struct sockets *s, char ret[][ADDRESS_TEXT_SIZE], size_t max);

#endif
