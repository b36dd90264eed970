/* SPDX-License-Identifier: MIT */
/*
 * Very many sockets as one source of the loop: an epoll set of their own inside of it. sd-event
 * looks at everything that is ready anew before each single callback, which costs more the more
 * sockets are ready; here they are taken by the batch. A batch is short, so that the loop's other
 * sources (the turn's end, the control socket) have their turn in between.
 */
#ifndef MUSTER_POLLER_H
#define MUSTER_POLLER_H

#include <systemd/sd-event.h>

#include "lib/base.h"

struct poller;

/* ready: what epoll_wait(2) tells of an owner's socket. It may remove any socket, its own too. */
int poller_new(sd_event *loop, void (*ready)(void *owner, uint32_t events), struct poller **ret)
	must_use;
struct poller *poller_free(struct poller *p);

int poller_add(struct poller *p, int fd, uint32_t events, void *owner) must_use;
int poller_set(struct poller *p, int fd, uint32_t events, void *owner) must_use;
/* Before the socket is closed; afterwards its owner is not called any more. */
void poller_remove(struct poller *p, int fd, const void *owner);

#endif
