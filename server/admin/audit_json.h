/* SPDX-License-Identifier: MIT */
/* An entry of the audit log as the API tells it. */
#ifndef MUSTER_AUDIT_JSON_H
#define MUSTER_AUDIT_JSON_H

#include <jansson.h>

#include "../store/store.h"

/* {seq, time, actor, act, object, detail, hash}; NULL: no memory. */
json_t *audit_json(const struct audit_record *a);

#endif
