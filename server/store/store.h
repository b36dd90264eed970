/* SPDX-License-Identifier: MIT */
/*
 * What the server knows: tokens, clients, audit; SQL behind one small driver (db.h). Every function
 * that writes does so inside the turn's transaction (turn.h); nothing that it did may be told to
 * anyone before the commit.
 *
 * Errors, besides -ENOMEM: -ENOENT no such row; -ENOTUNIQ a shortened id fits several; -EIO the
 * database failed (and has been logged), -ENOTCONN it can't be reached now: after either of them
 * the turn is to be rolled back.
 */
#ifndef MUSTER_STORE_H
#define MUSTER_STORE_H

#include <stdbool.h>

#include "db.h"
#include "lib/body.h"

#define TOKEN_ID_SIZE  13 /* "t-" and 10 digits of Crockford's base32 in lower case, the NUL */
#define NOTE_SIZE      257
#define ACTOR_SIZE     129 /* "uid:0(root)", "client:ID", "server", "address:ADDRESS" */
#define ADDRESS_SIZE   64  /* an IP address in text, without port */
#define TOKEN_KEY_SIZE 32

struct store;

/* token_key: for the tokens' keyed hash, TOKEN_KEY_SIZE bytes, copied into secret memory. Makes or
 * migrates the schema. -EPROTONOSUPPORT: the schema is of a later version. */
int store_open(const struct db_place *place, const uint8_t token_key[static TOKEN_KEY_SIZE],
	struct store **ret) must_use;
struct store *store_close(struct store *s);

/* Transactions; turn.c is their only caller but for tests. begin: nothing if one is open already;
 * -EBUSY: another process writes, and did so all the time that begin waits (half a second). try
 * doesn't wait. */
int store_begin(struct store *s) must_use;
int store_try(struct store *s) must_use;
int store_commit(struct store *s) must_use;
void store_rollback(struct store *s);
bool store_in_transaction(const struct store *s);

/* Seconds since 1970 by a clock that never goes back: the later of the system's and the store's
 * high-water mark. */
uint64_t store_now(struct store *s);

/* ---- other servers on the same database (db.h tells more; with SQLite all of it does nothing) */

/* The first server's keys are the database's: whoever comes with others must not serve from it.
 * -EKEYREJECTED. Not inside a transaction. */
int store_claim(struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE]) must_use;

/* Tells the others, when the turn has committed; at most DB_NOTICE_MAX bytes, printable. */
int store_notify(struct store *s, const char *text) must_use;
int store_attend(struct store *s, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
	void *userdata) must_use; /* db.h */
struct db_link store_tend(struct store *s, db_listener heard, void *userdata);

/* ---- tokens */

enum token_state { TOKEN_LIVE, TOKEN_USED_UP, TOKEN_EXPIRED, TOKEN_REVOKED };
const char *token_state_name(enum token_state state); /* "live", "used-up", "expired", "revoked" */

struct token_record {
	char id[TOKEN_ID_SIZE];
	struct labels labels;
	uint32_t uses; /* the limit, or UNLIMITED_USES */
	uint32_t used;
	uint64_t created;
	uint64_t expires;   /* 0: never */
	uint64_t revoked;   /* 0: not */
	bool approve;       /* its machines wait for an administrator's approval */
	uint32_t ephemeral; /* its machines are removed when offline so many seconds; 0: never */
	enum token_state state;
	char created_by[ACTOR_SIZE];
	char note[NOTE_SIZE];
};

struct token_spec {
	struct labels labels;
	uint32_t uses;
	uint64_t expires;
	bool approve;
	uint32_t ephemeral; /* seconds, 0: not */
	const char *note;   /* NULL: none */
	const char *actor;
};

/* Makes a token from the CSPRNG, audited. Its digits exist in ret_token only. */
int store_token_create(struct store *s, const struct token_spec *spec,
	uint8_t ret_token[static TOKEN_SIZE], struct token_record *ret) must_use;
int store_token_find(
	struct store *s, const uint8_t token[static TOKEN_SIZE], struct token_record *ret) must_use;
int store_token_get(struct store *s, const char *id_or_prefix, struct token_record *ret) must_use;
/* Audited; revoking twice changes nothing. */
int store_token_revoke(struct store *s, const char *id_or_prefix, const char *actor,
	struct token_record *ret) must_use;
typedef int (*token_visitor)(
	void *userdata, const struct token_record *t); /* not 0: stop with that */
/* By id; after: only ids above it, NULL: from the start; limit: at most that many, 0: all. */
int store_token_each(struct store *s, const char *after, uint32_t limit, token_visitor visit,
	void *userdata) must_use;
/* The newest first; after: the last id seen, or "". live: only those that can still be used. An id
 * that no token has ends the list. */
int store_token_newest(struct store *s, const char *after, bool live, uint32_t limit,
	token_visitor visit, void *userdata) must_use;
