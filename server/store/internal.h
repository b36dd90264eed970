/* SPDX-License-Identifier: MIT */
/* What the store's modules share; for nobody else but their tests. */
#ifndef MUSTER_STORE_INTERNAL_H
#define MUSTER_STORE_INTERNAL_H

#include "clock.h"
#include "configs.h"
#include "db.h"
#include "messages.h"
#include "store.h"

#define TOKEN_HASH_SIZE 32

struct store {
	struct db *db;
	uint8_t *token_key; /* secret_alloc() memory */
	struct clock clock;
	void (*audited)(void *userdata); /* store_watch_audit() */
	void *audited_userdata;
};

int store_open_at(const char *location, const uint8_t token_key[static TOKEN_KEY_SIZE],
	const struct clock_source *source, struct store **ret) must_use;

/* The number of an order (muster-protocol(7), "Numbers of orders"): greater than every one before,
 * whichever server gave it, and also greater than those that a database put back from a backup
 * doesn't know of, since it is the time in milliseconds unless that is not above the last one.
 * Within a transaction, which no other that draws one is in before it ends. */
int number_draw(struct store *s, uint64_t *ret) must_use;

/* Writes the clock's mark now: before someone is told that something has expired. */
int store_save_clock(struct store *s) must_use;

/* BLAKE2b-256 of the token's bytes under the token key: what the database knows of a token. */
void token_hash(const struct store *s, const uint8_t token[static TOKEN_SIZE],
	uint8_t ret[static TOKEN_HASH_SIZE]);

/* Spends one use of the token with that hash if it has one, is not revoked and has not expired: one
 * conditional UPDATE. 1: spent; 0: nothing changed. */
int token_spend(struct store *s, const uint8_t hash[static TOKEN_HASH_SIZE]) must_use;
/* Gives one use back. */
int token_unspend(struct store *s, const char *id) must_use;
int token_by_hash(struct store *s, const uint8_t hash[static TOKEN_HASH_SIZE],
	struct token_record *ret) must_use;

#define CLIENT_COLUMNS                                                                             \
	"id, identity, tls_pin, state, labels, token, enrolled, last_hello, uptime, boot_id,"      \
	" address, hostname, os, kernel, arch, version, machine, state_since, state_reason,"       \
	" link, former, successor, ephemeral, clone_since,"                                        \
	" clone_sign, machine_before, order_number"
/* The only row of a SELECT of these columns. -ENOENT, -ENOTUNIQ. */
int client_one(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	struct client_record *ret) must_use;

/* Of a new client: is there an earlier one of its machine? Then it's LINK_MAYBE. */
int link_former(struct store *s, struct client_record *c) must_use;
/* What was noted of its machines. */
int clone_forget(struct store *s, const uint8_t id[static CLIENT_ID_SIZE]) must_use;
/* What one machine counts as in its roll-out (rollouts.h). */
struct rollout_share {
	int8_t under_way, done, failed;
};
/* One machine more is under way; again: it counted as failed. One conditional UPDATE: 1; 0: no place
 * is free, or the roll-out isn't running. */
int rollout_enter(struct store *s, uint64_t id, bool again) must_use;
/* A machine counts otherwise now. */
int rollout_recount(struct store *s, uint64_t id, const struct rollout_share *before,
	const struct rollout_share *now) must_use;
/* One has failed: halts the roll-out, audited, if that was one too many. why: for people, cut if
 * that is too long. */
int rollout_failed(struct store *s, uint64_t id, const char *why) must_use;
/* The client is asked for no update any more: if one is under way its place is free, and nothing is
 * known of it. all: nor of one that is over. */
int update_withdraw(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], bool all)
	must_use;
/* The client has never been: what it replaced is as it was. */
int link_undo(struct store *s, const struct client_record *c) must_use;

/* Of a client that has been removed its keys are left. -ENOENT. The records have nothing but id,
 * keys, state, since and reason. */
int removed_by_id(struct store *s, const uint8_t id[static CLIENT_ID_SIZE],
	struct client_record *ret) must_use;
int removed_by_pin(struct store *s, const uint8_t tls_pin[static PIN_SIZE],
	struct client_record *ret) must_use;
/* 1: one of these keys was a removed client's; 0. */
int removed_has_key(struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE],
	const uint8_t tls_pin[static PIN_SIZE]) must_use;

/* A row of these columns. audit_entry() is false if the hash stored is none. */
#define AUDIT_COLUMNS "seq, time, actor, act, object, detail, hash"
#define MESSAGE_COLUMNS                                                                            \
	"m.seq, m.client, m.number, m.sent, m.received, m.type, COALESCE(c.hostname, ''), m.text"
#define MESSAGE_FROM " FROM message m LEFT JOIN client c ON c.id = m.client"
#define RECEIPT_COLUMNS                                                                            \
	"id, time, client, client_key, server_key, op, kind, code, name, revision, hash, binding," \
	" signature, bytes"
bool audit_entry(struct rows *rows, struct audit_record *ret);
int message_entry(struct rows *rows, struct message_record *ret) must_use;
/* Visits all rows of RECEIPT_COLUMNS. */
int receipts_visit(struct rows *rows, receipt_visitor visit, void *userdata) must_use;

/* What client.find has, for the narrow index of search.h: "LABELS|HOSTNAME|ADDRESS" (no label has a
 * "|" in it), or "" if the labels are too long for an index. Whatever changes one of the three
 * changes it too. */
#define FIND_LABELS 800
#define FIND_SIZE   1024
void client_find(
	const char *labels, const char *hostname, const char *address, char ret[static FIND_SIZE]);

/* "2026-11-22T01:02:03Z", 21 bytes with the NUL; "never" for 0. */
#define TIME_TEXT_SIZE 21
void store_time_text(uint64_t time, char ret[static TIME_TEXT_SIZE]);

#endif
