/* SPDX-License-Identifier: MIT */
/*
 * The client port's TLS (lib/tlscontext.h). A client certificate is asked for and any is taken, for
 * what counts is the key (its possession is proved by the handshake): whoever uses the connection
 * judges the pin.
 */
#ifndef MUSTER_TLS_H
#define MUSTER_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/tlskey.h"

int tls_context_new(const struct tlskey *key, SSL_CTX **ret) must_use;

/* For connections to machines that listen: the other end of TLS. Whom it is to be, each of them
 * says in a struct tls_expected that SSL_set_app_data() gave it: another's key ends the handshake.
 */
struct tls_expected {
	uint8_t pin[PIN_SIZE];
	bool wrong; /* another key was shown */
};
int tls_dial_context_new(const struct tlskey *key, SSL_CTX **ret) must_use;
bool tls_speaks_packets(const SSL *ssl); /* the ALPN was chosen */

/* 1: the peer showed a key, its pin is in ret; 0: it showed none; or an error. */
int tls_peer_pin(const SSL *ssl, uint8_t ret[static PIN_SIZE]) must_use;

#endif
