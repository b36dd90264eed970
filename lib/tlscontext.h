/* SPDX-License-Identifier: MIT */
/*
 * What every end of TLS has that is muster's own and not libcurl's (muster-protocol(7), "Channel"):
 * version 1.3 and nothing else, AEAD suites, X25519 or P-256, no tickets, no sessions, no early
 * data, and a key. Whom it trusts its user sets.
 */
#ifndef MUSTER_TLSCONTEXT_H
#define MUSTER_TLSCONTEXT_H

#include <openssl/ssl.h>

#include "session.h"
#include "tlskey.h"

/* method: TLS_server_method() or TLS_client_method(). -ENOMEM; -EIO: OpenSSL refuses something of
 * it, and its queue of errors has the reason. */
int tlscontext_new(const SSL_METHOD *method, const struct tlskey *key, SSL_CTX **ret) must_use;

/* A server speaks that protocol only (ALPN): its name behind a byte that is the name's length. It
 * must outlive the context. Who offers others gets no handshake; who offers none does. */
void tlscontext_speak(SSL_CTX *ctx, const char *protocol);

/* The session binding of a connection (RFC 9266). -EIO. */
int tlscontext_binding(SSL *ssl, uint8_t ret[static BINDING_SIZE]) must_use;

#endif
