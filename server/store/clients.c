/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"
#include "lib/secret.h"

static const struct sql insert = { "INSERT INTO client (" CLIENT_COLUMNS
				   ", find) VALUES ($1, $2, $3, $15, $4, $5, $6, 0, 0, $7,"
				   " $8, $9, $10, $11, $12, $13, $14, 0, '', 0, '', '', $17, 0, 0, "
				   "'', 0, $16) ON CONFLICT DO NOTHING" };
static const struct sql by_id = { "SELECT " CLIENT_COLUMNS " FROM client WHERE id = $1" };
static const struct sql by_pin = { "SELECT " CLIENT_COLUMNS " FROM client WHERE tls_pin = $1" };
static const struct sql by_identity = { "SELECT " CLIENT_COLUMNS
					" FROM client WHERE identity = $1" };
static const struct sql by_range = { "SELECT " CLIENT_COLUMNS
				     " FROM client WHERE id >= $1 AND id <= $2 LIMIT 2" };
/* state -1: any. */
static const struct sql list = { "SELECT " CLIENT_COLUMNS " FROM client WHERE id > $1"
				 " AND ($2 < 0 OR state = $2) ORDER BY id LIMIT $3" };
static const struct sql list_of_token = { "SELECT " CLIENT_COLUMNS
					  " FROM client WHERE token = $4 AND id > $1"
					  " AND ($2 < 0 OR state = $2) ORDER BY id LIMIT $3" };
static const struct sql list_of_clones = { "SELECT " CLIENT_COLUMNS
					   " FROM client WHERE clone_since > 0 AND id > $1"
					   " AND ($2 < 0 OR state = $2) ORDER BY id LIMIT $3" };
static const struct sql count = { "SELECT count(*) FROM client WHERE state = $1" };
/* Nearly every HELLO says what the last one said: then only the index on its time changes. */
static const struct sql hello_again = {
	"UPDATE client SET last_hello = $2, uptime = $3 WHERE id = $1 AND state IN (0, 2)"
	" AND boot_id = $4 AND address = $5 AND hostname = $6 AND os = $7 AND kernel = $8"
	" AND arch = $9 AND version = $10 AND machine = $11"
};
static const struct sql hello = {
	"UPDATE client SET last_hello = $2, uptime = $3, boot_id = $4, address = $5,"
	" hostname = $6, os = $7, kernel = $8, arch = $9, version = $10, machine = $11,"
	" find = CASE WHEN length(labels) <= 800 THEN labels || '|' || $6 || '|' || $5"
	" ELSE '' END WHERE id = $1 AND state IN (0, 2)"
};
static const struct sql leave = { "UPDATE client SET state = 1, state_since = $2, state_reason = ''"
				  " WHERE id = $1 AND state IN (0, 2, 5)" };
static const struct sql delete = { "DELETE FROM client WHERE id = $1" };

const char *client_state_name(enum client_state state)
{
	static const char *const names[] = {
		[CLIENT_ENROLLED] = "enrolled",
		[CLIENT_LEFT] = "left",
		[CLIENT_SUSPENDED] = "suspended",
		[CLIENT_REVOKED] = "revoked",
		[CLIENT_PENDING] = "pending",
		[CLIENT_REPLACED] = "replaced",
		[CLIENT_REMOVED] = "removed",
	};

	return names[state];
}

/* ---- reading */

static void facts(struct rows *rows, int column, struct facts *ret)
{
	rows_text(rows, column, ret->hostname, sizeof(ret->hostname));
	rows_text(rows, column + 1, ret->os, sizeof(ret->os));
	rows_text(rows, column + 2, ret->kernel, sizeof(ret->kernel));
	rows_text(rows, column + 3, ret->arch, sizeof(ret->arch));
	rows_text(rows, column + 4, ret->version, sizeof(ret->version));
	rows_bytes(rows, column + 5, ret->machine, sizeof(ret->machine));
}

