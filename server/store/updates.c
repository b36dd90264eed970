/* SPDX-License-Identifier: MIT */
#include "updates.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

#define UPDATE_COLUMNS "client, rollout, release, number, state, sent, answered, code, text"

static const struct sql of_client = { "SELECT " UPDATE_COLUMNS
				      " FROM client_update WHERE client = $1" };
static const struct sql put = { "INSERT INTO client_update (" UPDATE_COLUMNS
				") VALUES ($1, $2, $3, $4, 0, $5, 0, 0, '')"
				" ON CONFLICT (client) DO UPDATE SET rollout = excluded.rollout,"
				" release = excluded.release, number = excluded.number, state = 0,"
				" sent = excluded.sent, answered = 0, code = 0, text = ''" };
static const struct sql settle = {
	"UPDATE client_update SET state = $4, answered = $5, code = $6, text = $7"
	" WHERE client = $1 AND number = $2 AND state = $3"
};
static const struct sql forget = { "DELETE FROM client_update WHERE client = $1" };
static const struct sql overdue = {
	"SELECT client FROM client_update WHERE state = 0 AND sent < $1 AND (sent < $2 OR EXISTS"
	" (SELECT 1 FROM client c WHERE c.id = client_update.client AND c.last_hello < $1))"
	" ORDER BY sent LIMIT 50"
};
static const struct sql each_any = { "SELECT " UPDATE_COLUMNS " FROM client_update"
				     " WHERE rollout = $1 AND client > $2"
				     " ORDER BY client LIMIT $3" };
static const struct sql each_of = { "SELECT " UPDATE_COLUMNS " FROM client_update"
				    " WHERE rollout = $1 AND client > $2 AND state = $4"
				    " ORDER BY client LIMIT $3" };
static const struct sql each_settled = { "SELECT " UPDATE_COLUMNS " FROM client_update"
					 " WHERE release = $4 AND client > $2"
					 " AND (rollout = $1 OR state = 1)"
					 " ORDER BY client LIMIT $3" };

const char *update_state_name(enum update_state state)
{
	static const char *const names[] = {
		[UPDATE_SENT] = "under-way",
		[UPDATE_DONE] = "done",
		[UPDATE_REFUSED] = "failed",
		[UPDATE_LOST] = "lost",
	};

	return names[state];
}

/* ---- reading */

static int update(struct rows *rows, struct update_record *ret)
{
	uint64_t state = rows_integer(rows, 4);
	bool whole;

	*ret = (struct update_record){
		.rollout = rows_integer(rows, 1),
		.number = rows_integer(rows, 3),
		.state = state <= UPDATE_LOST ? (enum update_state)state : UPDATE_LOST,
		.sent = rows_integer(rows, 5),
		.answered = rows_integer(rows, 6),
		.code = (uint16_t)rows_integer(rows, 7),
	};
	whole = rows_bytes(rows, 0, ret->client, sizeof(ret->client));
	whole = rows_bytes(rows, 2, ret->release, sizeof(ret->release)) && whole;
	rows_text(rows, 8, ret->text, sizeof(ret->text));
	return whole ? 0 : -EIO;
}

int store_update_get(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], struct update_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &of_client, VALUES(value_bytes(client, CLIENT_ID_SIZE)), &rows);

	return r < 0 ? r : update(rows, ret);
}

static int each(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	update_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct update_record u;
	int r = db_rows(s->db, sql, values, n, &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = update(rows, &u);
		if (r == 0)
			r = visit(userdata, &u);
	}
	return r;
}

static struct value above(const uint8_t *after)
{
	return value_bytes(after ? (const void *)after : "", after ? CLIENT_ID_SIZE : 0);
}

int store_update_each(struct store *s, uint64_t id, int state, const uint8_t *after, uint32_t limit,
	update_visitor visit, void *userdata)
{
	const struct value values[] = { value_integer(id), above(after), value_integer(limit),
		value_integer(state < 0 ? 0 : (uint64_t)state) };

	return each(
		s, state < 0 ? &each_any : &each_of, values, state < 0 ? 3 : 4, visit, userdata);
}

int store_update_settled(struct store *s, const struct rollout_record *of, const uint8_t *after,
	uint32_t limit, update_visitor visit, void *userdata)
{
	return each(s, &each_settled,
		VALUES(value_integer(of->id), above(after), value_integer(limit),
			value_bytes(of->release, sizeof(of->release))),
		visit, userdata);
}

