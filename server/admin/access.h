/* SPDX-License-Identifier: MIT */
/*
 * Who asks over HTTP: what a request shows, checked. In this order, and the first that is there
 * decides, whether it is good or not:
 *
 *   Authorization: Bearer mst_...   an API token
 *   the header of TrustedHeader=    an administrator's name, from a listed proxy only
 *   a cookie                        a session's secret, 64 hex digits: "__Host-muster" over HTTPS,
 *                                   else "muster"
 *
 * A browser sends the latter two by itself, whoever made it ask: they don't count for a change
 * without the token of the session in X-Muster-Csrf and the right Origin.
 */
#ifndef MUSTER_ACCESS_H
#define MUSTER_ACCESS_H

#include "api.h"
#include "hasher.h"
#include "logins.h"
#include "proxy.h"

/* What logging in needs; server.h's access. */
struct access {
	struct hasher *hasher;
	struct logins *logins;
};

int access_start(struct server *s) must_use;
void access_stop(struct server *s); /* when no call is under way any more */

struct session_limits access_limits(const struct server *s);

/* Nothing, or what is not good any more: CALLER_NOBODY. Negative: the store failed. */
int access_find(struct server *s, const struct http_request *q, const struct approach *a,
	struct caller *ret) must_use;

/* Of a request that takes long: is who asked still who it was, with that role? If the store doesn't
 * answer: as before. */
bool access_stands(struct server *s, const struct caller *who);

/* May a browser have been made to send this by somebody else's page? Then it has been refused. */
bool access_guard(struct api_call *c, const struct approach *a) must_use;

/* The line Set-Cookie for a session, or to forget it (NULL). */
#define COOKIE_LINE_SIZE 192
void access_cookie(
	const struct api_call *c, const uint8_t *secret, char ret[static COOKIE_LINE_SIZE]);
/* The token against forgery that goes with a session's secret. */
void access_csrf(const uint8_t secret[static SESSION_SECRET_SIZE], char ret[static CSRF_SIZE]);

#endif
