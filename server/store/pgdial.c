/* SPDX-License-Identifier: MIT */
#include "pgdial.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "pgready.h"

#define PASSWORD_LIMIT 1024

/* ---- the parameters */

static int fail(char error[static PG_ERROR_SIZE], const char *what, const char *detail)
{
	pgtalk_say(error, what, detail);
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

/* ---- several hosts */

/* "b,c,a" of "a,b,c" for n = 1. NULL: no memory. */
static char *rotate(const char *list, size_t n)
{
	const char *at = list, *comma = NULL;
	char *ret = NULL;

	while (n > 0 && (comma = strchr(at, ',')) != NULL) {
		at = comma + 1;
		n--;
	}
	if (n > 0 || at == list) /* one for all hosts, or nothing to do */
		return strdup(list);
	return asprintf(&ret, "%s,%.*s", at, (int)(at - 1 - list), list) < 0 ? NULL : ret;
}

static size_t parts(const char *list)
{
	size_t n = 1;

	while ((list = strchr(list, ',')) != NULL) {
		list++;
		n++;
	}
	return n;
}

static const char *const host_words[] = { "host", "hostaddr", "port" };
#define PORT_WORD 2

struct hosts {
	char *lists[COUNT(host_words)]; /* NULL: the location says nothing of it */
};

static void hosts_end(struct hosts *h)
{
	for (size_t i = 0; i < COUNT(host_words); i++)
		free(h->lists[i]);
}

/* How many there are; ret: the nth first. */
static size_t hosts_from(const char *location, size_t n, struct hosts *ret)
{
	PQconninfoOption *options = PQconninfoParse(location, NULL);
	size_t count = 1;

	*ret = (struct hosts){};
	for (size_t i = 0; i < COUNT(host_words); i++) {
		const PQconninfoOption *o = options;

		while (o && o->keyword && strcmp(o->keyword, host_words[i]) != 0)
			o++;
		if (!o || !o->keyword || !o->val)
			continue;
		ret->lists[i] = rotate(o->val, n);
		if (i != PORT_WORD && parts(o->val) > count)
			count = parts(o->val);
	}
	PQconninfoFree(options);
	return count;
}

/* ---- connecting */

#define WORDS 16

/* What stands before dbname can be said otherwise in the location, what stands after it can't. */
static void fill(const char *location, const char *password, const struct hosts *hosts,
	const char *attributes, const char *ret_keys[static WORDS],
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
		{ "password", password },
		{ host_words[0], hosts ? hosts->lists[0] : NULL },
		{ host_words[1], hosts ? hosts->lists[1] : NULL },
		{ host_words[2], hosts ? hosts->lists[2] : NULL },
		{ "target_session_attrs", attributes },
	};
	size_t n = 0;

	_Static_assert(COUNT(words) < WORDS, "no room for the words");
	for (size_t i = 0; i < COUNT(words); i++) {
		if (words[i][1] == NULL)
			continue;
		ret_keys[n] = words[i][0];
		ret_values[n++] = words[i][1];
	}
	ret_keys[n] = NULL;
	ret_values[n] = NULL;
}

/* Notices go nowhere: libpq would print them. */
static void quiet(void *userdata, const PGresult *result)
{
	(void)userdata;
	(void)result;
}

/* attributes: NULL, or in the place of what the location says. */
static PGconn *dial(const struct pg_setup *setup, const struct hosts *hosts, const char *attributes,
	char error[static PG_ERROR_SIZE])
{
	scoped(secret_freep) char *password = NULL;
	const char *keys[WORDS], *values[WORDS];
	PGconn *c;

	if (setup->place.password_file &&
		read_password(setup->place.password_file, &password, error) < 0)
		return NULL;
	fill(setup->place.location, password, hosts, attributes, keys, values);
	c = PQconnectdbParams(keys, values, 1);
	PQsetNoticeReceiver(c, quiet, NULL);
	if (PQstatus(c) == CONNECTION_OK && PQsetnonblocking(c, 1) == 0)
		return c;
	(void)fail(error, "cannot connect", c ? PQerrorMessage(c) : "no memory");
	PQfinish(c);
	return NULL;
}

/* *ret_count: how many hosts there are. -ESTALE: the one that was found is not to be used again. */
static int connect_from(struct pg_setup *setup, size_t nth, PGconn **ret, size_t *ret_count,
	char error[static PG_ERROR_SIZE])
{
	struct hosts hosts;
	PGconn *c;
	int r;

	*ret_count = hosts_from(setup->place.location, nth, &hosts);
	c = dial(setup, &hosts, NULL, error);
	hosts_end(&hosts);
	if (!c)
		return -ENOTCONN;
	r = pg_ready(c, setup, &setup->seen, error);
	if (r < 0)
		PQfinish(c);
	else
		*ret = c;
	return r;
}

PGconn *pg_connect(struct pg_setup *setup, char ret_error[static PG_ERROR_SIZE])
{
	char error
		[PG_ERROR_SIZE]; /* of the others: what is wrong with the first is worth telling */
	PGconn *c = NULL;
	size_t count;
	int r = connect_from(setup, 0, &c, &count, ret_error);

	for (size_t i = 1; r == -ESTALE && !c && i < count; i++)
		(void)!connect_from(setup, i, &c, &count, error);
	return c;
}

/* All that can be had there are standbys. */
static bool only_standbys(const struct pg_setup *setup)
{
	char error[PG_ERROR_SIZE];
	PGconn *c = dial(setup, NULL, "any", error);
	PGresult *result;
	bool yes;

	if (!c)
		return false;
	(void)PQsetnonblocking(c, 0);
	result = PQexec(c, "SELECT pg_is_in_recovery()");
	yes = PQntuples(result) == 1 && *PQgetvalue(result, 0, 0) == 't';
	PQclear(result);
	PQfinish(c);
	return yes;
}

bool pg_absent(const struct pg_setup *setup)
{
	const char *keys[WORDS], *values[WORDS];
	PGPing ping;

	fill(setup->place.location, NULL, NULL, NULL, keys, values);
	ping = PQpingParams(keys, values, 1);
	return ping == PQPING_REJECT || ping == PQPING_NO_RESPONSE ||
	       (ping == PQPING_OK && only_standbys(setup));
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

PGconn *pg_dial_end(struct pg_dial *d, struct pg_seen *seen, char ret_error[static PG_ERROR_SIZE])
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
		*seen = d->setup.seen;
		memcpy(ret_error, d->error, PG_ERROR_SIZE);
		dial_free(d);
	}
	return c;
}