static int record(struct rows *rows, struct client_record *ret)
{
	uint64_t state = rows_integer(rows, 3), link = rows_integer(rows, 19);
	uint64_t clone = rows_integer(rows, 24);
	bool whole;

	*ret = (struct client_record){
		.state = state < CLIENT_REMOVED ? (enum client_state)state : CLIENT_REVOKED,
		.since = rows_integer(rows, 17),
		.enrolled = rows_integer(rows, 6),
		.last_hello = rows_integer(rows, 7),
		.uptime = rows_integer(rows, 8),
		.ephemeral = (uint32_t)rows_integer(rows, 22),
		.clone_since = rows_integer(rows, 23),
		.order_number = rows_integer(rows, 26),
		.clone = clone <= CLONE_UPTIME_FELL ? (enum clone_sign)clone : CLONE_NONE,
		.link = link <= LINK_CLONE ? (enum client_link)link : LINK_NONE,
	};
	whole = rows_bytes(rows, 0, ret->id, sizeof(ret->id));
	whole = rows_bytes(rows, 1, ret->identity, sizeof(ret->identity)) && whole;
	whole = rows_bytes(rows, 2, ret->tls_pin, sizeof(ret->tls_pin)) && whole;
	rows_text(rows, 5, ret->token, sizeof(ret->token));
	rows_bytes(rows, 9, ret->boot_id, sizeof(ret->boot_id));
	rows_text(rows, 10, ret->address, sizeof(ret->address));
	facts(rows, 11, &ret->facts);
	rows_text(rows, 18, ret->reason, sizeof(ret->reason));
	rows_text(rows, 20, ret->former, sizeof(ret->former));
	rows_text(rows, 21, ret->successor, sizeof(ret->successor));
	rows_text(rows, 25, ret->machine_before, sizeof(ret->machine_before));
	return whole && labels_split(rows_view(rows, 4), &ret->labels) == 0 ? 0 : -EIO;
}

int client_one(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	struct client_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, n, &rows);

	if (r == 0)
		r = record(rows, ret);
	return r < 0 ? r : rows_last(rows);
}

int store_client_by_id(
	struct store *s, const uint8_t id[static CLIENT_ID_SIZE], struct client_record *ret)
{
	int r = client_one(s, &by_id, VALUES(value_bytes(id, CLIENT_ID_SIZE)), ret);

	return r == -ENOENT ? removed_by_id(s, id, ret) : r;
}

int store_client_by_pin(
	struct store *s, const uint8_t tls_pin[static PIN_SIZE], struct client_record *ret)
{
	int r = client_one(s, &by_pin, VALUES(value_bytes(tls_pin, PIN_SIZE)), ret);

	return r == -ENOENT ? removed_by_pin(s, tls_pin, ret) : r;
}

static int by_key(
	struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE], struct client_record *ret)
{
	return client_one(s, &by_identity, VALUES(value_bytes(identity, PUBLIC_KEY_SIZE)), ret);
}

/* Up to 32 hex digits as the first digits of an id, the others being fill. -ENOENT: not digits. */
static int fill_id(const char *prefix, char fill, uint8_t ret[static CLIENT_ID_SIZE])
{
	char text[CLIENT_ID_TEXT_SIZE];
	size_t len = strlen(prefix);

	if (len == 0 || len >= sizeof(text))
		return -ENOENT;
	memset(text, fill, sizeof(text) - 1);
	memcpy(text, prefix, len);
	return sodium_hex2bin(ret, CLIENT_ID_SIZE, text, sizeof(text) - 1, NULL, NULL, NULL) == 0 &&
			       strspn(prefix, "0123456789abcdefABCDEF") == len
		       ? 0
		       : -ENOENT;
}

int store_client_get(struct store *s, const char *id_or_prefix, struct client_record *ret)
{
	uint8_t first[CLIENT_ID_SIZE], last[CLIENT_ID_SIZE];
	int r = fill_id(id_or_prefix, '0', first);

	if (r == 0)
		r = fill_id(id_or_prefix, 'f', last);
	if (r < 0)
		return r;
	return client_one(s, &by_range,
		VALUES(value_bytes(first, sizeof(first)), value_bytes(last, sizeof(last))), ret);
}

int store_client_count(struct store *s, enum client_state state, uint64_t *ret)
{
	return db_number(s->db, &count, VALUES(value_integer(state)), ret);
}

/* after is where the filter's id goes; it must live as long as the rows. */
static int list_start(struct store *s, const struct client_filter *f,
	uint8_t after[static CLIENT_ID_SIZE], struct rows **ret)
{
	static const uint8_t nothing[1];
	uint64_t limit = f->limit && !f->selector ? (uint64_t)f->limit + 1 : UINT64_MAX;
	struct value values[] = {
		value_bytes(nothing, 0),
		{ .kind = VALUE_INTEGER, .integer = f->state },
		value_integer(f->scan && f->scan < limit ? (uint64_t)f->scan + 1 : limit),
		value_text(f->token),
	};

	if (f->after) {
		if (strlen(f->after) != CLIENT_ID_TEXT_SIZE - 1 ||
			fill_id(f->after, '0', after) < 0)
			return -EINVAL;
		values[0] = value_bytes(after, CLIENT_ID_SIZE);
	}
	if (f->clones)
		return db_rows(s->db, &list_of_clones, values, 3, ret);
	return db_rows(s->db, f->token ? &list_of_token : &list, values, f->token ? 4 : 3, ret);
}

