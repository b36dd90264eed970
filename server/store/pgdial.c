/* SPDX-License-Identifier: MIT */
#include "pgdial.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/file.h"
#include "lib/secret.h"

#define OLDEST_SERVER  120000 /* PostgreSQL 12 */
#define PASSWORD_LIMIT 1024

/* ---- the parameters */

static int fail(char error[static PG_ERROR_SIZE], const char *what, const char *detail)
{
	size_t len;

	snprintf(error, PG_ERROR_SIZE, "%s%s%s", what, *detail ? ": " : "", detail);
	len = strlen(error);
	while (len > 0 && error[len - 1] == '\n')
		error[--len] = '\0';
	return -1;
}

/* The file's only line. */
static int read_password(const char *path, char **ret, char error[static PG_ERROR_SIZE])
{
	size_t len;
	int r = file_read_secret(path, PASSWORD_LIMIT, ret, &len);

	if (r == -EPERM)
		return fail(error, "others may read the password file, or own it", path);
	if (r < 0)
		return fail(error, "cannot read the password file", strerror(-r));
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return **ret ? 0 : fail(error, "the password file is empty", path);
}

#define WORDS 12

/* What stands before dbname can be said otherwise in the location, what stands after it can't. */
static void fill(const char *location, const char *password, const char *ret_keys[static WORDS],
	const char *ret_values[static WORDS])
{
	const char *const words[][2] = {
		{ "connect_timeout", "5" },
		{ "tcp_user_timeout", "10000" },
		{ "keepalives_idle", "10" },
		{ "keepalives_interval", "5" },
		{ "keepalives_count", "3" },
		{ "target_session_attrs", "read-write" },
		{ "fallback_application_name", "muster-server" },
		{ "dbname", location },
		{ "client_encoding", "UTF8" },
		{ password ? "password" : NULL, password },
		{},
	};
	_Static_assert(COUNT(words) <= WORDS, "no room for the words");

	for (size_t i = 0; i < COUNT(words); i++) {
		ret_keys[i] = words[i][0];
		ret_values[i] = words[i][1];
	}
}

static PGconn *dial(const char *location, const char *password)
{
	const char *keys[WORDS], *values[WORDS];

	fill(location, password, keys, values);
	return PQconnectdbParams(keys, values, 1);
}

bool pg_absent(const struct pg_setup *setup)
{
	const char *keys[WORDS], *values[WORDS];
	PGPing ping;

	fill(setup->place.location, NULL, keys, values);
	ping = PQpingParams(keys, values, 1);
	return ping == PQPING_REJECT || ping == PQPING_NO_RESPONSE;
}

/* ---- what every connection begins with */

static int execute(PGconn *c, const char *sql, char error[static PG_ERROR_SIZE])
{
	PGresult *result = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(result);
	int r = 0;

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

		r = fail(error, "the database refuses its use",
			primary ? primary : PQerrorMessage(c));
	}
	PQclear(result);
	return r;
}

/* A schema that is there may be used by one who may not make one. Somebody else may make it at the
 * same moment: then it is there as well. */
static int make_schema(PGconn *c, char error[static PG_ERROR_SIZE])
{
	PGresult *result = PQexec(c, "SELECT 1 FROM pg_namespace WHERE nspname = 'muster'");
	int there = PQntuples(result);

	PQclear(result);
	if (there > 0)
		return 0;
	return execute(c,
		"BEGIN; SELECT pg_advisory_xact_lock(" PG_LOCK ");"
		"CREATE SCHEMA IF NOT EXISTS muster; COMMIT",
		error);
}

/* An acknowledged commit is on the disk, whatever the database's default is; what is stricter
 * stays. The last line waits for whoever writes: a database where nobody gets his turn is of no
 * use yet. */