/* The live ones that expire until then: how many, and the first of them. */
int store_token_ending(struct store *s, uint64_t until, uint32_t limit, token_visitor visit,
	void *userdata, uint64_t *ret_count) must_use;
int store_token_count_live(struct store *s, uint64_t *ret) must_use;

/* ---- clients */

enum client_state {
	CLIENT_ENROLLED,
	CLIENT_LEFT,
	CLIENT_SUSPENDED,
	CLIENT_REVOKED,
	CLIENT_PENDING,  /* until an administrator approves it */
	CLIENT_REPLACED, /* silent, and its machine has enrolled again since; enrolled again by its
			    next HELLO */
	CLIENT_REMOVED, /* nothing but the keys is known any more; found by key and id, never listed
			 */
};
#define CLIENT_STATES 7
const char *client_state_name(enum client_state state); /* "enrolled", "left", ... */

/* What a client is to its former. */
enum client_link {
	LINK_NONE,
	LINK_MAYBE,    /* of the same machine-id, but the former may still be heard */
	LINK_REPLACES, /* the former fell silent, and then this one came */
	LINK_CLONE,    /* its machine spoke as the former, next to another */
};

/* How two machines that speak as one client were noticed; clones.h. */
enum clone_sign { CLONE_NONE, CLONE_OVERLAP, CLONE_WENT_BACK, CLONE_UPTIME_FELL };
#define MACHINE_TEXT_SIZE 33

struct client_record {
	uint8_t id[CLIENT_ID_SIZE];
	uint8_t identity[PUBLIC_KEY_SIZE];
	uint8_t tls_pin[PIN_SIZE];
	enum client_state state;
	uint64_t since;         /* when it came into that state; 0: by its enrolment */
	char reason[NOTE_SIZE]; /* what the administrator said to it, may be empty */
	struct labels labels;
	char token[TOKEN_ID_SIZE];
	uint64_t enrolled;
	uint64_t last_hello; /* 0: never */
	uint64_t uptime;     /* seconds, by the last HELLO */
	uint8_t boot_id[16];
	char address[ADDRESS_SIZE]; /* of the last connection */
	struct facts facts;
	uint32_t ephemeral; /* removed when offline so many seconds; 0: never */
	enum client_link link;
	char former[CLIENT_ID_TEXT_SIZE]; /* which client its machine was before, or "" */
	enum clone_sign clone;            /* the alarm, if there is one */
	uint64_t clone_since;             /* 0: none */
	char machine_before[MACHINE_TEXT_SIZE];
	char successor[CLIENT_ID_TEXT_SIZE]; /* which one its machine is now, or "" */
	uint64_t order_number; /* of the last change of its labels, see configs.h; 0: none */
};

/* Enrols: looks for the same identity first (an answer that was lost), spends one use by one
 * conditional UPDATE whose row count is checked, adds the client, audits; all or nothing (a
 * savepoint). 0: *ret is the client, new or found again. Otherwise a positive enum nack_code that
 * says why not; nothing changed. */
int store_client_enrol(struct store *s, const struct enrol_request *request, const char *address,
	struct client_record *ret) must_use;

/* Would store_client_enrol() grant it? 0 and the token; or a positive enum nack_code. Changes
 * nothing. */
int store_token_query(struct store *s, const struct token_query *query, struct token_record *ret)
	must_use;

/* Also a removed client's (CLIENT_REMOVED). */
int store_client_by_pin(struct store *s, const uint8_t tls_pin[static PIN_SIZE],
	struct client_record *ret) must_use;
int store_client_by_id(struct store *s, const uint8_t id[static CLIENT_ID_SIZE],
	struct client_record *ret) must_use;
int store_client_get(struct store *s, const char *id_or_prefix, struct client_record *ret) must_use;
/* A HELLO of an enrolled or suspended client: time, facts, boot id, uptime, address. */
int store_client_hello(struct store *s, const uint8_t id[static CLIENT_ID_SIZE],
	const struct hello *hello, const char *address) must_use;
/* A client of LINK_MAYBE: has the former one fallen silent (nothing heard of it since seconds, or it
 * can't speak any more)? 1: then this one replaces it from now on, audited, *ret_former is what that
 * has become; 0: nothing has changed but perhaps c->link, which is told anew. */
int store_client_succeed(struct store *s, struct client_record *c, uint64_t silence,
	struct client_record *ret_former) must_use;
/* A client that has been replaced speaks: so it hasn't. Both links go, it is enrolled again if it
 * was CLIENT_REPLACED; audited. */
int store_client_return(struct store *s, struct client_record *c) must_use;
/* LEAVE: never said HELLO, pending perhaps: the row goes and the use comes back (*ret_withdrawn);
 * else it is marked as left. Audited. Of one that has left, or was revoked or removed, nothing
 * changes. */
int store_client_leave(
	struct store *s, const uint8_t id[static CLIENT_ID_SIZE], bool *ret_withdrawn) must_use;

