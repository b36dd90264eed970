/* SPDX-License-Identifier: MIT */
/*
 * Making a connection to PostgreSQL, ready for the driver (postgresql.c): time-outs set, the schema
 * "muster" there and the only one in the search path, notifications listened to, and tried out
 * (pgready.h).
 *
 * A dial does that in a thread of its own, since looking up a name, TLS and logging in may each
 * take long, and the loop waits for nobody. It ends when the database can be written to, not before.
 *
 * Of several hosts the first that can be written to is taken. When a standby is promoted the
 * timeline of the database's history is raised; a host on a timeline below one that has been seen
 * is the primary of before, come back, and what is written there would be lost: the next one is
 * tried instead.
 */
#ifndef MUSTER_PGDIAL_H
#define MUSTER_PGDIAL_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "db.h"
#include "pgtalk.h"

#define PG_LOCK_MS 300u              /* how long a lock is waited for, with a loop */
#define PG_CHANNEL "muster"          /* of LISTEN and NOTIFY */
#define PG_LOCK    "120351215609202" /* "muster": the advisory lock of whoever writes */

/* Of all connections until now; all 0: there were none. */
struct pg_seen {
	uint64_t system; /* PostgreSQL's identifier of the cluster and its standbys */
	uint64_t timeline;
};

struct pg_setup {
	struct db_place place; /* its texts live as long as this */
	uint32_t statement_ms; /* statement_timeout */
	uint32_t lock_ms;      /* lock_timeout; 0: none but that */
	struct pg_seen seen;
};

/* It doesn't block from now on (PQsetnonblocking()); setup->seen is brought up to date. NULL:
 * ret_error says why, in words that may be logged: no password is in them. */
PGconn *pg_connect(struct pg_setup *setup, char ret_error[static PG_ERROR_SIZE]) must_use;

/* Nobody answers there, the database is only just starting, or those that answer are standbys: it
 * may be a matter of time. */
bool pg_absent(const struct pg_setup *setup);

struct pg_dial;

int pg_dial_start(const struct pg_setup *setup, struct pg_dial **ret) must_use; /* copies setup */
int pg_dial_fd(const struct pg_dial *d); /* readable once it has ended */
/* Ends it; of one that is still under way nobody hears any more. NULL: it failed. *seen is brought
 * up to date. */
PGconn *pg_dial_end(struct pg_dial *d, struct pg_seen *seen, char ret_error[static PG_ERROR_SIZE])
	must_use;

#endif
