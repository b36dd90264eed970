/* SPDX-License-Identifier: MIT */
/*
 * What the routes of roll-outs share: them and updates as JSON, and which one a path means.
 */
#ifndef MUSTER_ADMIN_ROLLOUTS_H
#define MUSTER_ADMIN_ROLLOUTS_H

#include "../store/updates.h"
#include "api.h"

/* What its own row has, and whether this server offers its release. Of "counts" those that it has
 * itself. NULL: no memory; as the next one. */
json_t *rollout_object(const struct server *s, const struct rollout_record *r);

/* What was asked of a machine, and what came of it: state, sent, answered, code, reason, text. */
json_t *update_object(const struct update_record *u);

/* The path's {id}: a number, or "current", the newest one (0). false: it can be none, and has been
 * refused. */
bool rollout_read_id(struct api_call *c, uint64_t *ret) must_use;

/* As answer_store_error(), of the path's. */
void rollout_refuse(struct api_call *c, int error);

/* The roll-out of the path. false: there is none, or the store failed; it has been refused. */
bool rollout_find(struct api_call *c, struct rollout_record *ret) must_use;

#endif