int store_client_each(struct store *s, const struct client_filter *f, client_visitor visit,
	void *userdata, char ret_next[CLIENT_ID_TEXT_SIZE])
{
	uint8_t after[CLIENT_ID_SIZE];
	scoped(rows_endp) struct rows *rows = NULL;
	struct client_record c = {};
	uint32_t scanned = 0, visited = 0;
	int r = list_start(s, f, after, &rows);

	if (ret_next)
		*ret_next = '\0';
	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		if ((f->limit && visited == f->limit) || (f->scan && scanned == f->scan)) {
			if (ret_next)
				sodium_bin2hex(ret_next, CLIENT_ID_TEXT_SIZE, c.id, sizeof(c.id));
			return 0;
		}
		scanned++;
		r = record(rows, &c);
		if (r < 0 || (f->selector && !selector_matches(f->selector, &c.labels)))
			continue;
		visited++;
		r = visit(userdata, &c);
	}
	return r;
}

/* ---- enrolment */

static int add(struct store *s, const struct enrol_request *e, const struct token_record *t,
	const char *address, const uint8_t id[static CLIENT_ID_SIZE])
{
	static const uint8_t no_boot[16];
	const struct facts *f = &e->facts;
	char labels[LABELS_TEXT_SIZE], find[FIND_SIZE];
	uint64_t added = 0;
	int r;

	labels_join(&t->labels, labels);
	client_find(labels, f->hostname, address, find);
	r = db_run(s->db, &insert,
		VALUES(value_bytes(id, CLIENT_ID_SIZE), value_bytes(e->identity, PUBLIC_KEY_SIZE),
			value_bytes(e->tls_pin, PIN_SIZE), value_text(labels), value_text(t->id),
			value_integer(store_now(s)), value_bytes(no_boot, sizeof(no_boot)),
			value_text(address), value_text(f->hostname), value_text(f->os),
			value_text(f->kernel), value_text(f->arch), value_text(f->version),
			value_bytes(f->machine, sizeof(f->machine)),
			value_integer(t->approve ? CLIENT_PENDING : CLIENT_ENROLLED),
			value_text(find), value_integer(t->ephemeral)),
		&added);
	return r < 0 ? r : added == 1 ? 0 : -EEXIST;
}

static int audit_client(struct store *s, const uint8_t id[static CLIENT_ID_SIZE], const char *act,
	const char *token, const char *hostname, const char *address)
{
	char text[CLIENT_ID_TEXT_SIZE], actor[ACTOR_SIZE], detail[512];

	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	snprintf(actor, sizeof(actor), "client:%s", text);
	snprintf(detail, sizeof(detail), "token=%s hostname=%s address=%s", token, hostname,
		address ? address : "");
	return store_audit(s, actor, act, text, detail);
}

/* Why the conditional update didn't find the token; asked only after it. */
static int refusal(struct store *s, const uint8_t hash[static TOKEN_HASH_SIZE])
{
	struct token_record t;
	int r = token_by_hash(s, hash, &t);

	if (r < 0)
		return r == -ENOENT ? NACK_TOKEN_UNKNOWN : r;
	switch (t.state) {
	case TOKEN_REVOKED:
		return NACK_TOKEN_REVOKED;
	case TOKEN_USED_UP:
		return NACK_TOKEN_USED_UP;
	case TOKEN_EXPIRED:
		return NACK_TOKEN_EXPIRED;
	case TOKEN_LIVE:
		return 0;
	}
	return -EIO;
}

/* Within the savepoint. 0: enrolled; a nack code: to be undone. */
static int enrol(struct store *s, const struct enrol_request *e, const char *address,
	const uint8_t hash[static TOKEN_HASH_SIZE], struct client_record *ret)
{
	struct token_record t;
	uint8_t id[CLIENT_ID_SIZE];
	int r = token_spend(s, hash);

	if (r == 0) {
		r = refusal(s, hash);
		return r == 0 ? -EIO : r;
	}
	if (r > 0)
		r = token_by_hash(s, hash, &t);
	if (r < 0)
		return r;
	random_bytes(id, sizeof(id));
	r = add(s, e, &t, address, id);
	if (r == -EEXIST)
		return NACK_KEY_KNOWN;
	if (r == 0)
		r = audit_client(s, id, "client.enrol", t.id, e->facts.hostname, address);
	return r < 0 ? r : by_key(s, e->identity, ret);
}

/* It has never said HELLO, and nothing was done about it but to approve it. */
static bool is_new(const struct client_record *c)
{
	return c->last_hello == 0 && (c->state == CLIENT_ENROLLED || c->state == CLIENT_PENDING);
}

/* The same token and, if given, the same TLS key, and the machine has never said HELLO: its answer
 * may have been lost, it gets the same again. */
