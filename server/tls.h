/* SPDX-License-Identifier: MIT */
/*
 * The client port's TLS: 1.3 only, AEAD suites, no tickets, no early data. A client certificate is
 * asked for and any is taken, for what counts is the key (its possession is proved by the
 * handshake): whoever uses the connection judges the pin.
 */
#ifndef MUSTER_TLS_H
#define MUSTER_TLS_H

#include <openssl/ssl.h>

#include "lib/session.h"
#include "lib/tlskey.h"

int tls_context_new(const struct tlskey *key, SSL_CTX **ret) must_use;

/* The session binding (RFC 9266). -EIO. */
int tls_binding(SSL *ssl, uint8_t ret[static BINDING_SIZE]) must_use;

/* 1: the peer showed a key, its pin is in ret; 0: it showed none; or an error. */
int tls_peer_pin(const SSL *ssl, uint8_t ret[static PIN_SIZE]) must_use;

#endif
