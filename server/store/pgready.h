/* SPDX-License-Identifier: MIT */
/*
 * What a new connection to PostgreSQL begins with (pgdial.c): its settings, the schema, and a trial.
 * In the trial the connection waits for its turn to write, and writes. So a database that takes
 * connections but no work (a table is locked, whoever has the lock of those who write hangs, a
 * commit isn't confirmed by its standby, it can only be read) is found out here, where nobody
 * waits, and not in the loop. And as a commit is confirmed after all that were before it, what can
 * be read afterwards is as durable as the database makes it, also after its crash.
 */
#ifndef MUSTER_PGREADY_H
#define MUSTER_PGREADY_H

#include "pgdial.h"

/* 0; negative: ret_error says why. -ESTALE: it is older than what *seen tells of, see pgdial.h. */
int pg_ready(PGconn *c, const struct pg_setup *setup, struct pg_seen *seen,
	char ret_error[static PG_ERROR_SIZE]) must_use;

#endif
