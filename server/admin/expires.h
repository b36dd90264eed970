/* SPDX-License-Identifier: MIT */
/* The field "expires": when a token of either kind does. */
#ifndef MUSTER_EXPIRES_H
#define MUSTER_EXPIRES_H

#include "api.h"

/* A duration from now, a time (RFC 3339), or never, which is 0; at most 100 years from now. Seconds
 * since 1970. fallback: if it isn't there. false: refused (read.h). */
bool read_expires(struct api_call *c, const char *fallback, uint64_t *ret) must_use;

#endif
