/* SPDX-License-Identifier: MIT */
/*
 * Who may use the API besides those at the control socket: API tokens. Errors as in store.h.
 *
 * An API token is "mst_", its id, "_" and 64 hex digits, its secret. What the database has of the
 * secret is a hash under the token key, which lies outside of it.
 */
#ifndef MUSTER_ACCESS_STORE_H
#define MUSTER_ACCESS_STORE_H

#include "store.h"

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMINISTRATOR }; /* each may more */
const char *role_name(enum role role); /* "none", "viewer", "operator", "administrator" */
int role_parse(const char *name, enum role *ret) must_use; /* none is none: -EINVAL */

#define ACCESS_NAME_SIZE   65
#define ACCESS_ID_SIZE     13 /* "a-" and 10 digits of Crockford's base32 */
#define ACCESS_SECRET_SIZE 32
#define ACCESS_TEXT_SIZE   (4 + ACCESS_ID_SIZE + 2 * ACCESS_SECRET_SIZE + 1)

enum access_state { ACCESS_LIVE, ACCESS_EXPIRED, ACCESS_REVOKED };
const char *access_state_name(enum access_state state); /* "live", "expired", "revoked" */

struct access_record {
	char id[ACCESS_ID_SIZE];
	char name[ACCESS_NAME_SIZE];
	enum role role;
	char scope[SELECTOR_SIZE]; /* "": every client */
	uint64_t created;
	uint64_t expires; /* 0: never */
	uint64_t revoked; /* 0: not */
	uint64_t used;    /* about: at most ACCESS_USED_EVERY seconds behind; 0: never */
	enum access_state state;
	char created_by[ACTOR_SIZE];
};

struct access_spec {
	const char *name;
	enum role role;
	const char *scope;
	uint64_t expires;
	const char *actor;
};

/* Makes an API token, audited. Its text exists in ret_text only. */
int store_access_create(struct store *s, const struct access_spec *spec,
	char ret_text[static ACCESS_TEXT_SIZE], struct access_record *ret) must_use;

/* The token of that text. -ENOENT: none, or another secret; -EKEYEXPIRED, -EKEYREVOKED. */
int store_access_find(struct store *s, const char *text, struct access_record *ret) must_use;

/* Is it so long that its use was noted last that it should be again? used: notes it. */
#define ACCESS_USED_EVERY 60
bool store_access_stale(struct store *s, const struct access_record *a);
int store_access_used(struct store *s, const char *id) must_use;

int store_access_get(struct store *s, const char *id_or_prefix, struct access_record *ret) must_use;
/* Audited; revoking twice changes nothing. */
int store_access_revoke(struct store *s, const char *id_or_prefix, const char *actor,
	struct access_record *ret) must_use;
typedef int (*access_visitor)(void *userdata, const struct access_record *a);
int store_access_each(struct store *s, const char *after, uint32_t limit, access_visitor visit,
	void *userdata) must_use;

#endif
