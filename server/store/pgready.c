/* SPDX-License-Identifier: MIT */
#include "pgready.h"

#include <errno.h>
#include <string.h>

#define OLDEST_SERVER 120000 /* PostgreSQL 12 */

struct talk {
	PGconn *conn;
	const struct pg_setup *setup;
	char *error;
	char state[6]; /* SQLSTATE of what failed */
};

static int fail(struct talk *t, int r, const char *what, const char *detail)
{
	pgtalk_say(t->error, what, detail);
	return r;
}

static int refused(struct talk *t, const PGresult *result)
{
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	snprintf(t->state, sizeof(t->state), "%s", state ? state : "");
	return fail(t, -EIO, "the database refuses its use",
		primary ? primary : PQerrorMessage(t->conn));
}

/* One or more statements; *ret (may be NULL) is the last one's result. */
static int ask(struct talk *t, const char *sql, PGresult **ret)
{
	uint64_t until = pgtalk_now() + ((uint64_t)t->setup->statement_ms + PGTALK_SLACK_MS) * 1000;
	PGresult *result = NULL, *last = NULL;
	int r = PQsendQuery(t->conn, sql) ? pgtalk_push(t->conn, until) : -ECONNABORTED, error = 0;

	while (r == 0 && (r = pgtalk_pull(t->conn, until, &result)) == 0 && result) {
		PQclear(last);
		last = result;
		if (error == 0 && !pgtalk_good(result))
			error = refused(t, result);
	}
	if (r == -ETIMEDOUT)
		error = fail(t, r, "the database takes connections, but doesn't answer", "");
	else if (r < 0)
		error = fail(t, r, "cannot connect", PQerrorMessage(t->conn));
	if (error == 0 && ret)
		*ret = give(last);
	PQclear(last);
	return error;
}

/* ---- settings and schema */

/* An acknowledged commit is on the disk, whatever the database's default is; what is stricter
 * stays. */
static int settle(struct talk *t)
{
	char sql[1024];

	if (PQserverVersion(t->conn) < OLDEST_SERVER)
		return fail(t, -ENOTSUP, "the database is of a PostgreSQL older than 12", "");
	snprintf(sql, sizeof(sql),
		"SET search_path = muster; SET statement_timeout = %u; SET lock_timeout = %u;"
		"SET idle_in_transaction_session_timeout = 10000; SET bytea_output = hex;"
		"SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = auto;"
		"SET standard_conforming_strings = on; SET timezone = UTC;"
		"SELECT set_config('synchronous_commit', 'on', false)"
		" WHERE current_setting('synchronous_commit') = 'off';"
		"SELECT set_config('tcp_keepalives_idle', '10', false),"
		" set_config('tcp_keepalives_interval', '5', false),"
		" set_config('tcp_keepalives_count', '3', false)",
		t->setup->statement_ms, t->setup->lock_ms);
	return ask(t, sql, NULL);
}

/* A schema that is there may be used by one who may not make one. Somebody else may make it at the
 * same moment: then it is there as well. */
