/* SPDX-License-Identifier: MIT */
#include "rollouts.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

#define ROLLOUT_COLUMNS                                                                            \
	"id, release, version, selector, at_once, failures, state, reason, started, changed,"      \
	" actor, under_way, done, failed"

static const struct sql insert = { "INSERT INTO rollout (" ROLLOUT_COLUMNS ")"
				   " VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7, $7, $8, 0, 0, 0)" };
static const struct sql by_id = { "SELECT " ROLLOUT_COLUMNS " FROM rollout WHERE id = $1" };
static const struct sql list = { "SELECT " ROLLOUT_COLUMNS " FROM rollout WHERE id < $1"
				 " ORDER BY id DESC LIMIT $2" };
static const struct sql set_state = {
	"UPDATE rollout SET state = $3, reason = $4, changed = $5, failures = $6"
	" WHERE id = $1 AND state = $2"
};
static const struct sql halt = { "UPDATE rollout SET state = 1, reason = $2, changed = $3"
				 " WHERE id = $1 AND state = 0 AND failed > failures" };
/* A place is taken here and nowhere else. */
static const struct sql enter = {
	"UPDATE rollout SET under_way = under_way + 1, failed = failed - $2"
	" WHERE id = $1 AND state = 0 AND under_way < at_once"
};
static const struct sql move = { "UPDATE rollout SET under_way = under_way + $2,"
				 " done = done + $3, failed = failed + $4 WHERE id = $1" };
static const struct sql all_under_way = {
	"SELECT COALESCE(sum(under_way), 0) FROM rollout WHERE under_way > 0"
};

const char *rollout_state_name(enum rollout_state state)
{
	static const char *const names[] = {
		[ROLLOUT_RUNNING] = "running",
		[ROLLOUT_HALTED] = "halted",
		[ROLLOUT_ENDED] = "ended",
	};

	return names[state];
}

/* ---- reading */

static int rollout(struct rows *rows, struct rollout_record *ret)
{
	uint64_t state = rows_integer(rows, 6);
	bool whole;

	*ret = (struct rollout_record){
		.id = rows_integer(rows, 0),
		.at_once = (uint32_t)rows_integer(rows, 4),
		.failures = (uint32_t)rows_integer(rows, 5),
		.state = state <= ROLLOUT_ENDED ? (enum rollout_state)state : ROLLOUT_ENDED,
		.started = rows_integer(rows, 8),
		.changed = rows_integer(rows, 9),
		.under_way = rows_integer(rows, 11),
		.done = rows_integer(rows, 12),
		.failed = rows_integer(rows, 13),
	};
	whole = rows_bytes(rows, 1, ret->release, sizeof(ret->release));
	whole = rows_text(rows, 2, ret->version, sizeof(ret->version)) && whole;
	whole = rows_text(rows, 3, ret->selector, sizeof(ret->selector)) && whole;
	rows_text(rows, 7, ret->reason, sizeof(ret->reason));
	rows_text(rows, 10, ret->actor, sizeof(ret->actor));
	return whole ? 0 : -EIO;
}

static int one(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	struct rollout_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, n, &rows);

	return r < 0 ? r : rollout(rows, ret);
}

int store_rollout_get(struct store *s, uint64_t id, struct rollout_record *ret)
{
	if (id == 0)
		return one(s, &list, VALUES(value_integer(UINT64_MAX), value_integer(1)), ret);
	return one(s, &by_id, VALUES(value_integer(id)), ret);
}

int store_rollout_each(
	struct store *s, uint64_t before, uint32_t limit, rollout_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct rollout_record record;
	int r = db_rows(s->db, &list,
		VALUES(value_integer(before ? before : UINT64_MAX), value_integer(limit)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = rollout(rows, &record);
		if (r == 0)
			r = visit(userdata, &record);
	}
	return r;
}

int store_rollout_under_way(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &all_under_way, NULL, 0, ret);
}

/* ---- starting and changing */

static int audit_rollout(struct store *s, const char *actor, const char *act, uint64_t id,
	const char *reason, const char *more)
{
	char object[24], detail[NOTE_SIZE + 64];

	snprintf(object, sizeof(object), "%llu", (unsigned long long)id);
	snprintf(detail, sizeof(detail), "%s%s%s%s", more, *more && *reason ? " " : "",
		*reason ? "reason=" : "", reason);
	return store_audit(s, actor, act, object, detail);
}

static int audit_start(
	struct store *s, const struct rollout_spec *spec, const struct rollout_record *started)
{
	char object[24], release[2 * RELEASE_DIGEST_SIZE + 1];
	char detail[SELECTOR_SIZE + sizeof(release) + 160];

	snprintf(object, sizeof(object), "%llu", (unsigned long long)started->id);
	sodium_bin2hex(release, sizeof(release), started->release, sizeof(started->release));
	snprintf(detail, sizeof(detail), "selector=%s version=%s release=%s at_once=%u failures=%u",
		started->selector, started->version, release, started->at_once, started->failures);
	return store_audit(s, spec->actor, "rollout.start", object, detail);
}

static int write_state(struct store *s, const struct rollout_record *now, enum rollout_state from)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &set_state,
		VALUES(value_integer(now->id), value_integer(from), value_integer(now->state),
			value_text(now->reason), value_integer(now->changed),
			value_integer(now->failures)),
		&changed);

	return r < 0 ? r : changed == 1 ? 0 : -EIO;
}

