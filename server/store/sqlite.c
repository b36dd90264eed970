/* SPDX-License-Identifier: MIT */
/* The SQLite driver: one file, WAL, a commit that has returned is on the disk (synchronous FULL).
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "../log.h"
#include "db.h"

#define APPLICATION_ID  0x6d757374 /* "must", in the file's header */
#define BUSY_TIMEOUT_MS 5000       /* for reading: another process recovers the WAL */
#define PATIENCE_MS     500        /* for a transaction: another process writes */

/* A prepared statement; rows is first, so that a struct rows is its statement. */
struct statement {
	struct rows rows;
	const struct sql *sql;
	sqlite3_stmt *prepared;
	struct statement *next;
	bool running;
};

struct sqlite {
	struct db db;
	sqlite3 *handle;
	struct statement *statements;
	char *location;
	bool may_be_busy; /* which is no failure then */
};

static struct sqlite *of(const struct db *db)
{
	return (struct sqlite *)(uintptr_t)db;
}

static int failed(struct sqlite *s, const char *what)
{
	int extended = sqlite3_extended_errcode(s->handle);

	if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
		return -EEXIST;
	if ((extended & 0xff) == SQLITE_NOMEM)
		return -ENOMEM;
	if ((extended & 0xff) == SQLITE_BUSY && s->may_be_busy)
		return -EBUSY;
	return log_err(-EIO, "database '%s' failed: %s (%d) in: %.200s", s->location,
		sqlite3_errmsg(s->handle), extended, what);
}

/* ---- statements */

static const struct db_word words[] = {
	{ "{integer}", "INTEGER" }, { "{bytes}", "BLOB" }, { "{strict}", "STRICT" },
	{ "$", "?" }, /* SQLite takes $1 for a name and numbers by order, but ?1 for a number */
};

static int prepare(struct sqlite *s, const struct sql *sql, struct statement **ret)
{
	scoped(freep) char *text = db_translate(sql->text, words, COUNT(words));
	struct statement *st = text ? calloc(1, sizeof(*st)) : NULL;

	if (!st)
		return -ENOMEM;
	if (sqlite3_prepare_v3(s->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &st->prepared,
		    NULL) != SQLITE_OK) {
		free(st);
		return failed(s, sql->text);
	}
	st->rows.db = &s->db;
	st->sql = sql;
	st->next = s->statements;
	s->statements = st;
	*ret = st;
	return 0;
}

/* A statement may run twice at once (a visitor that asks again): then there are two of it. */
static int find(struct sqlite *s, const struct sql *sql, struct statement **ret)
{
	for (struct statement *st = s->statements; st; st = st->next) {
		if (st->sql == sql && !st->running) {
			*ret = st;
			return 0;
		}
	}
	return prepare(s, sql, ret);
}

