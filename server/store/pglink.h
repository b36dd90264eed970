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
	PGconn *conn;             /* NULL: down */
	uint64_t connection;      /* counts them */
	uint32_t patience;        /* milliseconds that an exchange may take */
	uint64_t since;           /* of conn; times are CLOCK_MONOTONIC, microseconds */
	uint64_t busy, busy_seen; /* somebody else writes: since then; seen last; 0: nobody does */

	struct pg_notice *notices, **last;
	size_t notice_count;
	bool missed; /* some of them */

	void (*woken)(void *userdata, bool up); /* NULL: no loop */
	void *userdata;
	struct pg_dial *dial;
	struct backoff backoff, flaps; /* of dials that fail; of connections that don't last */
	uint64_t due;                  /* of the next dial */
	char why[PG_ERROR_SIZE];       /* it is down */
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
/* Another session is writing, or (busy false) this one may. If it has been another one all the time
 * for some seconds the connection is ended: the next one waits for its turn in a thread, and is
 * told who it is. -EBUSY, -ENOTCONN; 0. */
int pglink_busy(struct pglink *l, bool busy);

/* As db.h says. */
int pglink_attend(struct pglink *l, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
	void *userdata) must_use;
struct db_link pglink_tend(struct pglink *l, db_listener heard, void *userdata);

#endif
