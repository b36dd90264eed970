/* SPDX-License-Identifier: MIT */
#include "pglink.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../log.h"

#define START_MS     600000 /* without a loop: another server may be making the tables */
#define NOTICES_MAX  4096
#define RETRY_MS     200
#define RETRY_CAP_MS 5000
#define START_CAP_MS 1000
#define WAIT_MS      60000u /* for a database that is not there, before the start */
#define LASTING_MS   60000u /* a connection that ends after that has ended by chance */
#define FLAP_MS      500
#define FLAP_CAP_MS  60000
#define STUCK_MS     4000u /* a turn of somebody else's that lasts as long doesn't end by itself */
#define STUCK_GAP_MS 1000u /* nobody asked meanwhile */

struct pg_notice {
	struct pg_notice *next;
	char text[];
};

/* The loop has stood still for what didn't answer: what can't be used for long is tried less often. */
static uint64_t pause_ms(struct pglink *l)
{
	bool lasted = pgtalk_now() - l->since >= LASTING_MS * 1000, again = l->flaps.attempt > 0;

	l->flaps.attempt = lasted ? 0 : l->flaps.attempt + !again;
	return lasted || !again ? 0 : backoff_next(&l->flaps);
}

int pglink_lose(struct pglink *l, const char *why)
{
	if (!l->conn)
		return -ENOTCONN;
	pgtalk_say(l->why, "", why);
	log_at(LOG_ERR, "lost the database: %s", l->why);
	PQfinish(l->conn);
	l->conn = NULL;
	l->missed = true;
	l->due = pgtalk_now() + pause_ms(l) * 1000;
	if (l->woken)
		l->woken(l->userdata, false);
	return -ENOTCONN;
}

int pglink_busy(struct pglink *l, bool busy)
{
	uint64_t now = pgtalk_now();

	if (!busy || l->busy == 0 || now - l->busy_seen > STUCK_GAP_MS * 1000)
		l->busy = busy ? now : 0;
	l->busy_seen = now;
	if (!busy)
		return 0;
	if (l->woken && now - l->busy > STUCK_MS * 1000) {
		l->busy = 0;
		return pglink_lose(l, "another session has been writing for too long");
	}
	return -EBUSY;
}

/* ---- notices */

static struct pg_notice *forget(struct pg_notice *n)
{
	while (n) {
		struct pg_notice *next = n->next;

		free(n);
		n = next;
	}
	return NULL;
}

static void keep(struct pglink *l, const char *text)
{
	struct pg_notice *n = NULL;

	if (l->notice_count < NOTICES_MAX)
		n = malloc(sizeof(*n) + strlen(text) + 1);
	if (!n) {
		l->missed = true;
		return;
	}
	n->next = NULL;
	strcpy(n->text, text);
	*l->last = n;
	l->last = &n->next;
	l->notice_count++;
}

/* Out of what libpq has read already. One's own are no news. */
static bool take_notices(struct pglink *l)
{
	bool some = false;
	PGnotify *n;

	while ((n = PQnotifies(l->conn)) != NULL) {
		if (n->be_pid != PQbackendPID(l->conn)) {
			keep(l, n->extra);
			some = true;
		}
		PQfreemem(n);
	}
	return some;
}

static void tell(struct pglink *l, db_listener heard, void *userdata)
{
	struct pg_notice *list = l->notices;
	bool missed = l->missed && l->conn;

	l->notices = NULL;
	l->last = &l->notices;
	l->notice_count = 0;
	if (missed) {
		l->missed = false;
		heard(userdata, NULL);
	}
	for (const struct pg_notice *n = list; n; n = n->next)
		heard(userdata, n->text);
	forget(list);
}

/* ---- one exchange */

static int failed_to_talk(struct pglink *l, int error)
{
	char why[64];

	snprintf(why, sizeof(why), "it has not answered in time (%u ms)", l->patience);
	return pglink_lose(l, error == -ETIMEDOUT ? why : PQerrorMessage(l->conn));
}

/* These end what the connection is good for, whatever libpq thinks of it: the administrator's
 * shutdown, a time-out whose cause may last, a standby where the primary was. */
