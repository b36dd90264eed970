/* SPDX-License-Identifier: MIT */
/*
 * The machines that listen: where, and when they are to be dialled next. As store.h says: what
 * writes does so in the turn's transaction, and the errors are the same. Several servers may share
 * the table: who has claimed a dial makes it.
 */
#ifndef MUSTER_STORE_LISTENING_H
#define MUSTER_STORE_LISTENING_H

#include "store.h"

#define DIAL_ADDRESS_SIZE 80 /* "192.0.2.1:8444", "[2001:db8::1]:8444" */

struct listening_record {
	uint8_t client[CLIENT_ID_SIZE];
	uint8_t tls_pin[PIN_SIZE];
	uint16_t port;                 /* as the machine has said; 0: it has not */
	char address[ADDRESS_SIZE];    /* from where it said so; "": none that may be dialled */
	char fixed[DIAL_ADDRESS_SIZE]; /* an administrator's, instead of both; or "" */
	uint64_t next;                 /* when to dial */
	uint64_t seen;                 /* the last HELLO on a connection to it, 0: none */
	uint32_t fails;                /* dials since then */
	char error[NOTE_SIZE];         /* of the last one, "": it went well, or is under way */
};

/* A HELLO has come from where it says it listens: what was wrong is over. next: seconds since 1970;
 * dialled: on a connection to it, so its address is known already. */
struct listening_hello {
	const uint8_t *client, *tls_pin;
	const char *address; /* "": none that may be dialled */
	uint16_t port;
	bool dialled;
	uint64_t next;
};
int store_listening_hello(struct store *s, const struct listening_hello *h) must_use;

/* An administrator's address for it ("": none any more), audited. It's dialled at once. */
int store_listening_fix(struct store *s, const struct client_record *c, const char *fixed,
	const char *actor) must_use;

int store_listening_get(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	struct listening_record *ret) must_use; /* -ENOENT */
/* The clients above after (NULL: all), by id, that can be dialled and have been reached by the last
 * dial, or the next one will tell. */
typedef int (*listening_visitor)(void *userdata, const uint8_t *client);
int store_listening_each(struct store *s, const uint8_t *after, uint32_t limit,
	listening_visitor visit, void *userdata) must_use;
/* It doesn't listen (any more); an administrator's address stays. */
int store_listening_end(struct store *s, const uint8_t client[static CLIENT_ID_SIZE]) must_use;
int store_listening_drop(struct store *s, const uint8_t client[static CLIENT_ID_SIZE]) must_use;

/* To be dialled at that time, if it listens and isn't to be earlier. */
int store_listening_by(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t when)
	must_use;
/* Is there something for it? Of all that listen, somebody has to look. */
int store_listening_doubt(struct store *s) must_use;

/* The first that somebody has to look at, or that is to be dialled by then. -ENOENT: none. */
int store_listening_doubtful(struct store *s, struct listening_record *ret) must_use;
int store_listening_due(struct store *s, uint64_t now, struct listening_record *ret) must_use;
int store_listening_next(struct store *s, uint64_t *ret) must_use; /* when; -ENOENT: never */

int store_listening_sure(struct store *s, const uint8_t client[static CLIENT_ID_SIZE]) must_use;
/* One dial more; unless it goes well the next one is then. 1: it is the caller's; 0: somebody
 * else's. */
int store_listening_claim(struct store *s, const struct listening_record *l, uint64_t next)
	must_use;
int store_listening_failed(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *why) must_use;

#endif
