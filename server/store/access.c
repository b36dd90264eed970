/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ids.h"
#include "internal.h"
#include "lib/secret.h"

#define PREFIX  "mst_"
#define COLUMNS "id, name, role, scope, created, expires, revoked, used, lapsed, created_by"

static const char domain[] = "muster-api-token-1";

static const struct sql insert = {
	"INSERT INTO api_token (id, hash, name, role, scope, created, expires, created_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
};
static const struct sql get_hash = { "SELECT hash FROM api_token WHERE id = $1" };
static const struct sql by_id = { "SELECT " COLUMNS " FROM api_token WHERE id = $1" };
static const struct sql by_prefix = {
	"SELECT " COLUMNS " FROM api_token WHERE substr(id, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2"
};
static const struct sql list = { "SELECT " COLUMNS
				 " FROM api_token WHERE id > $1 ORDER BY id LIMIT $2" };
static const struct sql set_used = { "UPDATE api_token SET used = $2 WHERE id = $1 AND used < $2" };
static const struct sql set_revoked = {
	"UPDATE api_token SET revoked = $2 WHERE id = $1 AND revoked = 0"
};

static const char *const roles[] = {
	[ROLE_NONE] = "none",
	[ROLE_VIEWER] = "viewer",
	[ROLE_OPERATOR] = "operator",
	[ROLE_ADMINISTRATOR] = "administrator",
};

const char *role_name(enum role role)
{
	return roles[role];
}

int role_parse(const char *name, enum role *ret)
{
	for (enum role r = ROLE_VIEWER; r <= ROLE_ADMINISTRATOR; r++) {
		if (strcmp(name, roles[r]) == 0) {
			*ret = r;
			return 0;
		}
	}
	return -EINVAL;
}

const char *access_state_name(enum access_state state)
{
	static const char *const names[] = {
		[ACCESS_LIVE] = "live",
		[ACCESS_EXPIRED] = "expired",
		[ACCESS_REVOKED] = "revoked",
	};

	return names[state];
}

/* ---- records */

static enum access_state judge(const struct access_record *a, bool lapsed, uint64_t now)
{
	if (a->revoked)
		return ACCESS_REVOKED;
	return lapsed || (a->expires && a->expires <= now) ? ACCESS_EXPIRED : ACCESS_LIVE;
}

/* What isn't a role, in a database that somebody has been at, is none. */
static enum role role_of(uint64_t n)
{
	return n <= ROLE_ADMINISTRATOR ? (enum role)n : ROLE_NONE;
}

static int record(struct store *s, struct rows *rows, struct access_record *ret)
{
	*ret = (struct access_record){
		.role = role_of(rows_integer(rows, 2)),
		.created = rows_integer(rows, 4),
		.expires = rows_integer(rows, 5),
		.revoked = rows_integer(rows, 6),
		.used = rows_integer(rows, 7),
	};
	rows_text(rows, 0, ret->id, sizeof(ret->id));
	rows_text(rows, 1, ret->name, sizeof(ret->name));
	rows_text(rows, 9, ret->created_by, sizeof(ret->created_by));
	ret->state = judge(ret, rows_integer(rows, 8) != 0, store_now(s));
	/* A scope cut short would be another one. */
	return rows_text(rows, 3, ret->scope, sizeof(ret->scope)) ? 0 : -EIO;
}

/* The only row. */
static int one(struct store *s, const struct sql *sql, const struct value *values, size_t count,
	struct access_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, count, &rows);

	if (r == 0)
		r = record(s, rows, ret);
	return r < 0 ? r : rows_last(rows);
}

/* ---- secrets */

/* "mst_" ID "_" SECRET. false: it's no such text. */
static bool parse(const char *text, char ret_id[static ACCESS_ID_SIZE],
	uint8_t ret_secret[static ACCESS_SECRET_SIZE])
{
	const char *id = text + strlen(PREFIX), *digits = id + ACCESS_ID_SIZE;
	size_t len;

	if (strlen(text) != ACCESS_TEXT_SIZE - 1 || strncmp(text, PREFIX, strlen(PREFIX)) != 0 ||
		digits[-1] != '_' || strspn(digits, "0123456789abcdef") != 2 * ACCESS_SECRET_SIZE)
		return false;
	memcpy(ret_id, id, ACCESS_ID_SIZE - 1);
	ret_id[ACCESS_ID_SIZE - 1] = '\0';
	return sodium_hex2bin(ret_secret, ACCESS_SECRET_SIZE, digits, 2 * ACCESS_SECRET_SIZE, NULL,
		       &len, NULL) == 0;
}