/* ---- places */

/* What a machine in each state counts as. */
static const struct rollout_share shares[] = {
	[UPDATE_SENT] = { .under_way = 1 },
	[UPDATE_DONE] = { .done = 1 },
	[UPDATE_REFUSED] = { .failed = 1 },
	[UPDATE_LOST] = { .failed = 1 },
};

/* Its place is free; it counts as nothing any more. */
static int leave(struct store *s, const struct update_record *u)
{
	static const struct rollout_share nothing;

	return rollout_recount(s, u->rollout, &shares[UPDATE_SENT], &nothing);
}

int update_withdraw(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], bool all)
{
	struct update_record u;
	int r = store_update_get(s, client, &u);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (u.state == UPDATE_SENT)
		r = leave(s, &u);
	else if (!all)
		return 0;
	return r < 0 ? r
		     : db_run(s->db, &forget, VALUES(value_bytes(client, CLIENT_ID_SIZE)), NULL);
}

/* ---- asking */

/* Of one that was lost in this roll-out the number stays: the machine knows what it has done of it.
 */
static int take(struct store *s, const struct client_record *c, const struct rollout_record *now,
	const struct update_record *was, struct update_record *ret)
{
	bool again = was->rollout == now->id;
	uint64_t number = was->number, changed = 0;
	int r = rollout_enter(s, now->id, again);

	if (r <= 0)
		return r < 0 ? r : UPDATE_WAITS;
	r = 0;
	if (!again && was->rollout > 0 && was->state == UPDATE_SENT)
		r = leave(s, was);
	if (r == 0 && !again)
		r = number_draw(s, &number);
	if (r == 0)
		r = db_run(s->db, &put,
			VALUES(value_bytes(c->id, CLIENT_ID_SIZE), value_integer(now->id),
				value_bytes(now->release, sizeof(now->release)),
				value_integer(number), value_integer(store_now(s))),
			&changed);
	if (r == 0)
		r = changed == 1 ? store_update_get(s, c->id, ret) : -EIO;
	return r < 0 ? r : UPDATE_TAKEN;
}

/* Has the roll-out nothing for it, now and later? */
static bool is_settled(const struct client_record *c, const struct rollout_record *now,
	const struct update_record *was)
{
	bool answered = was->state == UPDATE_DONE || was->state == UPDATE_REFUSED;
	bool same = memcmp(was->release, now->release, sizeof(now->release)) == 0;

	return (was->rollout == now->id && answered) ||
	       (was->rollout > 0 && was->state == UPDATE_DONE && same) ||
	       !config_selector_matches(now->selector, c);
}

/* What there is for it; *ret_now is the newest roll-out if it may have to wait for that. */
static int judge(struct store *s, const struct client_record *client, const uint8_t *offered,
	struct rollout_record *ret_now, struct update_record *ret_was)
{
	int r = client->state == CLIENT_ENROLLED ? store_update_get(s, client->id, ret_was) : 0;

	if (r < 0 && r != -ENOENT)
		return r;
	if (client->state != CLIENT_ENROLLED)
		return UPDATE_NOTHING;
	if (r == -ENOENT)
		*ret_was = (struct update_record){};
	else if (ret_was->state == UPDATE_SENT &&
		 memcmp(ret_was->release, offered, RELEASE_DIGEST_SIZE) == 0)
		return UPDATE_TAKEN;
	r = store_rollout_get(s, 0, ret_now);
	if (r < 0)
		return r == -ENOENT ? UPDATE_NOTHING : r;
	if (ret_now->state == ROLLOUT_ENDED || is_settled(client, ret_now, ret_was))
		return UPDATE_NOTHING;
	return UPDATE_WAITS;
}

int store_update_look(struct store *s, const struct client_record *client,
	const uint8_t offered[static RELEASE_DIGEST_SIZE])
{
	struct rollout_record now;
	struct update_record was;

	return judge(s, client, offered, &now, &was);
}

