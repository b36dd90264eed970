/* SPDX-License-Identifier: MIT */
/*
 * The connection to PostgreSQL as the driver (postgresql.c) uses it: one exchange at a time, each
 * with an end; when it is lost, and there is a loop, it is made again in the background.
 */
#ifndef MUSTER_PGLINK_H
#define MUSTER_PGLINK_H

#include "lib/backoff.h"
#include "pgdial.h"

struct pg_notice;

struct pglink {
	struct pg_setup setup;
	char *location, *password_file;
	PGconn *conn;        /* NULL: down */
	uint64_t connection; /* counts them */
	int patience;        /* milliseconds that an exchange may take */

	struct pg_notice *notices, **last;
	size_t notice_count;
	bool missed; /* some of them */

	void (*woken)(void *userdata, bool up); /* NULL: no loop */
	void *userdata;
	struct pg_dial *dial;
	struct backoff backoff;
	uint64_t due; /* of the next dial: CLOCK_MONOTONIC, microseconds */
	bool complained;
};

/* Connects, and waits for that; up to a minute for a database where nobody answers. Failures are
 * logged. l is to be closed in any case. */
int pglink_open(struct pglink *l, const struct db_place *place) must_use;
void pglink_close(struct pglink *l);

/* Takes what was sent by libpq's PQsend functions (sent: what they returned) to its end. *ret (may
 * be NULL) is the last result of it, the caller's to clear. Errors are those of db.h. A time-out,
 * and what tells that the database is of no use now, ends the connection. */
int pglink_finish(struct pglink *l, int sent, const char *what, PGresult **ret) must_use;
/* One or more statements without results. */
int pglink_execute(struct pglink *l, const char *text) must_use;
/* Ends the connection. Returns -ENOTCONN. */
int pglink_lose(struct pglink *l, const char *why);

/* As db.h says. */
int pglink_attend(struct pglink *l, void (*woken)(void *userdata, bool up), void *userdata)
	must_use;
struct db_link pglink_tend(struct pglink *l, db_listener heard, void *userdata);

#endif