/* 1: it's that token's secret; 0: it isn't, or there is no such token. */
static int compare(struct store *s, const char *id, const uint8_t secret[static ACCESS_SECRET_SIZE])
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t mine[ID_HASH_SIZE], theirs[ID_HASH_SIZE];
	int r = db_rows(s->db, &get_hash, VALUES(value_text(id)), &rows);

	id_secret_hash(s, domain, secret, theirs);
	if (r == 0)
		r = rows_next(rows);
	if (r <= 0)
		return r;
	return rows_bytes(rows, 0, mine, sizeof(mine)) &&
	       sodium_memcmp(mine, theirs, sizeof(mine)) == 0;
}

int store_access_find(struct store *s, const char *text, struct access_record *ret)
{
	uint8_t secret[ACCESS_SECRET_SIZE];
	char id[ACCESS_ID_SIZE];
	int r = parse(text, id, secret) ? compare(s, id, secret) : 0;

	sodium_memzero(secret, sizeof(secret));
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = one(s, &by_id, VALUES(value_text(id)), ret);
	if (r < 0 || ret->state == ACCESS_LIVE)
		return r;
	return ret->state == ACCESS_REVOKED ? -EKEYREVOKED : -EKEYEXPIRED;
}

/* ---- making one */

static int add(struct store *s, const struct access_spec *spec, const char *id,
	const uint8_t secret[static ACCESS_SECRET_SIZE])
{
	uint8_t hash[ID_HASH_SIZE];

	id_secret_hash(s, domain, secret, hash);
	return db_run(s->db, &insert,
		VALUES(value_text(id), value_bytes(hash, sizeof(hash)), value_text(spec->name),
			value_integer(spec->role), value_text(spec->scope),
			value_integer(store_now(s)), value_integer(spec->expires),
			value_text(spec->actor)),
		NULL);
}

static int audit_made(struct store *s, const struct access_spec *spec, const char *id)
{
	char expires[TIME_TEXT_SIZE], detail[SELECTOR_SIZE + 256];

	store_time_text(spec->expires, expires);
	snprintf(detail, sizeof(detail), "name=%s role=%s scope=%s expires=%s", spec->name,
		role_name(spec->role), spec->scope && *spec->scope ? spec->scope : "*", expires);
	return store_audit(s, spec->actor, "api-token.create", id, detail);
}

int store_access_create(struct store *s, const struct access_spec *spec,
	char ret_text[static ACCESS_TEXT_SIZE], struct access_record *ret)
{
	uint8_t secret[ACCESS_SECRET_SIZE];
	char id[ACCESS_ID_SIZE], digits[2 * ACCESS_SECRET_SIZE + 1];
	int r;

	id_make('a', id);
	random_bytes(secret, sizeof(secret));
	r = add(s, spec, id, secret);
	if (r == 0)
		r = audit_made(s, spec, id);
	if (r == 0)
		r = one(s, &by_id, VALUES(value_text(id)), ret);
	sodium_bin2hex(digits, sizeof(digits), secret, sizeof(secret));
	if (r == 0)
		snprintf(ret_text, ACCESS_TEXT_SIZE, PREFIX "%s_%s", id, digits);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(digits, sizeof(digits));
	return r == -EEXIST ? -EIO : r;
}

/* ---- the others */

bool store_access_stale(struct store *s, const struct access_record *a)
{
	return store_now(s) >= a->used + ACCESS_USED_EVERY;
}

int store_access_used(struct store *s, const char *id)
{
	return db_run(s->db, &set_used, VALUES(value_text(id), value_integer(store_now(s))), NULL);
}

int store_access_get(struct store *s, const char *id_or_prefix, struct access_record *ret)
{
	char id[ACCESS_ID_SIZE];
	int r = id_complete('a', id_or_prefix, id);

	if (r < 0)
		return r;
	return one(s, &by_prefix, VALUES(value_text(id), value_integer(strlen(id))), ret);
}

int store_access_revoke(
	struct store *s, const char *id_or_prefix, const char *actor, struct access_record *ret)
{
	uint64_t changed = 0;
	int r = store_access_get(s, id_or_prefix, ret);

	if (r < 0)
		return r;
	r = db_run(s->db, &set_revoked, VALUES(value_text(ret->id), value_integer(store_now(s))),
		&changed);
	if (r == 0 && changed > 0)
		r = store_audit(s, actor, "api-token.revoke", ret->id, ret->name);
	return r < 0 ? r : one(s, &by_id, VALUES(value_text(ret->id)), ret);
}

int store_access_each(
	struct store *s, const char *after, uint32_t limit, access_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct access_record a;
	int r = db_rows(s->db, &list,
		VALUES(value_text(after), value_integer(limit ? limit : UINT64_MAX)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = record(s, rows, &a);
		if (r == 0)
			r = visit(userdata, &a);
	}
	return r;
}
