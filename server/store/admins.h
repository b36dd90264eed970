/* SPDX-License-Identifier: MIT */
/*
 * Administrators, who log in with a password, and their sessions. Errors as in store.h; besides
 * -EEXIST: that name is taken. What the database has of a session is a hash of its secret under the
 * token key, and of a password what Argon2id made of it.
 */
#ifndef MUSTER_ADMINS_H
#define MUSTER_ADMINS_H

#include "access.h"

#define PASSWORD_HASH_SIZE  128 /* crypto_pwhash_STRBYTES */
#define SESSION_ID_SIZE     13  /* "s-" and 10 digits of Crockford's base32 */
#define SESSION_SECRET_SIZE 32

/* 1 to 64 of a-z 0-9 . _ - @, the first a letter or digit: one way of writing each name. */
bool admin_name_ok(const char *name);

struct admin_record {
	char name[ACCESS_NAME_SIZE];
	enum role role;
	char password[PASSWORD_HASH_SIZE]; /* "": none, by a trusted proxy only */
	uint64_t created;
	uint64_t changed; /* the password; 0: there is none */
	uint64_t login;   /* the last one; 0: never */
	char created_by[ACTOR_SIZE];
};

struct admin_spec {
	const char *name;
	enum role role;
	const char *password; /* hash; NULL: none */
	const char *actor;
};

/* All of these that write are audited. */
int store_admin_add(struct store *s, const struct admin_spec *spec, struct admin_record *ret)
	must_use;
int store_admin_get(struct store *s, const char *name, struct admin_record *ret) must_use;
/* These end the administrator's sessions; but_session (an id or "") lives on. */
int store_admin_set_role(struct store *s, const char *name, enum role role, const char *actor)
	must_use;
int store_admin_set_password(struct store *s, const char *name, const char *password,
	const char *but_session, const char *actor) must_use;
int store_admin_remove(struct store *s, const char *name, const char *actor) must_use;
typedef int (*admin_visitor)(void *userdata, const struct admin_record *a);
/* By name; limit 0: all. */
int store_admin_each(struct store *s, const char *after, uint32_t limit, admin_visitor visit,
	void *userdata) must_use;
/* How many may do everything. */
int store_admin_count(struct store *s, uint64_t *ret) must_use;

/* ---- sessions */

struct session_limits {
	uint32_t idle, max; /* seconds */
};

struct session_record {
	char id[SESSION_ID_SIZE];
	char admin[ACCESS_NAME_SIZE];
	enum role role; /* the administrator's, now */
	uint64_t created;
	uint64_t used; /* about, as an API token's */
	uint64_t expires;
	char address[ADDRESS_SIZE];
};

/* After a login: makes a session and notes the login, audited. What has expired is forgotten. */
int store_session_start(struct store *s, const char *admin, const char *address,
	const struct session_limits *l, uint8_t ret_secret[static SESSION_SECRET_SIZE],
	struct session_record *ret) must_use;
/* -ENOENT: none, or not any more. */
int store_session_find(struct store *s, const uint8_t secret[static SESSION_SECRET_SIZE],
	const struct session_limits *l, struct session_record *ret) must_use;
int store_session_get(struct store *s, const char *id, const struct session_limits *l,
	struct session_record *ret) must_use;
bool store_session_stale(struct store *s, const struct session_record *r);
int store_session_used(struct store *s, const char *id) must_use;
/* Ends one; of: whose it must be, NULL: anybody's. Audited. */
int store_session_end(struct store *s, const char *id, const char *of, const char *actor) must_use;
typedef int (*session_visitor)(void *userdata, const struct session_record *r);
/* of: NULL: everybody's. By id. */
int store_session_each(struct store *s, const char *of, const char *after, uint32_t limit,
	const struct session_limits *l, session_visitor visit, void *userdata) must_use;

#endif