static int settle(PGconn *c, uint32_t statement_ms, char error[static PG_ERROR_SIZE])
{
	char sql[1024];

	if (PQserverVersion(c) < OLDEST_SERVER)
		return fail(error, "the database is of a PostgreSQL older than 12", "");
	snprintf(sql, sizeof(sql),
		"SET search_path = muster; SET statement_timeout = %u;"
		"SET idle_in_transaction_session_timeout = 10000; SET bytea_output = hex;"
		"SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = auto;"
		"SET standard_conforming_strings = on; SET timezone = UTC;"
		"SELECT set_config('synchronous_commit', 'on', false)"
		" WHERE current_setting('synchronous_commit') = 'off';"
		"SELECT set_config('tcp_keepalives_idle', '10', false),"
		" set_config('tcp_keepalives_interval', '5', false),"
		" set_config('tcp_keepalives_count', '3', false);",
		statement_ms);
	if (execute(c, sql, error) < 0 || make_schema(c, error) < 0)
		return -1;
	return execute(c,
		"LISTEN " PG_CHANNEL ";"
		"BEGIN; SELECT pg_advisory_xact_lock(" PG_LOCK "); COMMIT",
		error);
}

/* Notices go nowhere: libpq would print them. */
static void quiet(void *userdata, const PGresult *result)
{
	(void)userdata;
	(void)result;
}

PGconn *pg_connect(const struct pg_setup *setup, char ret_error[static PG_ERROR_SIZE])
{
	scoped(secret_freep) char *password = NULL;
	PGconn *c;

	*ret_error = '\0';
	if (setup->place.password_file &&
		read_password(setup->place.password_file, &password, ret_error) < 0)
		return NULL;
	c = dial(setup->place.location, password);
	PQsetNoticeReceiver(c, quiet, NULL);
	if (PQstatus(c) != CONNECTION_OK)
		(void)fail(ret_error, "cannot connect", c ? PQerrorMessage(c) : "no memory");
	else if (settle(c, setup->statement_ms, ret_error) == 0)
		return c;
	PQfinish(c);
	return NULL;
}

/* ---- in a thread */

struct pg_dial {
	struct pg_setup setup;
	char *location, *password_file;
	int fd; /* eventfd */
	pthread_mutex_t lock;
	bool ended, abandoned; /* whoever comes second frees it */
	PGconn *conn;
	char error[PG_ERROR_SIZE];
};

static void dial_free(struct pg_dial *d)
{
	if (d->conn)
		PQfinish(d->conn);
	closep(&d->fd);
	pthread_mutex_destroy(&d->lock);
	free(d->location);
	free(d->password_file);
	free(d);
}

static void *run(void *userdata)
{
	struct pg_dial *d = userdata;
	PGconn *c = pg_connect(&d->setup, d->error);
	bool abandoned;

	pthread_mutex_lock(&d->lock);
	d->conn = c;
	d->ended = true;
	abandoned = d->abandoned;
	if (!abandoned && eventfd_write(d->fd, 1) < 0) /* can't be: the counter is at 0 */
		abort();
	pthread_mutex_unlock(&d->lock);
	if (abandoned)
		dial_free(d);
	return NULL;
}

static int start_thread(struct pg_dial *d)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r = pthread_attr_init(&attributes);

	if (r == 0)
		r = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (r == 0)
		r = pthread_create(&thread, &attributes, run, d);
	pthread_attr_destroy(&attributes);
	return -r;
}

int pg_dial_start(const struct pg_setup *setup, struct pg_dial **ret)
{
	struct pg_dial *d = calloc(1, sizeof(*d));
	const char *file = setup->place.password_file;
	int r;

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->location = strdup(setup->place.location);
	d->password_file = file ? strdup(file) : NULL;
	d->setup = *setup;
	d->setup.place.location = d->location;
	d->setup.place.password_file = d->password_file;
	r = d->fd < 0 ? -errno : !d->location || (file && !d->password_file) ? -ENOMEM : 0;
	if (r == 0)
		r = start_thread(d);
	if (r < 0) {
		dial_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

int pg_dial_fd(const struct pg_dial *d)
{
	return d->fd;
}

PGconn *pg_dial_end(struct pg_dial *d, char ret_error[static PG_ERROR_SIZE])
{
	PGconn *c = NULL;
	bool ended;

	pthread_mutex_lock(&d->lock);
	ended = d->ended;
	d->abandoned = true;
	pthread_mutex_unlock(&d->lock);
	*ret_error = '\0';
	if (ended) {
		c = give(d->conn);
		memcpy(ret_error, d->error, PG_ERROR_SIZE);
		dial_free(d);
	}
	return c;
}
