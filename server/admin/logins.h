/* SPDX-License-Identifier: MIT */
/*
 * How often a password may be tried, and by whom. Every try counts as a wrong one until it turns out
 * to be right. A source (source.h) has a bucket, and each pair of a source and a name has one of its
 * own, which is smaller: a stranger who tries the administrator's name uses up what is the
 * stranger's, and never locks the administrator out. When more are wrong than are bearable
 * everywhere together, only sources that have been wrong lately wait (guesses.h).
 */
#ifndef MUSTER_LOGINS_H
#define MUSTER_LOGINS_H

#include "../source.h"

#define LOGINS_PER_SOURCE 20
#define LOGINS_PER_PAIR   5
#define LOGINS_REFILL_MS  30000u /* one more try, of both */
#define LOGINS_A_SECOND   5      /* wrong ones, from everywhere */
#define LOGINS_TOLD       10     /* entries in the audit log about wrong ones, a minute */

struct logins;

int logins_new(struct logins **ret) must_use;
struct logins *logins_free(struct logins *l);

/* 0: it may try, and that counts as wrong; otherwise the seconds to wait. */
uint32_t logins_try(struct logins *l, const struct source *s, const char *name, uint64_t now_ms);
void logins_right(struct logins *l, const struct source *s, const char *name, uint64_t now_ms);

/* Whether this wrong login is to be told of; then *ret_untold is how many were not since the last. */
bool logins_tell(struct logins *l, uint64_t now_ms, uint32_t *ret_untold);

#endif
