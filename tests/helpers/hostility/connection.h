/* SPDX-License-Identifier: MIT */
/*
 * One connection of the hostile server, served by a process of its own: bytes inside TLS, counted
 * and cut off as the mode wants, and what is told about it on standard output. Whatever fails ends
 * the process.
 */
#ifndef HOSTILE_CONNECTION_H
#define HOSTILE_CONNECTION_H

#include <openssl/ssl.h>

#include "lib/session.h"
#include "lib/tlskey.h"
#include "modes.h"

struct bytes {
	char *data;
	size_t len;
};

/* Shared by the processes of all connections: the one client that may enrol. */
struct client {
	volatile bool resumed; /* what has paused goes on */
	unsigned times;        /* that the mode's step is still to be misbehaved at */
	bool enrolled;
	uint8_t identity[PUBLIC_KEY_SIZE];
	uint8_t tls_pin[PIN_SIZE];
	uint8_t id[CLIENT_ID_SIZE];
};

struct hostile {
	enum mode mode;
	enum step step;                    /* the mode's argument */
	int64_t number;                    /* or this */
	struct identity *identity, *other; /* other: the key that wrong signatures are by */
	struct tlskey tls;
	SSL_CTX *context;
	struct bytes agent, program, manifest, signature;
	struct client *client;
	uint16_t port;
};

struct connection {
	const struct hostile *h;
	unsigned number;
	int fd;
	SSL *ssl;
	uint64_t heard, said; /* bytes inside TLS */
	uint8_t pin[PIN_SIZE];
	bool has_pin; /* of the certificate that the client showed */
	struct session *in, *out;
	struct buffer unread;      /* of the channel */
	struct bytes first_answer; /* for replay */
};

/* "C TEXT" on standard output. */
void note(const struct connection *c, const char *format, ...) printf_like(2);
_Noreturn void die(const char *what, int error);

_Noreturn void finish(struct connection *c, bool reset);
/* Tells that the step is reached, and misbehaves if it is the one. */
void at(struct connection *c, enum step step);

void say(struct connection *c, const void *data, size_t len);
void say_random(struct connection *c, size_t len); /* at most 4096 */
/* An answer's status line and headers, lines that each end with CR LF. */
void say_head(struct connection *c, const char *status, const char *headers);
size_t hear(struct connection *c, void *ret, size_t size); /* at least one byte */

/* Accepts TLS and keeps what it proved of the client. */
void shake_hands(struct connection *c);

#endif
