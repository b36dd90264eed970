/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ids.h"
#include "internal.h"
#include "lib/secret.h"

#define TOKEN_COLUMNS                                                                              \
	"id, labels, uses, used, created, expires, revoked, lapsed, created_by, note, approve,"    \
	" ephemeral"

static const struct sql insert = {
	"INSERT INTO token (id, hash, labels, uses, created, expires, created_by, note, approve,"
	" ephemeral) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
};
/* The one place where a use is spent: every condition is in the statement. */
static const struct sql spend = { "UPDATE token SET used = used + 1 WHERE hash = $1"
				  " AND used < uses AND revoked = 0 AND lapsed = 0"
				  " AND (expires = 0 OR expires > $2)" };
static const struct sql unspend = { "UPDATE token SET used = used - 1 WHERE id = $1 AND used > 0" };
static const struct sql set_revoked = {
	"UPDATE token SET revoked = $2 WHERE id = $1 AND revoked = 0"
};
static const struct sql by_hash = { "SELECT " TOKEN_COLUMNS " FROM token WHERE hash = $1" };
static const struct sql by_id = { "SELECT " TOKEN_COLUMNS " FROM token WHERE id = $1" };
static const struct sql by_prefix = {
	"SELECT " TOKEN_COLUMNS " FROM token WHERE substr(id, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2"
};
static const struct sql list = { "SELECT " TOKEN_COLUMNS
				 " FROM token WHERE id > $1 ORDER BY id LIMIT $2" };
static const struct sql list_newest = {
	"SELECT " TOKEN_COLUMNS " FROM token"
	" WHERE ($1 = '' OR (created, id) < (SELECT created, id FROM token WHERE id = $1))"
	" AND ($3 = 0 OR (used < uses AND revoked = 0 AND lapsed = 0"
	" AND (expires = 0 OR expires > $4)))"
	" ORDER BY created DESC, id DESC LIMIT $2"
};
#define ENDING                                                                                     \
	" FROM token WHERE expires > $1 AND expires <= $2 AND used < uses AND revoked = 0"         \
	" AND lapsed = 0"
static const struct sql count_ending = { "SELECT count(*)" ENDING };
static const struct sql list_ending = { "SELECT " TOKEN_COLUMNS ENDING
					" ORDER BY expires LIMIT $3" };
static const struct sql count_live = {
	"SELECT count(*) FROM token WHERE used < uses AND revoked = 0 AND lapsed = 0"
	" AND (expires = 0 OR expires > $1)"
};

const char *token_state_name(enum token_state state)
{
	static const char *const names[] = {
		[TOKEN_LIVE] = "live",
		[TOKEN_USED_UP] = "used-up",
		[TOKEN_EXPIRED] = "expired",
		[TOKEN_REVOKED] = "revoked",
	};

	return names[state];
}

void token_hash(const struct store *s, const uint8_t token[static TOKEN_SIZE],
	uint8_t ret[static TOKEN_HASH_SIZE])
{
	/* Can't fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash(
		ret, TOKEN_HASH_SIZE, token, TOKEN_SIZE, s->token_key, TOKEN_KEY_SIZE);
}

static enum token_state judge(const struct token_record *t, bool lapsed, uint64_t now)
{
	if (t->revoked)
		return TOKEN_REVOKED;
	if (t->used >= t->uses)
		return TOKEN_USED_UP;
	if (lapsed || (t->expires && t->expires <= now))
		return TOKEN_EXPIRED;
	return TOKEN_LIVE;
}

static int record(struct store *s, struct rows *rows, struct token_record *ret)
{
	*ret = (struct token_record){
		.uses = (uint32_t)rows_integer(rows, 2),
		.used = (uint32_t)rows_integer(rows, 3),
		.created = rows_integer(rows, 4),
		.expires = rows_integer(rows, 5),
		.revoked = rows_integer(rows, 6),
		.approve = rows_integer(rows, 10) != 0,
		.ephemeral = (uint32_t)rows_integer(rows, 11),
	};
	rows_text(rows, 0, ret->id, sizeof(ret->id));
	rows_text(rows, 8, ret->created_by, sizeof(ret->created_by));
	rows_text(rows, 9, ret->note, sizeof(ret->note));
	ret->state = judge(ret, rows_integer(rows, 7) != 0, store_now(s));
	return labels_split(rows_view(rows, 1), &ret->labels) < 0 ? -EIO : 0;
}

/* The only row. */
static int one(struct store *s, const struct sql *sql, const struct value *values, size_t count,
	struct token_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, count, &rows);

	if (r == 0)
		r = record(s, rows, ret);
	return r < 0 ? r : rows_last(rows);
}

int token_by_hash(
	struct store *s, const uint8_t hash[static TOKEN_HASH_SIZE], struct token_record *ret)
{
	return one(s, &by_hash, VALUES(value_bytes(hash, TOKEN_HASH_SIZE)), ret);
}

int token_spend(struct store *s, const uint8_t hash[static TOKEN_HASH_SIZE])
{
	uint64_t changed = 0;
	int r = db_run(s->db, &spend,
		VALUES(value_bytes(hash, TOKEN_HASH_SIZE), value_integer(store_now(s))), &changed);

	return r < 0 ? r : changed == 1;
}

int token_unspend(struct store *s, const char *id)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &unspend, VALUES(value_text(id)), &changed);

	return r < 0 ? r : changed == 1 ? 0 : -EIO;
}

