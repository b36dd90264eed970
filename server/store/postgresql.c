/* SPDX-License-Identifier: MIT */
/*
 * The PostgreSQL driver. Every writing transaction begins with one advisory lock, so that they come
 * one after the other as SQLite's do, from however many servers; the isolation is READ COMMITTED,
 * where the statement after the lock sees all that was committed before it.
 *
 * Nothing waits for ever: a statement that has no answer within its time ends the connection, since
 * nobody knows then what the database makes of it. A commit without an answer has failed, as far as
 * anyone is told.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "../log.h"
#include "lib/text.h"
#include "pglink.h"

#define PARAMETERS_MAX 32

/* pg_type.dat */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_NUMERIC = 1700,
};

struct prepared {
	const struct sql *sql;
	struct prepared *next;
	unsigned number;     /* its name at the database */
	uint64_t connection; /* on which it has been prepared last */
};

/* A statement's whole result; rows is first. */
struct answer {
	struct rows rows;
	PGresult *result;
	int row; /* the current one, from 0; -1: before the first */
	char digits[8][24];
};

struct postgresql {
	struct db db;
	struct pglink link;
	struct prepared *prepared;
	unsigned count;
	bool open;           /* a transaction */
	uint64_t connection; /* on which it was begun */
};

static struct postgresql *of(const struct db *db)
{
	return (struct postgresql *)(uintptr_t)db;
}

/* In a transaction only the connection on which it was begun counts. */
static bool usable(const struct postgresql *p)
{
	return p->link.conn && (!p->open || p->connection == p->link.connection);
}

/* ---- statements */

static Oid type_of(const struct value *v)
{
	switch (v->kind) {
	case VALUE_INTEGER:
		return OID_INT8;
	case VALUE_TEXT:
		return OID_TEXT;
	case VALUE_BYTES:
		return OID_BYTEA;
	}
	return 0;
}

static void name_of(const struct prepared *s, char ret[static 16])
{
	snprintf(ret, 16, "s%u", s->number);
}

static int prepare(struct postgresql *p, struct prepared *s, const struct value *values, int count)
{
	Oid types[PARAMETERS_MAX];
	char name[16];
	int r;

	for (int i = 0; i < count; i++)
		types[i] = type_of(&values[i]);
	name_of(s, name);
	r = pglink_finish(&p->link, PQsendPrepare(p->link.conn, name, s->sql->text, count, types),
		s->sql->text, NULL);
	if (r == 0)
		s->connection = p->link.connection;
	return r;
}

static int find(struct postgresql *p, const struct sql *sql, struct prepared **ret)
{
	struct prepared *s = p->prepared;

	while (s && s->sql != sql)
		s = s->next;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		*s = (struct prepared){ .sql = sql, .next = p->prepared, .number = p->count++ };
		p->prepared = s;
	}
	*ret = s;
	return 0;
}

/* A text that is none can be no row's: it is looked for, or kept, as text_escape() makes it. */
static void escape(const struct value *v, char **keep, const char **ret, int *ret_len)
{
	if (v->kind != VALUE_TEXT || text_utf8(v->data, v->len))
		return;
	*keep = text_escape(v->data, v->len);
	*ret = *keep ? *keep : "";
	*ret_len = (int)strlen(*ret);
}

/* What libpq's sending returned. */
static int send(
	struct postgresql *p, const struct prepared *s, const struct value *values, int count)
{
	const char *data[PARAMETERS_MAX];
	int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
	uint64_t numbers[PARAMETERS_MAX];
	char *escaped[PARAMETERS_MAX] = {}, name[16];
	int sent;

	for (int i = 0; i < count; i++) {
		numbers[i] = htobe64((uint64_t)values[i].integer);
		formats[i] = 1;
		data[i] = values[i].data ? values[i].data : ""; /* NULL would be SQL's */
		lengths[i] = (int)values[i].len;
		if (values[i].kind == VALUE_INTEGER) {
			data[i] = (const char *)&numbers[i];
			lengths[i] = sizeof(numbers[i]);
		}
		escape(&values[i], &escaped[i], &data[i], &lengths[i]);
	}
	name_of(s, name);
	sent = PQsendQueryPrepared(p->link.conn, name, count, data, lengths, formats, 1);
	for (int i = 0; i < count; i++)
		free(escaped[i]);
	return sent;
}

