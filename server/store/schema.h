/* SPDX-License-Identifier: MIT */
/* The tables and how they came to be: a list of steps, each in one transaction. */
#ifndef MUSTER_SCHEMA_H
#define MUSTER_SCHEMA_H

#include "db.h"

/* Takes the database from whatever version it has (none: empty) to this program's. A step that
 * fails leaves the version before it. -EPROTONOSUPPORT: the database is of a later version, which
 * has been logged with both numbers; -EIO. */
int schema_migrate(struct db *db) must_use;

/* The version that this program makes. */
uint64_t schema_version(void);

#endif