/* -EEXIST: that id or token is there already. */
static int add(struct store *s, const struct token_spec *spec, const char *id,
	const uint8_t token[static TOKEN_SIZE])
{
	char labels[LABELS_TEXT_SIZE];
	uint8_t hash[TOKEN_HASH_SIZE];
	uint64_t added = 0;
	int r;

	labels_join(&spec->labels, labels);
	token_hash(s, token, hash);
	r = db_run(s->db, &insert,
		VALUES(value_text(id), value_bytes(hash, sizeof(hash)), value_text(labels),
			value_integer(spec->uses), value_integer(store_now(s)),
			value_integer(spec->expires), value_text(spec->actor),
			value_text(spec->note), value_integer(spec->approve),
			value_integer(spec->ephemeral)),
		&added);
	return r < 0 ? r : added == 1 ? 0 : -EEXIST;
}

static int audit_creation(struct store *s, const struct token_spec *spec, const char *id)
{
	scoped(freep) char *detail = NULL;
	char labels[LABELS_TEXT_SIZE], expires[TIME_TEXT_SIZE], uses[16] = "unlimited",
								ephemeral[32] = "";

	labels_join(&spec->labels, labels);
	store_time_text(spec->expires, expires);
	if (spec->uses != UNLIMITED_USES)
		snprintf(uses, sizeof(uses), "%u", spec->uses);
	if (spec->ephemeral)
		snprintf(ephemeral, sizeof(ephemeral), " ephemeral=%u", spec->ephemeral);
	if (asprintf(&detail, "uses=%s expires=%s labels=%s%s%s note=%s", uses, expires, labels,
		    spec->approve ? " approve" : "", ephemeral, spec->note ? spec->note : "") < 0) {
		detail = NULL;
		return -ENOMEM;
	}
	return store_audit(s, spec->actor, "token.create", id, detail);
}

int store_token_create(struct store *s, const struct token_spec *spec,
	uint8_t ret_token[static TOKEN_SIZE], struct token_record *ret)
{
	char id[TOKEN_ID_SIZE];
	uint8_t token[TOKEN_SIZE];
	int r = -EEXIST;

	if (spec->uses == 0 || (spec->note && strlen(spec->note) >= NOTE_SIZE))
		return -EINVAL;
	/* A number drawn twice is drawn again; thrice in a row means that something is broken. */
	for (int tries = 0; r == -EEXIST && tries < 3; tries++) {
		random_bytes(token, sizeof(token));
		id_make('t', id);
		r = add(s, spec, id, token);
	}
	if (r == 0)
		r = audit_creation(s, spec, id);
	if (r == 0)
		r = one(s, &by_id, VALUES(value_text(id)), ret);
	if (r == 0)
		memcpy(ret_token, token, TOKEN_SIZE);
	sodium_memzero(token, sizeof(token));
	return r == -EEXIST || r == -ENOENT ? -EIO : r;
}

int store_token_find(
	struct store *s, const uint8_t token[static TOKEN_SIZE], struct token_record *ret)
{
	uint8_t hash[TOKEN_HASH_SIZE];

	token_hash(s, token, hash);
	return token_by_hash(s, hash, ret);
}

int store_token_get(struct store *s, const char *id_or_prefix, struct token_record *ret)
{
	char id[TOKEN_ID_SIZE];
	int r = id_complete('t', id_or_prefix, id);

	if (r < 0)
		return r;
	if (strlen(id) == TOKEN_ID_SIZE - 1)
		return one(s, &by_id, VALUES(value_text(id)), ret);
	return one(s, &by_prefix, VALUES(value_text(id), value_integer(strlen(id))), ret);
}

int store_token_revoke(
	struct store *s, const char *id_or_prefix, const char *actor, struct token_record *ret)
{
	uint64_t changed = 0;
	int r = store_token_get(s, id_or_prefix, ret);

	if (r < 0)
		return r;
	r = db_run(s->db, &set_revoked, VALUES(value_text(ret->id), value_integer(store_now(s))),
		&changed);
	if (r == 0 && changed > 0)
		r = store_audit(s, actor, "token.revoke", ret->id, "");
	return r < 0 ? r : one(s, &by_id, VALUES(value_text(ret->id)), ret);
}

static int visit_all(struct store *s, struct rows *rows, token_visitor visit, void *userdata)
{
	struct token_record t;
	int r = 0;

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = record(s, rows, &t);
		if (r == 0)
			r = visit(userdata, &t);
	}
	return r;
}

int store_token_each(
	struct store *s, const char *after, uint32_t limit, token_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &list,
		VALUES(value_text(after), value_integer(limit ? limit : UINT64_MAX)), &rows);

	return r < 0 ? r : visit_all(s, rows, visit, userdata);
}

int store_token_newest(struct store *s, const char *after, bool live, uint32_t limit,
	token_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &list_newest,
		VALUES(value_text(after), value_integer(limit), value_integer(live),
			value_integer(store_now(s))),
		&rows);

	return r < 0 ? r : visit_all(s, rows, visit, userdata);
}

int store_token_count_live(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &count_live, VALUES(value_integer(store_now(s))), ret);
}

int store_token_ending(struct store *s, uint64_t until, uint32_t limit, token_visitor visit,
	void *userdata, uint64_t *ret_count)
{
	scoped(rows_endp) struct rows *rows = NULL;
	const struct value values[] = { value_integer(store_now(s)), value_integer(until),
		value_integer(limit) };
	int r = db_number(s->db, &count_ending, values, 2, ret_count);

	if (r == 0)
		r = db_rows(s->db, &list_ending, values, COUNT(values), &rows);
	return r < 0 ? r : visit_all(s, rows, visit, userdata);
}
