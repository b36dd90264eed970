/* SPDX-License-Identifier: MIT */
/*
 * Idempotency-Key on what makes something: the same request by the same caller under the same key
 * does nothing a second time and gets the same answer. One that told a secret doesn't tell it again,
 * because it isn't kept: then the answer is where what was made is to be found. Two requests that
 * differ in nothing but a password are the same.
 */
#ifndef MUSTER_REPEAT_H
#define MUSTER_REPEAT_H

#include "api.h"

/* Before anything is done. false: it has been answered, or refused. */
bool repeat_begin(struct api_call *c) must_use;

/* Once more by a handler that has let other turns pass since, within the turn in which it writes. */
bool repeat_is_first(struct api_call *c) must_use;

/* The answer to a request with a key is about to be given: kept, in the turn of what was done. false:
 * that failed, and it has been refused instead. */
bool repeat_keep(struct api_call *c, int status, json_t *object, const char *text) must_use;

#endif