static int run(struct postgresql *p, const struct sql *sql, const struct value *values, int count,
	PGresult **ret)
{
	struct prepared *s = NULL;
	int r = find(p, sql, &s);

	if (r == 0 && s->connection != p->link.connection)
		r = prepare(p, s, values, count);
	if (r == 0)
		r = pglink_finish(&p->link, send(p, s, values, count), sql->text, ret);
	if (r == -EBUSY) /* it is not the turn to write that is waited for */
		r = pglink_lose(&p->link, "another session keeps a table locked");
	return r;
}

static int pg_start(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	struct rows **ret)
{
	struct postgresql *p = of(db);
	struct answer *a;
	int r;

	if (!usable(p))
		return -ENOTCONN;
	if (count > PARAMETERS_MAX)
		return -E2BIG;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct answer){ .rows.db = db, .row = -1 };
	r = run(p, sql, values, (int)count, &a->result);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = &a->rows;
	return 0;
}

static void pg_end(struct rows *r)
{
	struct answer *a = (struct answer *)r;

	PQclear(a->result);
	free(a);
}

static int pg_next(struct rows *r)
{
	struct answer *a = (struct answer *)r;

	if (a->row + 1 >= PQntuples(a->result))
		return 0;
	a->row++;
	return 1;
}

static uint64_t pg_changed(const struct rows *r)
{
	const struct answer *a = (const struct answer *)r;

	return strtoull(PQcmdTuples(a->result), NULL, 10);
}

/* ---- values */

static uint64_t big_endian(const uint8_t *data, int len)
{
	uint64_t n = 0;

	for (int i = 0; i < len; i++)
		n = n << 8 | data[i];
	return n;
}

/* numeric_send(): number of digits, weight, sign, scale, digits to the base of 10000; sum() gives
 * such. What is behind the point is cut, what is too large is the largest. */
static int64_t numeric(const uint8_t *data, int len)
{
	int digits = len >= 8 ? (int)big_endian(data, 2) : 0;
	int weight = len >= 8 ? (int16_t)big_endian(data + 2, 2) : -1;
	int64_t n = 0;

	for (int i = 0; i <= weight; i++) {
		int64_t digit = i < digits && 8 + 2 * i + 2 <= len
					? (int64_t)big_endian(data + 8 + 2 * i, 2)
					: 0;

		if (__builtin_mul_overflow(n, 10000, &n) || __builtin_add_overflow(n, digit, &n))
			return INT64_MAX;
	}
	return len >= 8 && big_endian(data + 4, 2) == 0x4000 ? -n : n;
}

static int64_t pg_integer(struct rows *r, int column)
{
	const struct answer *a = (const struct answer *)r;
	const uint8_t *data = (const uint8_t *)PQgetvalue(a->result, a->row, column);
	int len = PQgetlength(a->result, a->row, column);

	if (!data || len <= 0)
		return 0;
	switch (PQftype(a->result, column)) {
	case OID_INT8:
		return (int64_t)big_endian(data, 8);
	case OID_INT4:
		return (int32_t)big_endian(data, 4);
	case OID_INT2:
		return (int16_t)big_endian(data, 2);
	case OID_BOOL:
		return *data != 0;
	case OID_NUMERIC:
		return numeric(data, len);
	}
	return 0;
}

/* A number is told in digits, as SQLite does. */
static const char *pg_text(struct rows *r, int column)
{
	struct answer *a = (struct answer *)r;
	char *text = a->digits[(size_t)column % COUNT(a->digits)];

	switch (PQftype(a->result, column)) {
	case OID_INT8:
	case OID_INT4:
	case OID_INT2:
	case OID_NUMERIC:
		snprintf(text, sizeof(a->digits[0]), "%lld", (long long)pg_integer(r, column));
		return text;
	}
	return PQgetvalue(a->result, a->row, column);
}

static const void *pg_bytes(struct rows *r, int column, size_t *ret_len)
{
	const struct answer *a = (const struct answer *)r;

	*ret_len = (size_t)PQgetlength(a->result, a->row, column);
	return PQgetvalue(a->result, a->row, column);
}

/* ---- scripts and transactions */

static const struct db_word words[] = {
	{ "{integer}", "BIGINT" }, { "{bytes}", "BYTEA" }, { "{strict}", "" },
	{ " TEXT", " TEXT COLLATE \"C\"" }, /* the order of bytes, as SQLite's */
};

static int pg_script(struct db *db, const char *text)
{
	scoped(freep) char *translated = db_translate(text, words, COUNT(words));
	struct postgresql *p = of(db);

	if (!translated)
		return -ENOMEM;
	return usable(p) ? pglink_execute(&p->link, translated) : -ENOTCONN;
}

