/* SPDX-License-Identifier: MIT */
/*
 * Making a connection to PostgreSQL, ready for the driver (postgresql.c): time-outs set, the schema
 * "muster" there and the only one in the search path, notifications listened to.
 *
 * A dial does that in a thread of its own, since looking up a name, TLS and logging in may each
 * take long, and the loop waits for nobody. It ends when the database can be written to, not before.
 */
#ifndef MUSTER_PGDIAL_H
#define MUSTER_PGDIAL_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "db.h"

#define PG_CHANNEL    "muster"          /* of LISTEN and NOTIFY */
#define PG_LOCK       "120351215609202" /* "muster": the advisory lock of whoever writes */
#define PG_ERROR_SIZE 512

struct pg_setup {
	struct db_place place; /* its texts live as long as this */
	uint32_t statement_ms; /* statement_timeout */
};

/* NULL: ret_error says why, in words that may be logged: no password is in them. */
PGconn *pg_connect(const struct pg_setup *setup, char ret_error[static PG_ERROR_SIZE]) must_use;

/* Nobody answers there, or the database is only just starting: it may be a matter of time. */
bool pg_absent(const struct pg_setup *setup);

struct pg_dial;

int pg_dial_start(const struct pg_setup *setup, struct pg_dial **ret) must_use; /* copies setup */
int pg_dial_fd(const struct pg_dial *d); /* readable once it has ended */
/* Ends it; of one that is still under way nobody hears any more. NULL: it failed. */
PGconn *pg_dial_end(struct pg_dial *d, char ret_error[static PG_ERROR_SIZE]) must_use;

#endif