static int make_schema(struct talk *t)
{
	PGresult *result = NULL;
	int r = ask(t, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'muster'", &result);
	int there = r == 0 ? PQntuples(result) : 0;

	PQclear(result);
	if (r < 0 || there > 0)
		return r;
	return ask(t,
		"BEGIN; SELECT pg_advisory_xact_lock(" PG_LOCK ");"
		"CREATE SCHEMA IF NOT EXISTS muster; COMMIT",
		NULL);
}

/* ---- which history of the database it is */

/* A database that can't tell, or may not, is taken as it is. */
static int check_history(struct talk *t, struct pg_seen *seen)
{
	static const char sql[] = "SELECT system_identifier,"
				  " ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), "
				  "1, 8))::bit(32)::bigint"
				  " FROM pg_control_system()";
	PGresult *result = NULL;
	struct pg_seen here = {};
	char detail[256];
	int r = ask(t, sql, &result);

	if (r == 0 && PQntuples(result) == 1) {
		here.system = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
		here.timeline = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
	}
	PQclear(result);
	if (r < 0)
		return r == -EIO ? 0 : r;
	if (here.system == seen->system && here.timeline < seen->timeline) {
		snprintf(detail, sizeof(detail), "%.128s:%.16s is on timeline %llu, before %llu",
			PQhost(t->conn), PQport(t->conn), (unsigned long long)here.timeline,
			(unsigned long long)seen->timeline);
		return fail(t, -ESTALE,
			"a standby has been promoted in the place of this database, which is "
			"not used again",
			detail);
	}
	*seen = here;
	return 0;
}

/* ---- the trial */

/* Who keeps it from working: of all that hold what it needs, the first. */
static void name_holder(struct talk *t)
{
	static const char sql[] =
		"ROLLBACK; SELECT l.pid, COALESCE(c.relname, '') FROM pg_catalog.pg_locks l"
		" LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation"
		" AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace"
		" WHERE nspname = 'muster')"
		" WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database ="
		" (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
		" AND (l.locktype = 'advisory' AND l.classid::bigint << 32 | l.objid::bigint "
		"= " PG_LOCK
		" OR l.locktype = 'relation' AND c.oid IS NOT NULL AND l.mode IN ('ShareLock',"
		" 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))"
		" ORDER BY 2 DESC LIMIT 1";
	char words[PG_ERROR_SIZE];
	PGresult *result = NULL;
	int r;

	memcpy(words, t->error, sizeof(words));
	r = ask(t, sql, &result);
	memcpy(t->error, words, sizeof(words));
	if (r == 0 && PQntuples(result) == 1) {
		const char *table = PQgetvalue(result, 0, 1);

		snprintf(t->error, PG_ERROR_SIZE,
			"another session keeps %.64s%.64s locked: process %.16s of PostgreSQL",
			*table ? "the table " : "the turn to write", table,
			PQgetvalue(result, 0, 0));
	}
	PQclear(result);
}

/* In SQL's words: locks on the tables that it may write, and one row written; "": there are none. */
static int make_trial(struct talk *t, char **ret)
{
	PGresult *result = NULL;
	int r = ask(t,
		"SELECT COALESCE('LOCK TABLE ' || string_agg(c.oid::regclass::text, ', ') ||"
		" ' IN ROW EXCLUSIVE MODE;', '') || CASE WHEN bool_or(c.relname = 'meta') THEN"
		" 'UPDATE meta SET value = value WHERE name = ''clock''' ELSE '' END"
		" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
		"c.relnamespace"
		" WHERE n.nspname = 'muster' AND c.relkind = 'r'"
		" AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')",
		&result);

	if (r < 0)
		return r;
	*ret = strdup(PQgetvalue(result, 0, 0));
	PQclear(result);
	return *ret ? 0 : fail(t, -ENOMEM, "no memory", "");
}

static int try_out(struct talk *t)
{
	scoped(freep) char *trial = NULL, *sql = NULL;
	int r = make_trial(t, &trial);

	if (r < 0)
		return r;
	if (asprintf(&sql,
		    "BEGIN; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(" PG_LOCK ");"
		    "SET LOCAL lock_timeout = %u; %s",
		    t->setup->lock_ms, trial) < 0) {
		sql = NULL;
		return fail(t, -ENOMEM, "no memory", "");
	}
	r = ask(t, sql, NULL);
	if (r == -EIO && (strcmp(t->state, "57014") == 0 || strcmp(t->state, "55P03") == 0))
		name_holder(t);
	return r < 0 ? r : ask(t, "COMMIT", NULL);
}

int pg_ready(PGconn *c, const struct pg_setup *setup, struct pg_seen *seen,
	char ret_error[static PG_ERROR_SIZE])
{
	struct talk t = { .conn = c, .setup = setup, .error = ret_error };
	int r = settle(&t);

	if (r == 0)
		r = check_history(&t, seen);
	if (r == 0)
		r = make_schema(&t);
	if (r == 0)
		r = ask(&t, "LISTEN " PG_CHANNEL, NULL);
	return r < 0 ? r : try_out(&t);
}
