/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "admins.h"
#include "ids.h"
#include "internal.h"
#include "lib/secret.h"

#define COLUMNS                                                                                    \
	"session.id, session.admin, admin.role, session.created, session.used, session.address"
#define TABLES " FROM session JOIN admin ON admin.name = session.admin"

static const char domain[] = "muster-session-1";

static const struct sql insert = { "INSERT INTO session (id, hash, admin, created, used, address)"
				   " VALUES ($1, $2, $3, $4, $4, $5)" };
static const struct sql by_hash = { "SELECT " COLUMNS TABLES " WHERE session.hash = $1" };
static const struct sql by_id = { "SELECT " COLUMNS TABLES " WHERE session.id = $1" };
static const struct sql list = {
	"SELECT " COLUMNS TABLES " WHERE session.id > $1 AND (session.admin = $2 OR $2 = '')"
	" AND session.created > $3 AND session.used > $4 ORDER BY session.id LIMIT $5"
};
static const struct sql set_used = { "UPDATE session SET used = $2 WHERE id = $1 AND used < $2" };
static const struct sql set_login = { "UPDATE admin SET login = $2 WHERE name = $1" };
static const struct sql end_one = {
	"DELETE FROM session WHERE id = $1 AND (admin = $2 OR $2 = '')"
};
static const struct sql forget = { "DELETE FROM session WHERE created <= $1 OR used <= $2" };

static uint64_t before(uint64_t now, uint32_t seconds)
{
	return now > seconds ? now - seconds : 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void record(struct rows *rows, const struct session_limits *l, struct session_record *ret)
{
	uint64_t role = rows_integer(rows, 2);

	*ret = (struct session_record){
		.role = role <= ROLE_ADMINISTRATOR ? (enum role)role : ROLE_NONE,
		.created = rows_integer(rows, 3),
		.used = rows_integer(rows, 4),
	};
	ret->expires = earlier(ret->created + l->max, ret->used + l->idle);
	rows_text(rows, 0, ret->id, sizeof(ret->id));
	rows_text(rows, 1, ret->admin, sizeof(ret->admin));
	rows_text(rows, 5, ret->address, sizeof(ret->address));
}

static int one(struct store *s, const struct sql *sql, struct value value,
	const struct session_limits *l, struct session_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, VALUES(value), &rows);

	if (r < 0)
		return r;
	record(rows, l, ret);
	r = rows_next(rows);
	if (r == 0 && ret->expires <= store_now(s))
		return -ENOENT;
	return r;
}

static int add(struct store *s, const char *id, const char *admin, const char *address,
	const uint8_t secret[static SESSION_SECRET_SIZE])
{
	uint8_t hash[ID_HASH_SIZE];

	id_secret_hash(s, domain, secret, hash);
	return db_run(s->db, &insert,
		VALUES(value_text(id), value_bytes(hash, sizeof(hash)), value_text(admin),
			value_integer(store_now(s)), value_text(address)),
		NULL);
}

int store_session_start(struct store *s, const char *admin, const char *address,
	const struct session_limits *l, uint8_t ret_secret[static SESSION_SECRET_SIZE],
	struct session_record *ret)
{
	uint64_t now = store_now(s);
	char id[SESSION_ID_SIZE], actor[ACTOR_SIZE];
	int r = db_run(s->db, &forget,
		VALUES(value_integer(before(now, l->max)), value_integer(before(now, l->idle))),
		NULL);

	id_make('s', id);
	random_bytes(ret_secret, SESSION_SECRET_SIZE);
	if (r == 0)
		r = add(s, id, admin, address, ret_secret);
	if (r == 0)
		r = db_run(s->db, &set_login, VALUES(value_text(admin), value_integer(now)), NULL);
	snprintf(actor, sizeof(actor), "admin:%s", admin);
	if (r == 0)
		r = store_audit(s, actor, "session.start", id, address);
	if (r == 0)
		r = one(s, &by_id, value_text(id), l, ret);
	return r == -EEXIST || r == -ENOENT ? -EIO : r;
}

int store_session_find(struct store *s, const uint8_t secret[static SESSION_SECRET_SIZE],
	const struct session_limits *l, struct session_record *ret)
{
	uint8_t hash[ID_HASH_SIZE];

	id_secret_hash(s, domain, secret, hash);
	return one(s, &by_hash, value_bytes(hash, sizeof(hash)), l, ret);
}

int store_session_get(
	struct store *s, const char *id, const struct session_limits *l, struct session_record *ret)
{
	return one(s, &by_id, value_text(id), l, ret);
}

bool store_session_stale(struct store *s, const struct session_record *r)
{
	return store_now(s) >= r->used + ACCESS_USED_EVERY;
}

int store_session_used(struct store *s, const char *id)
{
	return db_run(s->db, &set_used, VALUES(value_text(id), value_integer(store_now(s))), NULL);
}

int store_session_end(struct store *s, const char *id, const char *of, const char *actor)
{
	uint64_t rows = 0;
	int r = db_run(s->db, &end_one, VALUES(value_text(id), value_text(of)), &rows);

	if (r == 0 && rows == 0)
		return -ENOENT;
	return r < 0 ? r : store_audit(s, actor, "session.end", id, "");
}

int store_session_each(struct store *s, const char *of, const char *after, uint32_t limit,
	const struct session_limits *l, session_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint64_t now = store_now(s);
	struct session_record found;
	int r = db_rows(s->db, &list,
		VALUES(value_text(after), value_text(of), value_integer(before(now, l->max)),
			value_integer(before(now, l->idle)),
			value_integer(limit ? limit : UINT64_MAX)),
		&rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		record(rows, l, &found);
		r = visit(userdata, &found);
	}
	return r;
}
