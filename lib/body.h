/* SPDX-License-Identifier: MIT */
/*
 * The bodies of messages, one pair of functions each, field by field as muster-protocol(7) lists
 * them under the op code's name. encode: bytes written; -EMSGSIZE: too long, or a text that is not
 * printable; -EINVAL: no pin or too many, no such state, number or version. decode: 0; -EBADMSG: malformed;
 * -EPROTONOSUPPORT: of a version that this end doesn't know, whatever follows its number.
 */
#ifndef MUSTER_BODY_H
#define MUSTER_BODY_H

#include "facts.h"
#include "identity.h"
#include "label.h"
#include "manifest.h"
#include "order.h"
#include "pin.h"
#include "token.h"

#define BODY_VERSION    1
#define BODY_ANSWER_MAX 8192 /* room for the largest body below */
#define UNLIMITED_USES  UINT32_MAX

/* TOKEN from the machine: would this token be taken? Nothing is spent. */
struct token_query {
	uint8_t identity[PUBLIC_KEY_SIZE];
	uint8_t token[TOKEN_SIZE];
	uint64_t time; /* the machine's clock, seconds since 1970 */
};

/* TOKEN from the server: yes. */
struct token_answer {
	uint64_t time;      /* the server's clock */
	uint64_t expires;   /* 0: never */
	uint32_t uses_left; /* or UNLIMITED_USES */
	struct labels labels;
};

/* ENROL from the machine. */
struct enrol_request {
	uint8_t identity[PUBLIC_KEY_SIZE];
	uint8_t token[TOKEN_SIZE];
	uint64_t time;
	uint8_t tls_pin[PIN_SIZE]; /* of the TLS key that the agent will show */
	struct facts facts;
};

/* ENROLLED from the server. */
struct enrolled {
	uint8_t client_id[CLIENT_ID_SIZE];
	uint64_t time;
	uint32_t heartbeat; /* seconds between HELLOs */
	uint8_t pin_count;  /* the server's TLS pins, now and to come */
	uint8_t pins[PINS_MAX][PIN_SIZE];
	struct labels labels;
};

/* HELLO from the machine: once on every connection, then every heartbeat. */
struct hello {
	uint8_t boot_id[16];
	uint64_t time;
	uint64_t uptime; /* seconds, 0: not known */
	struct facts facts;
	struct holdings holdings;
	uint16_t listens; /* the port at which the machine waits for its server; 0: it doesn't */
};

/* ACK: done. From the server to a HELLO it also tells the time and the heartbeat, otherwise these
 * are 0. */
struct ack {
	uint64_t sequence; /* of the message acknowledged */
	uint64_t time;
	uint32_t heartbeat;
	struct subject subject;
};

/* NACK: not done, and why. */
enum nack_code {
	NACK_MALFORMED = 1,
	NACK_UNSUPPORTED = 2, /* version of the protocol */
	NACK_INTERNAL = 3,    /* the server can't now; ask again later */
	NACK_BUSY = 4,        /* too many wrong guesses from there; ask again after retry seconds */
	NACK_TOKEN_UNKNOWN = 16,
	NACK_TOKEN_EXPIRED = 17,
	NACK_TOKEN_USED_UP = 18,
	NACK_TOKEN_REVOKED = 19,
	NACK_KEY_KNOWN = 20, /* that identity or TLS key is enrolled already, by another token */
	NACK_NOT_ENROLLED = 21,
	NACK_REVOKED = 22,
	NACK_SUSPENDED = 23,
	/* From a machine, to a CONFIG (STORAGE: to a RESET and an UPDATE too): */
	NACK_HASH = 32,        /* the content is not of its hash */
	NACK_OLDER = 33,       /* it holds a later revision */
	NACK_FULL = 34,        /* it holds HOLDINGS_MAX configurations already */
	NACK_STORAGE = 35,     /* it can't be stored */
	NACK_CHECK = 36,       /* the machine's own check refused it */
	NACK_APPLY = 37,       /* the machine's own hook failed; what was before is applied again */
	NACK_RESTORE = 38,     /* the same, and what was before could not be applied either */
	NACK_HOOK = 39,        /* the machine's hook can't be run */
	NACK_OLDER_ORDER = 40, /* a later order has been carried out there already */
	/* From a machine, to an UPDATE (OLDER_ORDER too): */
	NACK_UPDATE = 41,   /* it failed; nothing has changed there */
	NACK_PUT_BACK = 42, /* the new agent was not acknowledged; what was before is there again */
	NACK_HALF_DONE = 43,  /* it failed, and not all could be put back */
	NACK_NO_UPDATES = 44, /* that machine takes no updates from the server */
};

struct nack {
	uint64_t sequence;
	uint16_t code;  /* enum nack_code, or one of a later version */
	uint32_t retry; /* seconds, 0: don't */
	char text[513];
	struct subject subject;
};

/* STATE from the server: what the machine is to it from now on. */
enum machine_state {
	MACHINE_ACTIVE = 0,
	MACHINE_PENDING = 1,   /* until an administrator approves it; only to ENROL */
	MACHINE_SUSPENDED = 2, /* only HELLO, and LEAVE, until it is active again */
	MACHINE_REVOKED = 3,   /* for ever */
};

struct state_notice {
	uint8_t state; /* enum machine_state */
	char text[513];
};

/* RESET from the server: restart, unless one of this number or a greater has been made already. */
struct reset_order {
	uint64_t number; /* from 1 */
};

/* UPDATE from the server: run the programs of that release, and no others. */
struct update_order {
	uint64_t number;                      /* from 1 */
	uint8_t release[RELEASE_DIGEST_SIZE]; /* manifest_digest() */
	char version[VERSION_SIZE];           /* of that release, for people */
};

ssize_t token_query_encode(const struct token_query *q, void *ret, size_t size) must_use;
int token_query_decode(const void *body, size_t len, struct token_query *ret) must_use;
ssize_t token_answer_encode(const struct token_answer *a, void *ret, size_t size) must_use;
int token_answer_decode(const void *body, size_t len, struct token_answer *ret) must_use;
ssize_t enrol_request_encode(const struct enrol_request *e, void *ret, size_t size) must_use;
int enrol_request_decode(const void *body, size_t len, struct enrol_request *ret) must_use;
ssize_t enrolled_encode(const struct enrolled *e, void *ret, size_t size) must_use;
int enrolled_decode(const void *body, size_t len, struct enrolled *ret) must_use;
ssize_t hello_encode(const struct hello *h, void *ret, size_t size) must_use;
int hello_decode(const void *body, size_t len, struct hello *ret) must_use;
ssize_t ack_encode(const struct ack *a, void *ret, size_t size) must_use;
int ack_decode(const void *body, size_t len, struct ack *ret) must_use;
ssize_t nack_encode(const struct nack *n, void *ret, size_t size) must_use;
int nack_decode(const void *body, size_t len, struct nack *ret) must_use;
ssize_t state_notice_encode(const struct state_notice *n, void *ret, size_t size) must_use;
int state_notice_decode(const void *body, size_t len, struct state_notice *ret) must_use;
ssize_t reset_order_encode(const struct reset_order *o, void *ret, size_t size) must_use;
int reset_order_decode(const void *body, size_t len, struct reset_order *ret) must_use;
ssize_t update_order_encode(const struct update_order *o, void *ret, size_t size) must_use;
int update_order_decode(const void *body, size_t len, struct update_order *ret) must_use;

/* "token unknown", ...; for a code of a later version "refused". */
const char *nack_name(uint16_t code);

#endif
