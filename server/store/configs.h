/* SPDX-License-Identifier: MIT */
/*
 * Configurations in the store: every revision ever pushed, what each machine holds, what it
 * refused, and the receipts. The manner and the errors are store.h's.
 *
 * Of the revisions of a name, the newest whose selector matches a machine is the one it should
 * have; if that one is a removal, it should have none. A revision that no machine can ever be meant
 * by again, since a later one has the same selector or "*", is history only.
 */
#ifndef MUSTER_STORE_CONFIGS_H
#define MUSTER_STORE_CONFIGS_H

#include "lib/order.h"
#include "lib/session.h"
#include "store.h"

/* In the place of a label selector: one machine, "client:" and 32 digits. No label starts so. */
#define CLIENT_SELECTOR "client:"

/* -EINVAL: neither a label selector nor a client's. */
int config_selector_check(const char *selector) must_use;
bool config_selector_matches(const char *selector, const struct client_record *c);
/* The same of a client's id and its labels as labels_join() gives them. */
bool config_selector_fits(
	const char *selector, const uint8_t id[static CLIENT_ID_SIZE], const char *labels);

struct config_record {
	char name[CONFIG_NAME_SIZE];
	uint64_t revision;
	bool removal;
	char selector[SELECTOR_SIZE];
	uint8_t hash[CONFIG_HASH_SIZE]; /* zeros of a removal */
	uint64_t size;
	uint64_t created;
	char created_by[ACTOR_SIZE];
	char note[NOTE_SIZE];
	uint64_t number; /* drawn when it was pushed */
};

struct config_spec {
	const char *name;
	const char *selector;
	const void *content; /* NULL: a removal */
	size_t len;
	const char *note;  /* NULL: none */
	const char *actor; /* for the audit, as is act: "config.push", "config.rollback", ... */
	const char *act;
};

/* The next revision of the name, audited. */
int store_config_push(struct store *s, const struct config_spec *spec, struct config_record *ret)
	must_use;
/* revision 0: the newest. */
int store_config_get(
	struct store *s, const char *name, uint64_t revision, struct config_record *ret) must_use;
/* A revision's content; the caller frees, and there is a NUL beyond its end. */
int store_config_content(struct store *s, const uint8_t hash[static CONFIG_HASH_SIZE], char **ret,
	size_t *ret_len) must_use;

typedef int (*config_visitor)(void *userdata, const struct config_record *c);
/* The newest revision of each name above after, by name. */
int store_config_each(struct store *s, const char *after, uint32_t limit, config_visitor visit,
	void *userdata) must_use;
/* The revisions of one name below before (0: all), the newest first. */
int store_config_history(struct store *s, const char *name, uint64_t before, uint32_t limit,
	config_visitor visit, void *userdata) must_use;
/* Of each name (or of one) the revision that this machine should have, removals too. */
int store_config_wanted(struct store *s, const struct client_record *client, const char *name,
	config_visitor visit, void *userdata) must_use;

/* The number of an order to this client about one name. should: what store_config_wanted() gave for
 * this very record of the client, or NULL: it gave none.
 *
 * What a machine should have changes by a push or by other labels, and each of them draws a number;
 * the greater one of both therefore tells of any two orders that differ which one is newer, and
 * costs nothing to give. If client and configurations were read with a change of both between them,
 * the machine may refuse the next order: see store_client_renumber(). */
uint64_t store_order_number(const struct client_record *client, const struct config_record *should);
/* All orders to this client have a greater number from now on than all before. */
int store_client_renumber(struct store *s, const uint8_t client[static CLIENT_ID_SIZE]) must_use;

/* Those that some machine can be meant by: the newest first. */
int store_config_live(struct store *s, const char *name, config_visitor visit, void *userdata)
	must_use;

/* ---- what machines hold, by their own word */

int store_held(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], struct holdings *ret)
	must_use;
/* Makes it so; 1 if anything changed. */
int store_held_set(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const struct holdings *held) must_use;
/* One of them. revision 0: it holds none of that name. */
int store_held_put(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const struct holding *one) must_use;

/* The last refusal of a name by a machine; forgotten when it takes a revision of that name. */
struct refusal {
	uint64_t revision;
	uint64_t time;
	uint16_t code; /* enum nack_code */
	char text[513];
};

int store_refusal(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *name,
	struct refusal *ret) must_use;
int store_refusal_set(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const char *name, const struct refusal *r) must_use;
int store_refusal_drop(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *name) must_use;

/* Of one name, by client, above after (NULL: all), at most so many: what each machine holds; which
 * revision each has refused. */
struct config_held {
	uint8_t client[CLIENT_ID_SIZE];
	uint64_t revision;
	uint8_t hash[CONFIG_HASH_SIZE];
};
typedef int (*held_visitor)(void *userdata, const struct config_held *h);
int store_held_each(struct store *s, const char *name, const uint8_t *after, uint32_t limit,
	held_visitor visit, void *userdata) must_use;
int store_refused_each(struct store *s, const char *name, const uint8_t *after, uint32_t limit,
	held_visitor visit, void *userdata) must_use; /* the hash is zeros */

/* ---- receipts: the signed ACKs and NACKs, with all that their signatures cover */

struct receipt {
	uint64_t id; /* from 1 */
	uint64_t time;
	uint8_t client[CLIENT_ID_SIZE];
	uint8_t client_key[PUBLIC_KEY_SIZE];
	uint8_t server_key[PUBLIC_KEY_SIZE]; /* the receiver's */
	uint8_t op;                          /* OP_ACK or OP_NACK */
	uint8_t kind;                        /* enum order_kind */
	uint16_t code;                       /* of a NACK */
	char name[CONFIG_NAME_SIZE];
	uint64_t revision;
	uint8_t hash[CONFIG_HASH_SIZE];
	uint8_t binding[BINDING_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	uint8_t bytes[1200]; /* the message up to its signature */
	size_t len;
};

int store_receipt_add(struct store *s, const struct receipt *r) must_use;
int store_receipt_get(struct store *s, uint64_t id, struct receipt *ret) must_use;
typedef int (*receipt_visitor)(void *userdata, const struct receipt *r);
/* By id, above after. client NULL, name "": of all. */
int store_receipt_each(struct store *s, const uint8_t *client, const char *name, uint64_t after,
	uint32_t limit, receipt_visitor visit, void *userdata) must_use;

#endif
