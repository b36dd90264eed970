/* SPDX-License-Identifier: MIT */
/*
 * The loop's side of the store's connection to its database (store_tend()). While the database
 * can't be reached nothing that needs it is tried: machines that are connected stay so and are told
 * to say it again, new ones and administrators are told to come back; the log, systemd's status,
 * event streams (changes.h) and the audit (afterwards) tell of it. With SQLite it can always be reached.
 */
#ifndef MUSTER_DBLINK_H
#define MUSTER_DBLINK_H

#include <stdbool.h>

#include "store/db.h"

struct server;

#define DBLINK_RETRY 15 /* seconds after which a machine may ask again */

int dblink_start(struct server *s) must_use; /* failures are logged */
void dblink_stop(struct server *s);

bool dblink_up(const struct server *s);

/* Seconds since the database was reached last; 0: it is. */
uint64_t dblink_down_for(const struct server *s);

/* Why it can't be, for people; "": it can, or nothing is known yet. */
const char *dblink_why(const struct server *s);

/* heard is given what other servers tell by store_notify(), and NULL when some of it may have been
 * missed. One listener at most. */
void dblink_listen(struct server *s, db_listener heard, void *userdata);

/* changed is called when dblink_up() has changed. */
void dblink_watch(struct server *s, void (*changed)(void *userdata), void *userdata);

#endif
