/* SPDX-License-Identifier: MIT */
/*
 * The small interface between the store and a database. A driver is one struct db_driver; the SQL
 * is written once, by the store's modules, in the common part of SQLite's and PostgreSQL's
 * languages: parameters $1, $2, ...; every statement a static object, prepared at its first use and
 * kept.
 *
 * Errors: -EEXIST a UNIQUE constraint or a primary key; -ENOMEM; -ENOTCONN the database can't be
 * reached now (logged once, when that began); -EIO everything else, which has been logged with the
 * database's own words. After any of them the transaction is to be rolled back: PostgreSQL takes
 * nothing more in it but the end of a savepoint.
 *
 * Several processes may use one database. A transaction is alone: whoever else writes, in this
 * process or on another machine, does so before its begin or after its end. What it has read stays
 * true until then; what is read outside of one is as of that moment.
 */
#ifndef MUSTER_DB_H
#define MUSTER_DB_H

#include <stdbool.h>

#include "lib/base.h"

struct db;

/* One statement. Its address is its name in the driver's cache, so it must live for ever. */
struct sql {
	const char *text;
};

enum value_kind { VALUE_INTEGER, VALUE_TEXT, VALUE_BYTES };

struct value {
	enum value_kind kind;
	int64_t integer;
	const void *data; /* must live until the statement's end */
	size_t len;
};

/* A running statement. */
struct rows {
	struct db *db;
};

/* Where a database is. */
struct db_place {
	const char *location;
	const char *password_file; /* NULL: none */
};

/* What the loop does for a database that is reached by a connection. */
struct db_link {
	bool up;         /* false: every call fails with -ENOTCONN */
	int fd;          /* tend() is to be called when it can be read */
	uint64_t due;    /* and at this time: microseconds of CLOCK_MONOTONIC; UINT64_MAX: never */
	const char *why; /* it is down, in words for people; valid until the next call */
};

/* What other processes have told by notify(); NULL: something of it may have been missed. */
typedef void (*db_listener)(void *userdata, const char *text);

struct db_driver {
	/* -EROFS: can't be written; -EBADMSG: not a database of muster; other errno of open(2). */
	int (*open)(const struct db_place *place, struct db **ret);
	void (*close)(struct db *db);

	/* Statements without parameters, separated by semicolons. In their text {integer}, {bytes}
	 * and {strict} stand for the driver's 64-bit integer, its bytes, and what makes a table
	 * keep to its types. */
	int (*script)(struct db *db, const char *text);
	int (*has_table)(struct db *db, const char *name); /* 1, 0 */

	/* A transaction that writes. -EBUSY (not logged): another process has been writing for some
	 * tenths of a second. begin_now doesn't wait; NULL: begin never does. */
	int (*begin)(struct db *db);
	int (*begin_now)(struct db *db);
	int (*commit)(struct db *db);
	void (*rollback)(struct db *db); /* also after the database did so itself */
	bool (*in_transaction)(const struct db *db);

	int (*start)(struct db *db, const struct sql *sql, const struct value *values, size_t count,
		struct rows **ret);
	int (*next)(struct rows *r);                     /* 1: a row; 0: the end */
	uint64_t (*changed)(const struct rows *r);       /* rows written, after the end */
	int64_t (*integer)(struct rows *r, int column);  /* columns from 0 */
	const char *(*text)(struct rows *r, int column); /* valid until next() or end() */
	const void *(*bytes)(struct rows *r, int column, size_t *ret_len);
	void (*end)(struct rows *r);

	/* The rest is NULL in a driver whose database needs no connection.
	 *
	 * notify: to every other process, when the transaction has committed; at most
	 * DB_NOTICE_MAX bytes. attend: from now on there is a loop: no call takes longer than
	 * statement_ms and half a second, a lost connection is made again in the background; woken
	 * is called when tend() is to be called soon, by any of these functions, and with up false
	 * when the connection has just been lost. NULL: there is no loop any more. */
	int (*notify)(struct db *db, const char *text);
	int (*attend)(struct db *db, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
		void *userdata);
	struct db_link (*tend)(struct db *db, db_listener heard, void *userdata);
};

#define DB_NOTICE_MAX 1000

struct db {
	const struct db_driver *driver;
};

extern const struct db_driver db_sqlite; /* location: a file's path or ":memory:" */
/* location: postgresql://HOST/DATABASE or libpq's key=value. All is in the schema "muster". */
extern const struct db_driver db_postgresql;

/* A word of the common SQL, and what a database says instead. */
struct db_word {
	const char *common, *here;
};

/* For the drivers: the text with the first of the words that fits in each place replaced, in
 * literals too. The caller frees it; NULL: no memory. */
char *db_translate(const char *text, const struct db_word *words, size_t count) must_use;

/* The driver that a location is for. */
const struct db_driver *db_driver_of(const char *location);

/* Integers above INT64_MAX, which no database holds, are taken as INT64_MAX. */
struct value value_integer(uint64_t n);
struct value value_text(const char *text); /* NULL is "" */
struct value value_bytes(const void *data, size_t len);

#define VALUES(...)                                                                                \
	(const struct value[]){ __VA_ARGS__ },                                                     \
		sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value)

/* Runs a statement that gives no rows; *ret_changed (may be NULL) is how many it wrote. */
int db_run(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	uint64_t *ret_changed) must_use;

/* Starts a statement that gives rows, to be read by rows_next() and ended by rows_end(). */
int db_rows(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	struct rows **ret) must_use;
int rows_next(struct rows *r) must_use; /* 1: a row; 0: the end */
/* The same, read as far as the first row. -ENOENT: there is none. */
int db_row(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	struct rows **ret) must_use;
/* After a row that should be the only one: 0; -ENOTUNIQ: there is another. */
int rows_last(struct rows *r) must_use;
uint64_t rows_integer(struct rows *r, int column);
/* Cut at size - 1 bytes; false: it was longer. */
bool rows_text(struct rows *r, int column, char *ret, size_t size);
const char *rows_view(struct rows *r, int column); /* valid until rows_next() or rows_end() */
/* false: it has another length; ret is zeros then. */
bool rows_bytes(struct rows *r, int column, void *ret, size_t len);
void rows_end(struct rows *r); /* takes NULL */
void rows_endp(struct rows **r);

/* The first column of the first row; -ENOENT: no row. */
int db_number(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	uint64_t *ret) must_use;

/* A part of a transaction that can be undone alone. They don't nest. */
int db_savepoint(struct db *db) must_use;
int db_release(struct db *db) must_use;
int db_rollback_to(struct db *db) must_use; /* and release */

#endif
