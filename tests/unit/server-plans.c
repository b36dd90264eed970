/* SPDX-License-Identifier: MIT */
/*
 * What the API makes the database do, by the database's own word: with many machines no request may
 * pass by all rows of a table, or sort them. Not times are measured but plans (EXPLAIN QUERY PLAN).
 */
#include "server-ask.h"

#include <sodium.h>

#include "server/store/search.h"

/* ---- every statement that runs, as SQLite tells them to a tracer */

#define STATEMENTS 512

static char *statements[STATEMENTS];
static size_t count;

static int note(unsigned kind, void *context, void *statement, void *text)
{
	const char *sql = sqlite3_sql(statement);

	(void)kind;
	(void)context;
	(void)text;
	for (size_t i = 0; i < count; i++)
		if (strcmp(statements[i], sql) == 0)
			return 0;
	assert_true(count < STATEMENTS);
	statements[count] = strdup(sql);
	assert_non_null(statements[count++]);
	return 0;
}

/* SQLite calls this for every database that it opens. */
static int trace(sqlite3 *db, const char **error, const void *api)
{
	(void)error;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, note, NULL);
}

static void forget(void)
{
	while (count > 0)
		free(statements[--count]);
}

/* ---- what is wrong with a plan */

static const char *const large[] = { "client", "audit", "message", "receipt", "config_held",
	"config_refused", "token" };

static bool starts_with_table(const char *text, size_t *ret_len)
{
	for (size_t i = 0; i < COUNT(large); i++) {
		*ret_len = strlen(large[i]);
		if (strncmp(text, large[i], *ret_len) == 0 &&
			(text[*ret_len] == '\0' || text[*ret_len] == ' '))
			return true;
	}
	return false;
}

/* "SCAN client" reads the table; through an index in its order it ends where the LIMIT is, or has
 * all it needs; and so does one in the order of the rows. A sort in memory reads everything first. */
static bool is_bad(const char *step, const char *sql)
{
	size_t len;

	if (strncmp(step, "SCAN ", 5) == 0 && starts_with_table(step + 5, &len))
		return strncmp(step + 5 + len, " USING ", 7) != 0 &&
		       (strstr(sql, " WHERE ") || !strstr(sql, " LIMIT "));
	return strstr(step, "TEMP B-TREE FOR ORDER BY") != NULL;
}

static void check_plan(sqlite3 *db, const char *path, const char *sql)
{
	scoped(freep) char *explain = NULL;
	sqlite3_stmt *plan = NULL;

	assert_true(asprintf(&explain, "EXPLAIN QUERY PLAN %s", sql) > 0);
	assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &plan, NULL), SQLITE_OK);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);

		if (is_bad(step, sql))
			fail_msg("%s: %s\n%s", path, step, sql);
	}
	sqlite3_finalize(plan);
}

static bool has_plan(const char *sql)
{
	return strncmp(sql, "SELECT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 ||
	       strncmp(sql, "DELETE", 6) == 0 || strncmp(sql, "INSERT", 6) == 0;
}

static void check(struct api_fixture *a, const char *path)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(a->store->path, &db), SQLITE_OK);
	for (size_t i = 0; i < count; i++)
		if (has_plan(statements[i]))
			check_plan(db, path, statements[i]);
	sqlite3_close(db);
}

/* ---- tests */

static const char *const paths[] = {
	"status",
	"tokens",
	"clients",
	"clients?label=role%3Dweb&state=enrolled",
	"clients?sort=hostname",
	"clients?sort=-hostname",
	"clients?sort=-hostname&after=6d.00000000000000000000000000000000",
	"clients?sort=enrolled",
	"clients?sort=-enrolled",
	"clients?sort=seen",
	"clients?sort=-seen",
	"clients?q=web&connected=no",
	"clients/count?q=web&label=role",
	"audit",
	"audit?last=10",
	"messages?last=10",
	"messages?type=login",
	"messages?order=newest",
	"messages?order=newest&q=backup",
	"messages?order=newest&type=login&since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00Z",
	"audit?order=newest",
	"audit?order=newest&q=x",
	"audit?order=newest&object=00000000000000000000000000000000",
	"receipts",
	"overview",
	"configs",
	"configs/app",
	"configs/app/history",
	"configs/app/diff",
	"configs/app/status",
	"configs/app/status?outcome=refused",
	"configs/app/progress",
};

#define PUSH "{\"name\":\"app\",\"selector\":\"*\",\"content\":\"YQ==\"}"

static int take(void *userdata, const struct client_record *c)
{
	*(struct client_record *)userdata = *c;
	return 0;
}

static void look_at(struct api_fixture *a, const struct client_record *c, const char *what)
{
	char path[256], id[CLIENT_ID_TEXT_SIZE];

	forget();
	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	snprintf(path, sizeof(path), "/api/v1/clients/%s%s", id, what);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	check(a, path);
	snprintf(path, sizeof(path), "/api/v1/messages?order=newest&client=%s", id);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	check(a, path);
}

static void no_listing_reads_a_whole_table(void **state)
{
	struct api_fixture *a = *state;
	struct client_record one;
	char path[256];

	if (on_postgresql()) /* the plans are SQLite's */
		return;
	enrol_some(a, 1);
	assert_int_equal(store_client_some(a->server.store, CLIENT_ENROLLED, 1, take, &one), 0);
	assert_int_equal(ask(a, "POST", "/api/v1/configs", PUSH), 201);
	assert_int_equal(ask(a, "POST", "/api/v1/configs", PUSH), 201);
	look_at(a, &one, "");
	look_at(a, &one, "/timeline");
	for (size_t i = 0; i < COUNT(paths); i++) {
		forget();
		snprintf(path, sizeof(path), "/api/v1/%s", paths[i]);
		if (ask(a, "GET", path, NULL) != 200)
			fail_msg("%s", path);
		assert_true(count > 0);
		check(a, path);
	}
	forget();
}

static void a_whole_table_would_be_seen(void **state)
{
	(void)state;
	assert_true(is_bad("SCAN client", "SELECT id FROM client WHERE os = ?1 LIMIT 1"));
	assert_true(is_bad("SCAN message", "SELECT count(*) FROM message"));
	assert_true(is_bad("USE TEMP B-TREE FOR ORDER BY", ""));
	assert_false(is_bad("SCAN client USING COVERING INDEX client_find", ""));
	assert_false(is_bad("SEARCH client USING INDEX client_token (token=? AND id>?)", ""));
	assert_false(is_bad("SCAN audit_head", ""));
	assert_false(is_bad("SCAN message", "SELECT seq FROM message ORDER BY seq LIMIT ?1"));
}

static int traced(void **state)
{
	return sqlite3_auto_extension((void (*)(void))trace) == SQLITE_OK ? api_setup(state) : -1;
}

static int untraced(void **state)
{
	sqlite3_reset_auto_extension();
	return api_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_table_would_be_seen),
		cmocka_unit_test_setup_teardown(no_listing_reads_a_whole_table, traced, untraced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