static int again(struct store *s, const struct client_record *c,
	const uint8_t hash[static TOKEN_HASH_SIZE], const uint8_t *tls_pin)
{
	struct token_record t;
	int r = token_by_hash(s, hash, &t);

	if (c->state == CLIENT_REVOKED)
		return NACK_REVOKED;
	if (r < 0)
		return r == -ENOENT ? NACK_KEY_KNOWN : r;
	if (strcmp(t.id, c->token) != 0 || !is_new(c))
		return NACK_KEY_KNOWN;
	if (tls_pin && memcmp(tls_pin, c->tls_pin, PIN_SIZE) != 0)
		return NACK_KEY_KNOWN;
	return 0;
}

int store_client_enrol(struct store *s, const struct enrol_request *e, const char *address,
	struct client_record *ret)
{
	uint8_t hash[TOKEN_HASH_SIZE];
	int done, r;

	token_hash(s, e->token, hash);
	r = removed_has_key(s, e->identity, e->tls_pin);
	if (r != 0)
		return r < 0 ? r : NACK_REVOKED;
	r = by_key(s, e->identity, ret);
	if (r == 0)
		return again(s, ret, hash, e->tls_pin);
	if (r != -ENOENT)
		return r;
	r = db_savepoint(s->db);
	if (r < 0)
		return r;
	done = enrol(s, e, address, hash, ret);
	if (done == 0)
		done = link_former(s, ret);
	if (done < 0)
		return done; /* the whole turn goes */
	r = done > 0 ? db_rollback_to(s->db) : db_release(s->db);
	if (r == 0 && done == NACK_TOKEN_EXPIRED)
		r = store_save_clock(s); /* once told, it must be true for ever */
	return r < 0 ? r : done;
}

int store_token_query(struct store *s, const struct token_query *query, struct token_record *ret)
{
	static const uint8_t no_pin[PIN_SIZE];
	struct client_record c;
	uint8_t hash[TOKEN_HASH_SIZE];
	int r;

	token_hash(s, query->token, hash);
	r = removed_has_key(s, query->identity, no_pin);
	if (r != 0)
		return r < 0 ? r : NACK_REVOKED;
	r = by_key(s, query->identity, &c);
	if (r == 0)
		r = again(s, &c, hash, NULL);
	else if (r == -ENOENT)
		r = refusal(s, hash);
	return r ? r : token_by_hash(s, hash, ret);
}

/* ---- life */

int store_client_hello(struct store *s, const uint8_t id[static CLIENT_ID_SIZE],
	const struct hello *h, const char *address)
{
	const struct facts *f = &h->facts;
	const struct value values[] = { value_bytes(id, CLIENT_ID_SIZE),
		value_integer(store_now(s)), value_integer(h->uptime),
		value_bytes(h->boot_id, sizeof(h->boot_id)), value_text(address),
		value_text(f->hostname), value_text(f->os), value_text(f->kernel),
		value_text(f->arch), value_text(f->version),
		value_bytes(f->machine, sizeof(f->machine)) };
	uint64_t changed = 0;
	int r = db_run(s->db, &hello_again, values, COUNT(values), &changed);

	if (r == 0 && changed == 0)
		r = db_run(s->db, &hello, values, COUNT(values), &changed);
	return r < 0 ? r : changed == 1 ? 0 : -ENOENT;
}

/* The enrolment that never became one: gone, and its use is back. */
static int withdraw(struct store *s, const struct client_record *c)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &delete, VALUES(value_bytes(c->id, sizeof(c->id))), &changed);

	if (r == 0 && changed != 1)
		r = -EIO;
	if (r == 0)
		r = link_undo(s, c);
	if (r == 0)
		r = token_unspend(s, c->token);
	return r < 0 ? r
		     : audit_client(s, c->id, "client.withdraw", c->token, c->facts.hostname,
			       c->address);
}

int store_client_leave(
	struct store *s, const uint8_t id[static CLIENT_ID_SIZE], bool *ret_withdrawn)
{
	struct client_record c;
	int r = store_client_by_id(s, id, &c);

	if (r < 0)
		return r;
	*ret_withdrawn = is_new(&c);
	if (!*ret_withdrawn && c.state != CLIENT_ENROLLED && c.state != CLIENT_SUSPENDED &&
		c.state != CLIENT_REPLACED)
		return 0;
	r = db_savepoint(s->db);
	if (r == 0 && *ret_withdrawn)
		r = withdraw(s, &c);
	else if (r == 0) {
		r = db_run(s->db, &leave,
			VALUES(value_bytes(id, CLIENT_ID_SIZE), value_integer(store_now(s))), NULL);
		if (r == 0)
			r = update_withdraw(s, id, false);
		if (r == 0)
			r = audit_client(
				s, id, "client.leave", c.token, c.facts.hostname, c.address);
	}
	return r < 0 ? r : db_release(s->db);
}
