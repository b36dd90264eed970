/* SPDX-License-Identifier: MIT */
/*
 * One simulated agent's connection to the server: TCP from an address of its own, TLS with the
 * server's pin checked, the Upgrade, and a session over the channel. Non-blocking, for epoll.
 */
#ifndef MUSTER_LOAD_DIAL_H
#define MUSTER_LOAD_DIAL_H

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "keys.h"
#include "lib/session.h"

/* Why a connection ended, or an answer was not what it must be. */
enum failure {
	FAIL_REFUSED, /* nobody listens */
	FAIL_RESET,   /* ended by the other side */
	FAIL_TIMEOUT,
	FAIL_TLS,
	FAIL_PIN,
	FAIL_HTTP,   /* answered with another status than 101 */
	FAIL_PACKET, /* not authentic, out of sequence, no packet */
	FAIL_NACK,
	FAIL_ANSWER, /* authentic, but not what was to be answered */
	FAIL_LOCAL,
	FAILURES
};

struct target {
	struct sockaddr_in address;
	char name[64]; /* HOST:PORT */
	uint8_t pin[PIN_SIZE];
	uint8_t server_key[PUBLIC_KEY_SIZE];
	SSL_CTX *tls;
};

/* name, pin and server_key are filled; address (IPv4) and tls follow from them. */
int target_prepare(struct target *t) must_use;
void target_free(struct target *t);

enum dial_state { DIAL_NONE, DIAL_CONNECTING, DIAL_HANDSHAKE, DIAL_UPGRADE, DIAL_CHANNEL };

struct dial {
	const struct target *target;
	const struct identity *identity;
	const uint8_t *client_id;
	SSL *ssl;
	struct session *session;
	struct buffer in, out;
	int fd;
	enum dial_state state;
	bool wants_out;
	enum failure failure; /* after a negative result */
};

/* number: of the agent, says the source address. tls: shown to the server, or NULL. client_id:
 * zeros while not enrolled. All outlive the dial. */
int dial_open(struct dial *d, const struct target *t, unsigned number,
	const struct identity *identity, const uint8_t *client_id, const struct tlskey *tls)
	must_use;

/* After any event. 1: the channel has just come up; 0: go on waiting; negative: the end. */
int dial_step(struct dial *d) must_use;

/* 1: *ret is the next message; 0: none yet; negative: the end. */
int dial_next(struct dial *d, struct message *ret) must_use;

/* Seals and sends; what doesn't go out at once follows at the next dial_step(). */
int dial_send(struct dial *d, enum op op, const void *body, ssize_t len, uint64_t *ret_sequence)
	must_use;

/* May be called twice. */
void dial_close(struct dial *d);

/* A connected socket of that agent's address, non-blocking; or a negative errno. */
int dial_socket(const struct target *t, unsigned number) must_use;

#endif