static int pg_has_table(struct db *db, const char *name)
{
	static const struct sql sql = { "SELECT count(*) FROM pg_catalog.pg_tables"
					" WHERE schemaname = 'muster' AND tablename = $1" };
	uint64_t n = 0;
	int r = db_number(db, &sql, VALUES(value_text(name)), &n);

	return r < 0 ? r : n > 0;
}

/* Half of it may have been done. */
static int begun(struct postgresql *p, int r)
{
	p->open = r == 0;
	p->connection = p->link.connection;
	if (r < 0 && r != -ENOTCONN && pglink_execute(&p->link, "ROLLBACK") < 0)
		return pglink_lose(&p->link, "a transaction could not be begun");
	return r;
}

static int begun_by(struct postgresql *p, int r)
{
	return begun(p, r == 0 || r == -EBUSY ? pglink_busy(&p->link, r < 0) : r);
}

static int pg_begin(struct db *db)
{
	struct postgresql *p = of(db);
	char text[160];

	snprintf(text, sizeof(text),
		"BEGIN; SET LOCAL lock_timeout = %u; SELECT pg_advisory_xact_lock(" PG_LOCK ");"
		"SET LOCAL lock_timeout = %u",
		PG_LOCK_MS, p->link.setup.lock_ms);
	return begun_by(p, pglink_execute(&p->link, text));
}

static int pg_begin_now(struct db *db)
{
	static const char text[] = "BEGIN; SELECT pg_try_advisory_xact_lock(" PG_LOCK ")";
	struct postgresql *p = of(db);
	PGresult *result = NULL;
	int r = -ENOTCONN;

	if (p->link.conn)
		r = pglink_finish(&p->link, PQsendQuery(p->link.conn, text), text, &result);
	if (r == 0 && *PQgetvalue(result, 0, 0) != 't')
		r = -EBUSY;
	PQclear(result);
	return begun_by(p, r);
}

static bool pg_in_transaction(const struct db *db)
{
	return of(db)->open;
}

/* After an error COMMIT does what ROLLBACK does, and says so in its tag only. */
static int pg_commit(struct db *db)
{
	static const struct sql sql = { "COMMIT" };
	struct postgresql *p = of(db);
	PGresult *result = NULL;
	int r = usable(p) ? run(p, &sql, NULL, 0, &result) : -ENOTCONN;

	if (r == 0 && strcmp(PQcmdStatus(result), "COMMIT") != 0)
		r = log_err(-EIO, "the database has not committed");
	PQclear(result);
	if (r == 0)
		p->open = false;
	return r;
}

static void pg_rollback(struct db *db)
{
	struct postgresql *p = of(db);

	if (p->open && usable(p) && pglink_execute(&p->link, "ROLLBACK") < 0)
		pglink_lose(&p->link, "a rollback failed");
	p->open = false;
}

/* ---- open and close */

static void pg_close(struct db *db)
{
	struct postgresql *p = of(db);

	while (p->prepared) {
		struct prepared *s = p->prepared;

		p->prepared = s->next;
		free(s);
	}
	pglink_close(&p->link);
	free(p);
}

static int pg_open(const struct db_place *place, struct db **ret)
{
	struct postgresql *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->db.driver = &db_postgresql;
	r = pglink_open(&p->link, place);
	if (r < 0) {
		pg_close(&p->db);
		return r;
	}
	*ret = &p->db;
	return 0;
}

/* ---- with a loop */

static int pg_notify(struct db *db, const char *text)
{
	static const struct sql sql = { "SELECT pg_notify('" PG_CHANNEL "', $1)" };

	if (strlen(text) > DB_NOTICE_MAX)
		return -E2BIG;
	return db_run(db, &sql, VALUES(value_text(text)), NULL);
}

static int pg_attend(struct db *db, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
	void *userdata)
{
	return pglink_attend(&of(db)->link, statement_ms, woken, userdata);
}

static struct db_link pg_tend(struct db *db, db_listener heard, void *userdata)
{
	return pglink_tend(&of(db)->link, heard, userdata);
}

const struct db_driver db_postgresql = {
	.open = pg_open,
	.close = pg_close,
	.script = pg_script,
	.has_table = pg_has_table,
	.begin = pg_begin,
	.begin_now = pg_begin_now,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.in_transaction = pg_in_transaction,
	.start = pg_start,
	.next = pg_next,
	.changed = pg_changed,
	.integer = pg_integer,
	.text = pg_text,
	.bytes = pg_bytes,
	.end = pg_end,
	.notify = pg_notify,
	.attend = pg_attend,
	.tend = pg_tend,
};
