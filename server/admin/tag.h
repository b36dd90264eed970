/* SPDX-License-Identifier: MIT */
/*
 * ETags (RFC 9110, 8.8.3): strong, a hash of the answer's bytes. So they are right whatever an answer
 * is made of, also with several servers on one database.
 */
#ifndef MUSTER_TAG_H
#define MUSTER_TAG_H

#include "api.h"

#define TAG_SIZE 35 /* 32 hex digits between quotes, with the NUL */

void tag_of(const void *text, size_t len, char ret[static TAG_SIZE]);
/* Of what answer_json() would make of the object, which is taken over. -ENOMEM. */
int tag_of_json(json_t *object, char ret[static TAG_SIZE]) must_use;

/* What a request that changes something has in If-Match and If-None-Match, against what is there now:
 * etag NULL: nothing. false: it has been refused (412). */
bool tag_permits(struct api_call *c, const char *etag) must_use;

#endif
