/* SPDX-License-Identifier: MIT */
/* One exchange over a connection to PostgreSQL that doesn't block, with an end to it. */
#ifndef MUSTER_PGTALK_H
#define MUSTER_PGTALK_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base.h"

/* What a database gets on top of its own limit for a statement, to say that it has been reached. */
#define PGTALK_SLACK_MS 500u

uint64_t pgtalk_now(void); /* CLOCK_MONOTONIC, microseconds */

/* Both: -ETIMEDOUT until has come; -ECONNABORTED: PQerrorMessage() tells. */
int pgtalk_push(PGconn *c, uint64_t until) must_use; /* all that libpq holds back */
/* *ret: the next result, the caller's to clear; NULL: there was the last one. */
int pgtalk_pull(PGconn *c, uint64_t until, PGresult **ret) must_use;

bool pgtalk_good(const PGresult *result); /* no error */

/* A text for people on one line, as libpq's own often aren't. */
#define PG_ERROR_SIZE 512
void pgtalk_say(char ret[static PG_ERROR_SIZE], const char *what, const char *detail);

#endif
