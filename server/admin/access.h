/* SPDX-License-Identifier: MIT */
/* Who asks over HTTP: what a request shows, checked. */
#ifndef MUSTER_ACCESS_H
#define MUSTER_ACCESS_H

#include "api.h"

/* What the request shows: "Authorization: Bearer mst_..." (an API token). Nothing, or what is not
 * good any more: CALLER_NOBODY. Negative: the store failed. */
int access_find(struct server *s, const struct http_request *q, struct caller *ret) must_use;

#endif