int store_update_take(struct store *s, const struct client_record *client,
	const uint8_t offered[static RELEASE_DIGEST_SIZE], struct update_record *ret)
{
	struct rollout_record now;
	struct update_record was;
	int r = judge(s, client, offered, &now, &was);

	if (r == UPDATE_TAKEN)
		*ret = was;
	if (r != UPDATE_WAITS || now.state != ROLLOUT_RUNNING ||
		memcmp(now.release, offered, RELEASE_DIGEST_SIZE) != 0)
		return r;
	return take(s, client, &now, &was, ret);
}

/* ---- what comes of it */

/* The failure of this machine may have been one too many. Its name is what it says: no other's id is
 * to be read from it. */
static int failed(struct store *s, const struct update_record *u, const char *why)
{
	struct client_record c;
	char id[CLIENT_ID_TEXT_SIZE], text[sizeof(c.facts.hostname) + sizeof(u->text) + 128];
	const char *name;
	int r = store_client_by_id(s, u->client, &c);

	if (r < 0 && r != -ENOENT)
		return r;
	sodium_bin2hex(id, sizeof(id), u->client, sizeof(u->client));
	name = r == 0 ? c.facts.hostname : "";
	snprintf(text, sizeof(text), "%.*s (%s): %s", (int)strcspn(name, "("), name, id, why);
	return rollout_failed(s, u->rollout, text);
}

/* From what it was; *u is what it is to be, why: of a failure. */
static int conclude(
	struct store *s, struct update_record *u, enum update_state from, const char *why)
{
	uint64_t changed = 0;
	int r;

	u->answered = store_now(s);
	r = db_run(s->db, &settle,
		VALUES(value_bytes(u->client, sizeof(u->client)), value_integer(u->number),
			value_integer(from), value_integer(u->state), value_integer(u->answered),
			value_integer(u->code), value_text(u->text)),
		&changed);
	if (r == 0 && changed != 1)
		r = -EIO;
	if (r == 0)
		r = rollout_recount(s, u->rollout, &shares[from], &shares[u->state]);
	return r < 0 || u->state == UPDATE_DONE ? r : failed(s, u, why);
}

static int audit_update(struct store *s, const struct update_record *u, const char *act,
	bool by_server, const char *why)
{
	char id[CLIENT_ID_TEXT_SIZE], actor[ACTOR_SIZE], detail[720];

	sodium_bin2hex(id, sizeof(id), u->client, sizeof(u->client));
	snprintf(actor, sizeof(actor), by_server ? "server" : "client:%s", id);
	snprintf(detail, sizeof(detail), "rollout=%llu number=%llu%s%s",
		(unsigned long long)u->rollout, (unsigned long long)u->number,
		*why ? " reason=" : "", why);
	return store_audit(s, actor, act, id, detail);
}

int store_update_answer(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t number, uint16_t code, const char *text)
{
	struct update_record u;
	enum update_state from;
	char why[sizeof(u.text) + 64] = "";
	int r = store_update_get(s, client, &u);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	from = u.state;
	if (u.number != number || (from != UPDATE_SENT && from != UPDATE_LOST))
		return 0;
	u.state = code ? UPDATE_REFUSED : UPDATE_DONE;
	u.code = code;
	snprintf(u.text, sizeof(u.text), "%s", code ? text : "");
	if (code)
		snprintf(why, sizeof(why), "%s%s%s", nack_name(code), *text ? ": " : "", u.text);
	r = audit_update(s, &u, code ? "client.update-refused" : "client.update", false, why);
	if (r == 0)
		r = conclude(s, &u, from, why);
	return r < 0 ? r : 1;
}

int store_update_lost(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *why)
{
	struct update_record u;
	int r = store_update_get(s, client, &u);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (u.state != UPDATE_SENT)
		return 0;
	u.state = UPDATE_LOST;
	r = audit_update(s, &u, "client.update-lost", true, why);
	if (r == 0)
		r = conclude(s, &u, UPDATE_SENT, why);
	return r < 0 ? r : 1;
}

int store_update_overdue(struct store *s, uint64_t heard, uint64_t asked,
	uint8_t ret[UPDATE_BATCH][CLIENT_ID_SIZE], size_t *ret_count)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &overdue, VALUES(value_integer(heard), value_integer(asked)), &rows);

	*ret_count = 0;
	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		if (*ret_count == UPDATE_BATCH ||
			!rows_bytes(rows, 0, ret[*ret_count], CLIENT_ID_SIZE))
			return -EIO;
		++*ret_count;
		r = 0;
	}
	return r;
}