static bool hopeless(const char *state)
{
	static const char *const states[] = { "57P01", "57P02", "57P03", "57P05", "57014", "25006",
		"25P03" };

	if (strncmp(state, "08", 2) == 0)
		return true;
	for (size_t i = 0; i < COUNT(states); i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

/* Only the error's own words: its details are rows. */
static int failed(struct pglink *l, const PGresult *result, const char *what)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (PQstatus(l->conn) != CONNECTION_OK || !state)
		return pglink_lose(l, PQerrorMessage(l->conn));
	if (strcmp(state, "23505") == 0)
		return -EEXIST;
	if (strcmp(state, "55P03") == 0)
		return -EBUSY;
	if (hopeless(state))
		return pglink_lose(l, primary ? primary : state);
	return log_err(-EIO, "the database failed: %s (%s) in: %.200s", primary ? primary : "",
		state, what);
}

int pglink_finish(struct pglink *l, int sent, const char *what, PGresult **ret)
{
	uint64_t until = pgtalk_now() + (uint64_t)l->patience * 1000;
	PGresult *result = NULL, *last = NULL;
	int r = sent ? pgtalk_push(l->conn, until) : -ECONNABORTED, error = 0;

	while (r == 0 && error != -ENOTCONN && (r = pgtalk_pull(l->conn, until, &result)) == 0 &&
		result) {
		PQclear(last);
		last = result;
		if (error == 0 && !pgtalk_good(result))
			error = failed(l, result, what); /* after others there is more to take */
	}
	if (r < 0)
		error = failed_to_talk(l, r);
	if (l->conn && take_notices(l) && l->woken)
		l->woken(l->userdata, true);
	if (error == 0 && ret)
		*ret = give(last);
	PQclear(last);
	return error;
}

int pglink_execute(struct pglink *l, const char *text)
{
	if (!l->conn)
		return -ENOTCONN;
	return pglink_finish(l, PQsendQuery(l->conn, text), text, NULL);
}

/* ---- open and close */

static void adopt(struct pglink *l, PGconn *c)
{
	l->conn = c;
	l->since = pgtalk_now();
	l->busy = 0;
	l->connection++;
	l->why[0] = '\0';
	backoff_reset(&l->backoff);
}

/* SIGTERM or SIGINT, which a server has blocked until its loop runs. */
static bool told_to_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* After a power cut the database may need longer than this server to be there. */
static PGconn *connect_patiently(struct pglink *l, char error[static PG_ERROR_SIZE])
{
	uint64_t until = pgtalk_now() + WAIT_MS * 1000;
	PGconn *c = pg_connect(&l->setup, error);
	bool told = false;

	while (!c && pg_absent(&l->setup) && pgtalk_now() < until && !told_to_stop()) {
		if (!told)
			log_warning("waiting for the database: %s", error);
		told = true;
		usleep((useconds_t)backoff_next(&l->backoff) * 1000);
		c = pg_connect(&l->setup, error);
	}
	return c;
}

int pglink_open(struct pglink *l, const struct db_place *place)
{
	char error[PG_ERROR_SIZE];
	PGconn *c;

	*l = (struct pglink){
		.location = strdup(place->location),
		.password_file = place->password_file ? strdup(place->password_file) : NULL,
		.patience = START_MS + PGTALK_SLACK_MS,
		.last = &l->notices,
		.backoff = { RETRY_MS, START_CAP_MS, 0 },
		.flaps = { FLAP_MS, FLAP_CAP_MS, 0 },
	};
	if (!l->location || (place->password_file && !l->password_file))
		return -ENOMEM;
	l->setup.place = (struct db_place){ l->location, l->password_file };
	l->setup.statement_ms = START_MS;
	c = connect_patiently(l, error);
	if (!c)
		return log_err(-ENOTCONN, "cannot use the PostgreSQL database: %s", error);
	adopt(l, c);
	return 0;
}

void pglink_close(struct pglink *l)
{
	char error[PG_ERROR_SIZE];

	l->notices = forget(l->notices);
	if (l->dial)
		PQfinish(pg_dial_end(l->dial, &l->setup.seen, error));
	PQfinish(l->conn);
	free(l->location);
	free(l->password_file);
}

/* ---- with a loop */

int pglink_attend(struct pglink *l, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
	void *userdata)
{
	char text[96];

	l->woken = woken;
	l->userdata = userdata;
	if (!woken)
		return 0;
	l->setup.statement_ms = statement_ms;
	l->setup.lock_ms = PG_LOCK_MS;
	l->backoff.cap_ms = RETRY_CAP_MS;
	l->patience = statement_ms + PGTALK_SLACK_MS;
	snprintf(text, sizeof(text), "SET statement_timeout = %u; SET lock_timeout = %u",
		statement_ms, PG_LOCK_MS);
	return pglink_execute(l, text);
}

static void try_later(struct pglink *l, const char *why)
{
	if (strcmp(why, l->why) != 0)
		log_warning("the database is not back: %s; it is tried again and again", why);
	snprintf(l->why, sizeof(l->why), "%s", why);
	l->due = pgtalk_now() + backoff_next(&l->backoff) * 1000;
}

static void reconnect(struct pglink *l)
{
	char error[PG_ERROR_SIZE];
	uint64_t ended = 0;
	PGconn *c;

	if (!l->dial) {
		if (pgtalk_now() >= l->due && pg_dial_start(&l->setup, &l->dial) < 0)
			try_later(l, "no thread can be made");
		return;
	}
	if (read(pg_dial_fd(l->dial), &ended, sizeof(ended)) != sizeof(ended))
		return; /* not yet */
	c = pg_dial_end(give(l->dial), &l->setup.seen, error);
	if (!c) {
		try_later(l, error);
		return;
	}
	adopt(l, c);
	log_info("the database is back, at %s:%s", PQhost(c), PQport(c));
}

struct db_link pglink_tend(struct pglink *l, db_listener heard, void *userdata)
{
	if (l->conn && !PQconsumeInput(l->conn))
		pglink_lose(l, PQerrorMessage(l->conn));
	if (l->conn)
		(void)take_notices(l);
	else
		reconnect(l);
	tell(l, heard, userdata);
	if (l->conn)
		return (struct db_link){ true, PQsocket(l->conn), UINT64_MAX, "" };
	if (l->dial)
		return (struct db_link){ false, pg_dial_fd(l->dial), UINT64_MAX, l->why };
	return (struct db_link){ false, -1, l->due, l->why };
}
