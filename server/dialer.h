/* SPDX-License-Identifier: MIT */
/*
 * Connections to the machines that listen (muster-protocol(7), "Listening machines"): made when
 * there is something to say, and now and then for a HELLO. Which machine is to be dialled when is
 * in the store; here are a timer that looks there, a bound on how many are dialled at once, and
 * what becomes of each dial. A machine that doesn't answer is tried again after growing delays.
 *
 * The server connects nowhere but to the address that an enrolled machine's own connection came
 * from, at the port that the machine named, or to where an administrator has said; and there it
 * says nothing before the machine has proved to have its TLS key.
 */
#ifndef MUSTER_DIALER_H
#define MUSTER_DIALER_H

#include "channel.h"

struct config;
struct dialer;

int dialer_start(struct server *s) must_use;
void dialer_stop(struct server *s); /* before the turn's end */

/* A HELLO was taken on that channel: from a machine that listens, or doesn't. Negative: the store
 * failed. */
int dialer_hello(struct channel *c, const struct hello *hello, const struct client_record *client)
	must_use;

/* There is something for that machine, or for anyone's; when the machine doesn't listen, or is
 * connected, nothing happens. Within a turn; the store's failures have been logged. */
void dialer_tell(struct server *s, const uint8_t client[static CLIENT_ID_SIZE]);
void dialer_tell_after(
	struct server *s, const uint8_t client[static CLIENT_ID_SIZE], uint32_t seconds);
void dialer_tell_all(struct server *s);

/* The most that lies between a HELLO and the next dial, in seconds. */
uint64_t dialer_longest(const struct config *c);

/* The machine is a client no more, and knows it. */
void dialer_over(struct channel *c);
/* A dialled channel has ended: another machine may be dialled. */
void dialer_left(struct channel *c);

/* An address to dial, "192.0.2.1:8444" or "[2001:db8::1]:8444". -EINVAL. */
int dialer_parse(const char *text, struct sockaddr_storage *ret) must_use;

#endif
