/* SPDX-License-Identifier: MIT */
#include "rollouts.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "lib/text.h"
#include "value.h"

static bool is_offered(const struct server *s, const struct rollout_record *r)
{
	return s->release.manifest_text &&
	       memcmp(s->release.digest, r->release, sizeof(r->release)) == 0;
}

static json_t *counts_object(const struct rollout_record *r)
{
	return json_pack("{s:I, s:I, s:I}", update_state_name(UPDATE_SENT),
		(json_int_t)r->under_way, update_state_name(UPDATE_DONE), (json_int_t)r->done,
		update_state_name(UPDATE_REFUSED), (json_int_t)r->failed);
}

json_t *rollout_object(const struct server *s, const struct rollout_record *r)
{
	return json_pack("{s:I, s:o, s:s, s:s, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:b, s:o}", "id",
		(json_int_t)r->id, "release", value_hex(r->release, sizeof(r->release)), "version",
		r->version, "selector", r->selector, "at_once", (json_int_t)r->at_once, "failures",
		(json_int_t)r->failures, "state", rollout_state_name(r->state), "reason",
		value_said_or_null(r->reason), "started", value_time(r->started), "changed",
		value_time(r->changed), "actor", value_said(r->actor), "offered", is_offered(s, r),
		"counts", counts_object(r));
}

json_t *update_object(const struct update_record *u)
{
	bool refused = u->state == UPDATE_REFUSED;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", update_state_name(u->state),
		"sent", value_time(u->sent), "answered", value_time(u->answered), "code",
		refused ? json_integer(u->code) : json_null(), "reason",
		refused ? json_string(nack_name(u->code)) : json_null(), "text",
		value_said_or_null(u->text));
}

void rollout_refuse(struct api_call *c, int error)
{
	if (error == -ENOENT && strcmp(c->id, "current") == 0)
		answer_refuse(c, 404, "not-found", "there is no roll-out yet");
	else
		answer_store_error(c, error, "roll-out");
}

bool rollout_read_id(struct api_call *c, uint64_t *ret)
{
	*ret = 0;
	if (strcmp(c->id, "current") == 0 || text_number(c->id, 1, INT64_MAX, ret) == 0)
		return true;
	answer_store_error(c, -ENOENT, "roll-out");
	return false;
}

bool rollout_find(struct api_call *c, struct rollout_record *ret)
{
	uint64_t id;
	int r;

	if (!rollout_read_id(c, &id))
		return false;
	r = store_rollout_get(c->server->store, id, ret);
	if (r < 0)
		rollout_refuse(c, r);
	return r == 0;
}
