/* SPDX-License-Identifier: MIT */
/*
 * The call that a connection's request is: made, gone on with step by step, and its answer held until
 * the turn that it depends on has committed.
 */
#ifndef MUSTER_CARRIER_CALL_H
#define MUSTER_CARRIER_CALL_H

#include "carrier.h"

/* The parser has a whole request. Negative: the connection must end. */
int carrier_handle(struct carrier *c) must_use;
/* The parser takes no more of it: answers with that status; this is the last answer. Negative: the
 * connection must end. */
int carrier_refuse(struct carrier *c, int status) must_use;

/* What struct held calls. */
void carrier_release(struct held *h, bool committed);

/* The next step of the call under way (api.h) is done in so many microseconds, unless it is due
 * before. */
void carrier_hasten(struct carrier *c, uint64_t usec);

#endif
