/* SPDX-License-Identifier: MIT */
/*
 * Webhooks: where the audit log's entries are sent to, and how far each has come. The position in the
 * log is the whole queue. As store.h says: what writes does so in the turn's transaction, and the
 * errors are the same.
 */
#ifndef MUSTER_STORE_WEBHOOKS_H
#define MUSTER_STORE_WEBHOOKS_H

#include "store.h"

#define WEBHOOK_ID_SIZE     13 /* "w-" and 10 digits of Crockford's base32 */
#define WEBHOOK_URL_SIZE    513
#define WEBHOOK_EVENTS_SIZE 513
#define WEBHOOK_ERROR_SIZE  257
#define WEBHOOK_SECRET_SIZE 32
#define WEBHOOKS_MAX        64

struct webhook_record {
	char id[WEBHOOK_ID_SIZE];
	char url[WEBHOOK_URL_SIZE];
	char events[WEBHOOK_EVENTS_SIZE]; /* patterns with commas between them */
	char note[NOTE_SIZE];
	char created_by[ACTOR_SIZE];
	uint64_t created;
	uint64_t position;      /* the last entry that is done with */
	uint64_t delivered;     /* when one was last; 0: never */
	uint64_t failing_since; /* 0: isn't */
	uint64_t disabled;      /* 0: isn't */
	char error[WEBHOOK_ERROR_SIZE];
};

/* "client.*,token.create": each an act, or the beginning of one and "*". */
bool webhook_events_ok(const char *events);
bool webhook_wants(const char *events, const char *act);

struct webhook_spec {
	const char *url, *events, *actor;
	const char *note; /* NULL: none */
};

/* Starts behind the entry of its making, which is audited. -E2BIG: there are WEBHOOKS_MAX. */
int store_webhook_create(
	struct store *s, const struct webhook_spec *spec, struct webhook_record *ret) must_use;
int store_webhook_get(struct store *s, const char *id_or_prefix, struct webhook_record *ret)
	must_use;
int store_webhook_remove(struct store *s, const char *id_or_prefix, const char *actor,
	struct webhook_record *ret) must_use;
/* Goes on with the entry at which it was disabled, or at once with the next attempt; audited. */
int store_webhook_enable(struct store *s, const char *id_or_prefix, const char *actor,
	struct webhook_record *ret) must_use;

typedef int (*webhook_visitor)(void *userdata, const struct webhook_record *w);
int store_webhook_each(struct store *s, webhook_visitor visit, void *userdata) must_use; /* by id */

/* How an attempt went. -ENOENT: it was removed meanwhile. done: up to that entry, delivered unless it
 * was only passed over. */
int store_webhook_done(struct store *s, const char *id, uint64_t position, bool delivered) must_use;
/* disable: for good; audited. */
int store_webhook_failed(struct store *s, const char *id, const char *error, bool disable) must_use;

/* What its messages are signed with: derived from its row and the token key, which lies outside of the
 * database, so it's stored nowhere. */
int store_webhook_secret(struct store *s, const char *id, uint8_t ret[static WEBHOOK_SECRET_SIZE])
	must_use;

#endif
