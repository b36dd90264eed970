/* SPDX-License-Identifier: MIT */
/*
 * One end of a channel: messages in and out, sealed, signed, numbered and bound to the TLS
 * connection (muster-protocol(7), "Messages" and "Sessions"). Bytes in, bytes out: it knows no
 * sockets.
 *
 * Everything that session_open() gives out has been opened, is of the next sequence number, is
 * allowed for its sender and is signed by the peer over this connection's binding; a body that
 * introduces its sender (TOKEN, ENROL) bears the very key that the peer is known by. Any error of
 * session_open() is final: the session refuses everything after it (-ESHUTDOWN) and the connection
 * is to be closed.
 */
#ifndef MUSTER_SESSION_H
#define MUSTER_SESSION_H

#include "buffer.h"
#include "identity.h"
#include "op.h"

#define BINDING_SIZE 32 /* RFC 9266: TLS exporter, label "EXPORTER-Channel-Binding", no context */

struct session;

struct session_setup {
	enum direction self;             /* what this end sends is FROM_CLIENT or FROM_SERVER */
	const struct identity *identity; /* this end's; must outlive the session */
	const uint8_t *peer; /* the peer's identity key, PUBLIC_KEY_SIZE; NULL (server only): the
				first message must introduce it, and until session_enrolled() is
				called a message is at most MESSAGE_MAX_ANON */
	uint8_t binding[BINDING_SIZE];
	uint8_t client_id[CLIENT_ID_SIZE]; /* zero before enrolment */
};

/* A message's body is valid until the next session_open() or session_free(). */
struct message {
	enum op op;
	uint64_t sequence;
	const uint8_t *body;
	size_t len;
	const uint8_t *signed_bytes; /* what session_digest() was made of */
	size_t signed_len;
	const uint8_t *signature; /* SIGNATURE_SIZE */
};

int session_new(const struct session_setup *setup, struct session **ret) must_use;
struct session *session_free(struct session *s); /* wipes; takes NULL, returns NULL */
void session_freep(struct session **s);

/* Enrolment is over: from the next message on, both ends write this id. */
void session_enrolled(struct session *s, const uint8_t client_id[static CLIENT_ID_SIZE]);

/* The peer's identity key, or NULL while it has not introduced itself. */
const uint8_t *session_peer(const struct session *s);

/* Seals one message as framed packets appended to out. -EMSGSIZE: the body is longer than its op
 * code allows; -EPERM: this end doesn't send that op code; -ENOKEY: the peer's key is not known
 * yet; -ENOBUFS: out is full. The sequence number used goes to ret_sequence unless that is NULL. */
int session_seal(struct session *s, enum op op, const void *body, size_t len, struct buffer *out,
	uint64_t *ret_sequence) must_use;

/* Opens one packet (without its frame head). 1: *ret is a whole message; 0: a part of one, more to
 * come. -EBADMSG: doesn't open or is malformed; -EPROTO: op code unknown, not for this direction or
 * changed within a message; -ENOKEY: not introduced; -EMSGSIZE: too long; -EKEYREJECTED: wrong
 * signature; -EILSEQ: wrong sequence number or client id; -ESHUTDOWN: it failed before. */
int session_open(struct session *s, const uint8_t *packet, size_t len, struct message *ret)
	must_use;

/* The TLS connection that the session is bound to: BINDING_SIZE bytes, live as long as s. */
const uint8_t *session_binding(const struct session *s);

/* The last message has been dealt with: gives its memory back. For sessions that will be idle. */
void session_rest(struct session *s);

/* The digest that a message's signature signs; bytes is the message up to its signature. For
 * vectors and receipts. */
void session_digest(enum op op, enum direction from, const uint8_t binding[static BINDING_SIZE],
	const uint8_t receiver[static PUBLIC_KEY_SIZE], const void *bytes, size_t len,
	uint8_t ret[static DIGEST_SIZE]);

#endif