static int bind(sqlite3_stmt *prepared, int at, const struct value *v)
{
	switch (v->kind) {
	case VALUE_INTEGER:
		return sqlite3_bind_int64(prepared, at, v->integer);
	case VALUE_TEXT:
		return sqlite3_bind_text64(
			prepared, at, v->data, v->len, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BYTES:
		return sqlite3_bind_blob64(prepared, at, v->data, v->len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static void sqlite_end(struct rows *r)
{
	struct statement *st = (struct statement *)r;

	sqlite3_reset(st->prepared); /* tells the last step's error again: known already */
	sqlite3_clear_bindings(st->prepared);
	st->running = false;
}

static int sqlite_start(struct db *db, const struct sql *sql, const struct value *values,
	size_t count, struct rows **ret)
{
	struct statement *st = NULL;
	int r = find(of(db), sql, &st);

	if (r < 0)
		return r;
	st->running = true;
	for (size_t i = 0; i < count; i++) {
		if (bind(st->prepared, (int)i + 1, &values[i]) != SQLITE_OK) {
			r = failed(of(db), sql->text);
			sqlite_end(&st->rows);
			return r;
		}
	}
	*ret = &st->rows;
	return 0;
}

static int sqlite_next(struct rows *r)
{
	struct statement *st = (struct statement *)r;

	switch (sqlite3_step(st->prepared)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	}
	return failed(of(r->db), st->sql->text);
}

static uint64_t sqlite_changed(const struct rows *r)
{
	return (uint64_t)sqlite3_changes64(of(r->db)->handle);
}

static int64_t sqlite_integer(struct rows *r, int column)
{
	return sqlite3_column_int64(((struct statement *)r)->prepared, column);
}

static const char *sqlite_text(struct rows *r, int column)
{
	return (const char *)sqlite3_column_text(((struct statement *)r)->prepared, column);
}

static const void *sqlite_bytes(struct rows *r, int column, size_t *ret_len)
{
	sqlite3_stmt *prepared = ((struct statement *)r)->prepared;
	const void *data = sqlite3_column_blob(prepared, column);

	*ret_len = (size_t)sqlite3_column_bytes(prepared, column);
	return data;
}

/* ---- scripts and transactions */

static int execute(struct sqlite *s, const char *text)
{
	return sqlite3_exec(s->handle, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(s, text);
}

static int sqlite_script(struct db *db, const char *text)
{
	scoped(freep) char *translated = db_translate(text, words, COUNT(words));

	return translated ? execute(of(db), translated) : -ENOMEM;
}

static int sqlite_has_table(struct db *db, const char *name)
{
	static const struct sql sql = {
		"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1"
	};
	uint64_t n = 0;
	int r = db_number(db, &sql, VALUES(value_text(name)), &n);

	return r < 0 ? r : n > 0;
}

static int begin(struct db *db, int patience)
{
	static const struct sql sql = { "BEGIN IMMEDIATE" };
	struct sqlite *s = of(db);
	int r;

	sqlite3_busy_timeout(s->handle, patience);
	s->may_be_busy = true;
	r = db_run(db, &sql, NULL, 0, NULL);
	s->may_be_busy = false;
	sqlite3_busy_timeout(s->handle, BUSY_TIMEOUT_MS);
	return r;
}

static int sqlite_begin(struct db *db)
{
	return begin(db, PATIENCE_MS);
}

static int sqlite_begin_now(struct db *db)
{
	return begin(db, 0);
}

static bool sqlite_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(of(db)->handle);
}

static int sqlite_commit(struct db *db)
{
	static const struct sql sql = { "COMMIT" };

	return db_run(db, &sql, NULL, 0, NULL);
}

/* A full disk and the like make SQLite roll back by itself; then there is nothing left to do. A
 * rollback that fails otherwise leaves the transaction to the next open of the file. */
static void sqlite_rollback(struct db *db)
{
	static const struct sql sql = { "ROLLBACK" };

	if (sqlite_in_transaction(db) && db_run(db, &sql, NULL, 0, NULL) < 0)
		log_warning("database '%s': rollback failed", of(db)->location);
}

/* ---- open and close */

static void sqlite_close(struct db *db)
{
	struct sqlite *s = of(db);

	while (s->statements) {
		struct statement *st = s->statements;

		s->statements = st->next;
		sqlite3_finalize(st->prepared);
		free(st);
	}
	sqlite3_close(s->handle);
	free(s->location);
	free(s);
}

/* SQLite would make the file with the umask's mode; its WAL and shared memory take the file's. */
static int make_file(const char *location)
{
	scoped(closep) int fd = -1;

	if (strcmp(location, ":memory:") == 0)
		return 0;
	fd = open(location, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	return fd < 0 ? -errno : 0;
}

static int pragma_number(struct sqlite *s, const char *text, int64_t *ret)
{
	sqlite3_stmt *prepared = NULL;
	int r = sqlite3_prepare_v2(s->handle, text, -1, &prepared, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(prepared);
	if (r == SQLITE_ROW)
		*ret = sqlite3_column_int64(prepared, 0);
	sqlite3_finalize(prepared);
	return r == SQLITE_ROW ? 0 : -EBADMSG;
}

/* Only an empty file, or one that muster made. */
static int check_file(struct sqlite *s)
{
	int64_t id = 0, tables = 0;

	if (pragma_number(s, "PRAGMA application_id", &id) < 0 ||
		pragma_number(s, "SELECT count(*) FROM sqlite_schema", &tables) < 0)
		return log_err(-EBADMSG, "database '%s' is damaged or not a database (%s)",
			s->location, sqlite3_errmsg(s->handle));
	if (id != APPLICATION_ID && (id != 0 || tables > 0))
		return log_err(-EBADMSG, "database '%s' is another program's", s->location);
	if (sqlite3_db_readonly(s->handle, "main") == 1)
		return log_err(-EROFS, "database '%s' can't be written", s->location);
	return 0;
}

static int configure(struct sqlite *s)
{
	static const struct {
		int option, value;
	} settings[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};

	sqlite3_extended_result_codes(s->handle, 1);
	sqlite3_busy_timeout(s->handle, BUSY_TIMEOUT_MS);
	for (size_t i = 0; i < COUNT(settings); i++) {
		int now = -1;

		if (sqlite3_db_config(s->handle, settings[i].option, settings[i].value, &now) !=
				SQLITE_OK ||
			now != settings[i].value)
			return log_err(-EIO, "SQLite doesn't take setting %d", settings[i].option);
	}
	return 0;
}

static int settle(struct sqlite *s)
{
	char text[64];
	int64_t id = 0;
	int r = execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			   "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;");

	if (r < 0)
		return r;
	if (pragma_number(s, "PRAGMA application_id", &id) == 0 && id == APPLICATION_ID)
		return 0;
	snprintf(text, sizeof(text), "PRAGMA application_id = %d", APPLICATION_ID);
	return execute(s, text);
}

static int sqlite_open(const struct db_place *place, struct db **ret)
{
	const char *location = place->location;
	struct sqlite *s = calloc(1, sizeof(*s));
	int r = s ? make_file(location) : -ENOMEM;

	if (r < 0) {
		free(s);
		return log_err(r, "cannot open database '%s'", location);
	}
	s->db.driver = &db_sqlite;
	s->location = strdup(location);
	if (!s->location ||
		sqlite3_open_v2(location, &s->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		r = s->location ? log_err(-EIO, "cannot open database '%s': %s", location,
					  s->handle ? sqlite3_errmsg(s->handle) : "no memory")
				: -ENOMEM;
	if (r == 0)
		r = configure(s);
	if (r == 0)
		r = check_file(s);
	if (r == 0)
		r = settle(s);
	if (r < 0) {
		sqlite_close(&s->db);
		return r;
	}
	*ret = &s->db;
	return 0;
}

const struct db_driver db_sqlite = {
	.open = sqlite_open,
	.close = sqlite_close,
	.script = sqlite_script,
	.has_table = sqlite_has_table,
	.begin = sqlite_begin,
	.begin_now = sqlite_begin_now,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.in_transaction = sqlite_in_transaction,
	.start = sqlite_start,
	.next = sqlite_next,
	.changed = sqlite_changed,
	.integer = sqlite_integer,
	.text = sqlite_text,
	.bytes = sqlite_bytes,
	.end = sqlite_end,
};
