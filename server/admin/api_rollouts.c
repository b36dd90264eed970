/* SPDX-License-Identifier: MIT */
/* Roll-outs of the release that the server offers: starting, halting, ending and listing them. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "../log.h"
#include "../updates.h"
#include "answer.h"
#include "page.h"
#include "read.h"
#include "rollouts.h"
#include "target.h"
#include "value.h"

#define AT_ONCE 10 /* if nobody says anything else */

/* ---- acts */

/* In the log, to whoever watches, and to the processes whose machines may be meant. */
static void tell(struct api_call *c, const struct rollout_record *r)
{
	char id[24], message[SELECTOR_SIZE + NOTE_SIZE + 256];

	snprintf(id, sizeof(id), "%" PRIu64, r->id);
	snprintf(message, sizeof(message), "roll-out %s of version %s for %s is %s, by %s%s%s", id,
		r->version, r->selector, rollout_state_name(r->state), c->actor,
		*r->reason ? ": " : "", r->reason);
	log_fields(LOG_NOTICE, message, "MUSTER_ROLLOUT", id, "MUSTER_STATE",
		rollout_state_name(r->state), "MUSTER_ACTOR", c->actor, NULL);
	changes_tell(c->server, CHANGE_ROLLOUTS, id);
	updates_changed(c->server);
}

void api_rollout_start(struct api_call *c)
{
	static const char *const fields[] = { "selector", "client", "at_once", "failures", NULL };
	const struct release *offered = &c->server->release;
	uint64_t at_once = AT_ONCE, failures = 0;
	char selector[SELECTOR_SIZE];
	struct rollout_record made;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_target(c, true, selector) ||
		!read_integer(c, "at_once", 1, ROLLOUT_AT_ONCE_MAX, &at_once) ||
		!read_integer(c, "failures", 0, ROLLOUT_FAILURES_MAX, &failures))
		return;
	if (!offered->manifest_text) {
		answer_refuse(c, 409, "no-release",
			"this server offers no release, so there is nothing to roll out; its log "
			"tells why");
		return;
	}
	if (!answer_may_write(c))
		return;
	r = store_rollout_start(c->server->store,
		&(struct rollout_spec){ .release = offered->digest,
			.version = offered->manifest.version,
			.selector = selector,
			.at_once = (uint32_t)at_once,
			.failures = (uint32_t)failures,
			.actor = c->actor },
		&made);
	if (r < 0) {
		answer_store_error(c, r == -ENOENT ? -EIO : r, "roll-out");
		return;
	}
	tell(c, &made);
	answer_json(c, 201, rollout_object(c->server, &made));
}

static void change(struct api_call *c, enum rollout_act act, const struct rollout_order *order)
{
	struct rollout_record now;
	uint64_t id;
	int r;

	if (!rollout_read_id(c, &id) || !answer_may_write(c))
		return;
	r = store_rollout_change(c->server->store, id, act, order, &now);
	if (r == -EPERM) {
		answer_refuse(c, 409, "wrong-state",
			"roll-out %" PRIu64 " has ended; start another one", now.id);
		return;
	}
	if (r < 0) {
		rollout_refuse(c, r);
		return;
	}
	if (r > 0)
		tell(c, &now);
	answer_json(c, 200, rollout_object(c->server, &now));
}

static void change_for(struct api_call *c, enum rollout_act act)
{
	static const char *const fields[] = { "reason", NULL };
	struct rollout_order order = { .actor = c->actor };

	if (read_query(c, NULL, 0) && read_fields(c, fields) &&
		read_string(c, "reason", NOTE_SIZE, &order.reason))
		change(c, act, &order);
}

void api_rollout_halt(struct api_call *c)
{
	change_for(c, ROLLOUT_HALT);
}

void api_rollout_end(struct api_call *c)
{
	change_for(c, ROLLOUT_END);
}

void api_rollout_resume(struct api_call *c)
{
	static const char *const fields[] = { "reason", "failures", NULL };
	struct rollout_order order = { .actor = c->actor };
	uint64_t failures = UINT64_MAX;
	uint32_t given;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_string(c, "reason", NOTE_SIZE, &order.reason) ||
		!read_integer(c, "failures", 0, ROLLOUT_FAILURES_MAX, &failures))
		return;
	given = (uint32_t)failures;
	order.failures = failures <= ROLLOUT_FAILURES_MAX ? &given : NULL;
	change(c, ROLLOUT_RESUME, &order);
}

/* ---- listing */

struct listed {
	struct api_call *call;
	struct listing l;
};

static int list_one(void *userdata, const struct rollout_record *r)
{
	struct listed *all = userdata;

	return listing_add(&all->l, rollout_object(all->call->server, r), "%" PRIu64, r->id);
}

void api_rollout_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct listed all = { .call = c };
	uint64_t before;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[0], 1, INT64_MAX, 0, &before) ||
		!listing_begin(c, &params[1], &all.l))
		return;
	r = store_rollout_each(c->server->store, before, listing_rows(&all.l), list_one, &all);
	listing_answer(c, &all.l, r, "rollouts", "roll-out");
}