enum client_act {
	CLIENT_SUSPEND,
	CLIENT_RESUME,
	CLIENT_REVOKE,
	CLIENT_REMOVE,
	CLIENT_APPROVE,
	CLIENT_REFUSE,
};
#define CLIENT_ACTS 6
const char *client_act_name(enum client_act act); /* "suspend", ... */

struct client_order {
	const char *reason; /* shorter than NOTE_SIZE; NULL: none */
	const char *actor;
};

/* An administrator's act on a client, audited. 1: done, *ret is what it is now (of a removed one,
 * what it was, with its new state); 0: it was so already; -EPERM: not in its state, which *ret
 * tells. */
int store_client_change(struct store *s, const char *id_or_prefix, enum client_act act,
	const struct client_order *order, struct client_record *ret) must_use;

/* An administrator's labels for a client, audited. 1: done, *ret is what it is now; 0: it had them.
 */
int store_client_label(struct store *s, const char *id_or_prefix, const struct labels *labels,
	const char *actor, struct client_record *ret) must_use;

struct client_filter {
	const char *selector; /* NULL: all */
	int state;            /* enum client_state, or -1: all */
	const char *token;    /* token id, or NULL: all */
	bool clones;          /* only those with an alarm; token is NULL then */
	const char *after;    /* 32 hex digits: only ids above it; NULL: from the start */
	uint32_t limit;       /* most clients visited; 0: no limit */
	uint32_t scan;        /* most rows looked at, whether they fit or not; 0: no limit */
};
typedef int (*client_visitor)(void *userdata, const struct client_record *c);
/* By id. ret_next (may be NULL): the last row looked at if a limit ended the visit, else "". A
 * visitor's own stop (not 0) is returned. */
int store_client_each(struct store *s, const struct client_filter *filter, client_visitor visit,
	void *userdata, char ret_next[CLIENT_ID_TEXT_SIZE]) must_use;
int store_client_count(struct store *s, enum client_state state, uint64_t *ret) must_use;

/* ---- ephemeral clients (store/ephemeral.c)
 *
 * A client's offline time is counted while a server was up to hear it: tending is called about
 * every EPHEMERAL_TICK seconds, and what lies between two calls beyond that doesn't count. After
 * the start (first) everybody has EPHEMERAL_GRACE left at least. */

#define EPHEMERAL_MIN   60u
#define EPHEMERAL_MAX   (10u * 365 * 86400)
#define EPHEMERAL_TICK  60u
#define EPHEMERAL_GRACE 600u
#define EPHEMERAL_BATCH 50

/* Writes, so inside a transaction. */
int store_ephemeral_tend(struct store *s, bool first) must_use;
bool store_ephemeral_any(struct store *s); /* also if that can't be told */
/* Those whose time is over and of whom nothing was heard since idle seconds: EPHEMERAL_BATCH of
 * them at most. every: the most that lies between a HELLO of one that listens and its next dial; its
 * time begins then. */
int store_ephemeral_due(struct store *s, uint64_t idle, uint64_t every,
	uint8_t ret[EPHEMERAL_BATCH][CLIENT_ID_SIZE], size_t *ret_count) must_use;

/* ---- audit: a hash chain
 *
 * hash = SHA-256("muster-audit-1" || hash of the entry before (32; zeros before the first) ||
 *        seq (8) || time (8) || length (4) and bytes of actor, act, object and detail)
 *
 * with big-endian integers. The last entry's seq and hash are kept a second time, so that the loss
 * of the last entries shows as well. Whoever can write the database can make a new chain: the head
 * noted elsewhere shows that too.
 */

struct audit_record {
	uint64_t seq; /* from 1, no gaps */
	uint64_t time;
	const char *actor, *act, *object, *detail; /* valid during the visit */
	uint8_t hash[32];
};

/* The last entry's seq; 0: none. */
int store_audit_count(struct store *s, uint64_t *ret) must_use;
/* Control characters and the like are escaped before they are stored. */
int store_audit(struct store *s, const char *actor, const char *act, const char *object,
	const char *detail) must_use;
/* Called after each entry that is added here, inside its transaction; NULL: nobody any more. */
void store_watch_audit(struct store *s, void (*added)(void *userdata), void *userdata);
typedef int (*audit_visitor)(void *userdata, const struct audit_record *a);
int store_audit_each(struct store *s, uint64_t after, uint32_t limit, audit_visitor visit,
	void *userdata) must_use;
struct audit_verdict {
	uint64_t entries;
	uint64_t first_bad; /* 0: the chain holds */
	uint8_t head[32];
};
int store_audit_verify(struct store *s, struct audit_verdict *ret) must_use;

/* The same in parts of at most rows entries, not inside a transaction: 1: there is more to do, call
 * again; 0: *w is the whole answer. Starts all zero. */
struct audit_walk {
	struct audit_verdict verdict; /* head: of the entry checked last, until the end */
};
int store_audit_walk(struct store *s, struct audit_walk *w, uint32_t rows) must_use;

#endif
