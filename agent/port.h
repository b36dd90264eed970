/* SPDX-License-Identifier: MIT */
/*
 * The port at which a machine with Mode=listen waits for its server: TLS 1.3, ALPN
 * "muster-packet/1", this machine's TLS key, and nobody comes in who doesn't prove in the handshake
 * to have a pinned key. Strangers cost little: a few handshakes at once, each with a deadline; when
 * there are more, the oldest one goes.
 */
#ifndef MUSTER_AGENT_PORT_H
#define MUSTER_AGENT_PORT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "lib/tlskey.h"

#define PORT_GUESTS   8  /* handshakes at once */
#define PORT_PATIENCE 10 /* seconds for one */

struct port;

/* The server has connected; both are the callee's. */
typedef void port_guest(void *userdata, SSL *ssl, int fd);

/* listening: a bound and listening socket of systemd's, which is left to it. tls and pins must
 * outlive it. -EINVAL: not such a socket, or no pins. */
int port_new(sd_event *event, int listening, const struct tlskey *tls, const struct pins *pins,
	port_guest *guest, void *userdata, struct port **ret) must_use;
struct port *port_free(struct port *p); /* takes NULL, returns NULL */

/* Handshakes are under way. */
bool port_busy(const struct port *p);

/* No one listens there any more, also not systemd: the socket unit fails. */
void port_shut(int listening);

#endif