static int end_former(struct store *s, const char *actor, uint64_t successor)
{
	struct rollout_record former;
	enum rollout_state from;
	int r = store_rollout_get(s, 0, &former);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (former.state == ROLLOUT_ENDED)
		return 0;
	from = former.state;
	former.state = ROLLOUT_ENDED;
	former.changed = store_now(s);
	snprintf(former.reason, sizeof(former.reason), "replaced by roll-out %llu",
		(unsigned long long)successor);
	r = write_state(s, &former, from);
	return r < 0 ? r : audit_rollout(s, actor, "rollout.end", former.id, former.reason, "");
}

static bool can_be(const struct rollout_spec *spec)
{
	return config_selector_check(spec->selector) == 0 && spec->version[0] != '\0' &&
	       strlen(spec->version) < VERSION_SIZE && spec->at_once > 0 &&
	       spec->at_once <= ROLLOUT_AT_ONCE_MAX && spec->failures <= ROLLOUT_FAILURES_MAX;
}

int store_rollout_start(
	struct store *s, const struct rollout_spec *spec, struct rollout_record *ret)
{
	uint64_t id = 0;
	int r;

	if (!can_be(spec))
		return -EINVAL;
	r = number_draw(s, &id);
	if (r == 0)
		r = end_former(s, spec->actor, id);
	if (r == 0)
		r = db_run(s->db, &insert,
			VALUES(value_integer(id), value_bytes(spec->release, RELEASE_DIGEST_SIZE),
				value_text(spec->version), value_text(spec->selector),
				value_integer(spec->at_once), value_integer(spec->failures),
				value_integer(store_now(s)), value_text(spec->actor)),
			NULL);
	if (r == 0)
		r = store_rollout_get(s, id, ret);
	return r < 0 ? r : audit_start(s, spec, ret);
}

static const struct {
	const char *audit;
	enum rollout_state to;
} acts[] = {
	[ROLLOUT_HALT] = { "rollout.halt", ROLLOUT_HALTED },
	[ROLLOUT_RESUME] = { "rollout.resume", ROLLOUT_RUNNING },
	[ROLLOUT_END] = { "rollout.end", ROLLOUT_ENDED },
};

static bool can_be_ordered(const struct rollout_order *order)
{
	return (!order->reason || strlen(order->reason) < NOTE_SIZE) &&
	       (!order->failures || *order->failures <= ROLLOUT_FAILURES_MAX);
}

/* One that is running may be told to go on with other failures allowed. */
static bool is_so(
	const struct rollout_record *r, enum rollout_act act, const struct rollout_order *order)
{
	bool other = act == ROLLOUT_RESUME && order->failures && *order->failures != r->failures;

	return r->state == acts[act].to && !other;
}

int store_rollout_change(struct store *s, uint64_t id, enum rollout_act act,
	const struct rollout_order *order, struct rollout_record *ret)
{
	char more[40] = "";
	enum rollout_state from;
	int r = can_be_ordered(order) ? store_rollout_get(s, id, ret) : -EINVAL;

	if (r < 0)
		return r;
	from = ret->state;
	if (is_so(ret, act, order))
		return 0;
	if (from == ROLLOUT_ENDED)
		return -EPERM;
	ret->state = acts[act].to;
	ret->changed = store_now(s);
	snprintf(ret->reason, sizeof(ret->reason), "%s", order->reason ? order->reason : "");
	if (act == ROLLOUT_RESUME && order->failures)
		ret->failures = *order->failures;
	if (act == ROLLOUT_RESUME)
		snprintf(more, sizeof(more), "failures=%u", ret->failures);
	r = write_state(s, ret, from);
	if (r == 0)
		r = audit_rollout(s, order->actor, acts[act].audit, ret->id, ret->reason, more);
	return r < 0 ? r : 1;
}

/* ---- counts */

int rollout_enter(struct store *s, uint64_t id, bool again)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &enter, VALUES(value_integer(id), value_integer(again)), &changed);

	return r < 0 ? r : changed == 1;
}

static struct value difference(int now, int before)
{
	return (struct value){ .kind = VALUE_INTEGER, .integer = now - before };
}

int rollout_recount(struct store *s, uint64_t id, const struct rollout_share *before,
	const struct rollout_share *now)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &move,
		VALUES(value_integer(id), difference(now->under_way, before->under_way),
			difference(now->done, before->done),
			difference(now->failed, before->failed)),
		&changed);

	return r < 0 ? r : changed == 1 ? 0 : -EIO;
}

/* As much of the text as there is room for, in whole characters. */
static void fit(const char *text, char ret[static NOTE_SIZE])
{
	size_t len = strnlen(text, NOTE_SIZE - 1);

	while (text[len] != '\0' && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

int rollout_failed(struct store *s, uint64_t id, const char *why)
{
	char reason[NOTE_SIZE];
	uint64_t changed = 0;
	int r;

	fit(why, reason);
	r = db_run(s->db, &halt,
		VALUES(value_integer(id), value_text(reason), value_integer(store_now(s))),
		&changed);
	if (r < 0 || changed == 0)
		return r;
	return audit_rollout(s, "server", "rollout.halt", id, reason, "");
}
