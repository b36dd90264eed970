/* SPDX-License-Identifier: MIT */
/*
 * The tests' database, as an intruder or another program sees it. It is a file of SQLite, or what
 * MUSTER_TEST_POSTGRESQL names: libpq's key=value of a cluster where databases may be made; each
 * test program makes one of its own there.
 */
#ifndef MUSTER_SERVER_RAW_H
#define MUSTER_SERVER_RAW_H

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base.h"

static const char *cluster(void)
{
	return getenv("MUSTER_TEST_POSTGRESQL");
}

static bool on_postgresql(void)
{
	return cluster() != NULL;
}

/* What SQLite's words are at the other one. */
static void in_postgresqls_words(const char *sql, char *ret, size_t size)
{
	static const char *const words[][2] = {
		{ "x''", "'\\x'::bytea" },
		{ "zeroblob(32)", "decode(repeat('00', 32), 'hex')" },
		{ "char(", "chr(" },
		{ "hex(salt)", "encode(salt, 'hex')" },
	};
	size_t len = 0;

	while (*sql && len + 64 < size) {
		size_t i = 0, hex = strspn(sql[0] == 'x' && sql[1] == '\'' ? sql + 2 : "",
				      "0123456789abcdef");

		if (hex > 0 && sql[2 + hex] == '\'') {
			len += (size_t)snprintf(
				ret + len, size - len, "'\\x%.*s'::bytea", (int)hex, sql + 2);
			sql += 2 + hex + 1;
			continue;
		}
		while (i < COUNT(words) && strncmp(sql, words[i][0], strlen(words[i][0])) != 0)
			i++;
		if (i == COUNT(words)) {
			ret[len++] = *sql++;
			continue;
		}
		len += (size_t)snprintf(ret + len, size - len, "%s", words[i][1]);
		sql += strlen(words[i][0]);
	}
	ret[len] = '\0';
}

static PGconn *raw_connect(const char *location)
{
	PGconn *c = PQconnectdb(location);

	PQclear(PQexec(c, "SET client_min_messages = error; SET search_path = muster"));
	return c;
}

/* As SQLite's codes. */
static int raw_code(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK)
		return SQLITE_OK;
	return state && (strncmp(state, "23", 2) == 0 || strncmp(state, "22", 2) == 0)
		       ? SQLITE_CONSTRAINT
		       : SQLITE_ERROR;
}

static int raw_postgresql(const char *location, const char *sql, int64_t *ret_number)
{
	char text[4096];
	PGconn *c = raw_connect(location);
	PGresult *result;
	int r;

	in_postgresqls_words(sql, text, sizeof(text));
	result = PQexec(c, text);
	r = raw_code(result);
	if (r == SQLITE_OK && ret_number && PQntuples(result) > 0)
		*ret_number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	PQfinish(c);
	return r;
}

__attribute__((unused)) static int raw(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	int r;

	if (on_postgresql())
		return raw_postgresql(path, sql, NULL);
	r = sqlite3_open(path, &db);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_close(db);
	return r;
}

__attribute__((unused)) static int64_t raw_number(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int64_t n = -1;

	if (on_postgresql())
		return raw_postgresql(path, sql, &n) == SQLITE_OK ? n : -1;
	if (sqlite3_open(path, &db) == SQLITE_OK &&
		sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

/* Where an empty database is: this program's own, emptied. */
static int raw_empty(char *ret, size_t size)
{
	char sql[128];

	snprintf(ret, size, "%s dbname=unit_%d", cluster(), (int)getpid());
	if (raw_postgresql(ret, "DROP SCHEMA IF EXISTS muster CASCADE", NULL) == SQLITE_OK)
		return 0;
	snprintf(sql, sizeof(sql), "CREATE DATABASE unit_%d", (int)getpid());
	return raw_postgresql(cluster(), sql, NULL) == SQLITE_OK ? 0 : -1;
}

#endif
