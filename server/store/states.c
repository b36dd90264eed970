/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

static const struct sql set_state = {
	"UPDATE client SET state = $2, state_since = $3, state_reason = $4 WHERE id = $1"
};
static const struct sql forget = { "DELETE FROM client WHERE id = $1" };
static const struct sql forget_held = { "DELETE FROM config_held WHERE client = $1" };
static const struct sql forget_refused = { "DELETE FROM config_refused WHERE client = $1" };
static const struct sql forget_reset = { "DELETE FROM client_reset WHERE client = $1" };
static const struct sql bury = { "INSERT INTO removed (id, identity, tls_pin, since, reason)"
				 " VALUES ($1, $2, $3, $4, $5)" };
static const struct sql buried_by_id = {
	"SELECT id, identity, tls_pin, since, reason FROM removed WHERE id = $1"
};
static const struct sql buried_by_pin = {
	"SELECT id, identity, tls_pin, since, reason FROM removed WHERE tls_pin = $1"
};
static const struct sql buried_keys = {
	"SELECT count(*) FROM removed WHERE identity = $1 OR tls_pin = $2"
};

static const struct sql set_labels = { "UPDATE client SET labels = $2, find = $3,"
				       " order_number = $4 WHERE id = $1" };

#define BIT(state) (1u << (state))

/* What an act makes of a client, and of which ones. */
static const struct {
	const char *audit;
	unsigned from; /* BIT of every state in which it may be done */
	enum client_state to;
} acts[] = {
	[CLIENT_SUSPEND] = { "client.suspend", BIT(CLIENT_ENROLLED) | BIT(CLIENT_REPLACED),
		CLIENT_SUSPENDED },
	[CLIENT_RESUME] = { "client.resume", BIT(CLIENT_SUSPENDED), CLIENT_ENROLLED },
	[CLIENT_REVOKE] = { "client.revoke",
		BIT(CLIENT_ENROLLED) | BIT(CLIENT_LEFT) | BIT(CLIENT_SUSPENDED) |
			BIT(CLIENT_PENDING) | BIT(CLIENT_REPLACED),
		CLIENT_REVOKED },
	[CLIENT_REMOVE] = { "client.remove",
		BIT(CLIENT_ENROLLED) | BIT(CLIENT_LEFT) | BIT(CLIENT_SUSPENDED) |
			BIT(CLIENT_REVOKED) | BIT(CLIENT_PENDING) | BIT(CLIENT_REPLACED),
		CLIENT_REMOVED },
	[CLIENT_APPROVE] = { "client.approve", BIT(CLIENT_PENDING), CLIENT_ENROLLED },
	[CLIENT_REFUSE] = { "client.refuse", BIT(CLIENT_PENDING), CLIENT_REVOKED },
};

const char *client_act_name(enum client_act act)
{
	return acts[act].audit + strlen("client.");
}

/* ---- those that have been removed */

static int buried(struct store *s, const struct sql *sql, const struct value *values, size_t count,
	struct client_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, count, &rows);
	bool whole;

	if (r < 0)
		return r;
	*ret = (struct client_record){ .state = CLIENT_REMOVED, .since = rows_integer(rows, 3) };
	whole = rows_bytes(rows, 0, ret->id, sizeof(ret->id));
	whole = rows_bytes(rows, 1, ret->identity, sizeof(ret->identity)) && whole;
	whole = rows_bytes(rows, 2, ret->tls_pin, sizeof(ret->tls_pin)) && whole;
	rows_text(rows, 4, ret->reason, sizeof(ret->reason));
	return whole ? 0 : -EIO;
}

int removed_by_id(
	struct store *s, const uint8_t id[static CLIENT_ID_SIZE], struct client_record *ret)
{
	return buried(s, &buried_by_id, VALUES(value_bytes(id, CLIENT_ID_SIZE)), ret);
}

int removed_by_pin(
	struct store *s, const uint8_t tls_pin[static PIN_SIZE], struct client_record *ret)
{
	return buried(s, &buried_by_pin, VALUES(value_bytes(tls_pin, PIN_SIZE)), ret);
}

int removed_has_key(struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE],
	const uint8_t tls_pin[static PIN_SIZE])
{
	uint64_t n = 0;
	int r = db_number(s->db, &buried_keys,
		VALUES(value_bytes(identity, PUBLIC_KEY_SIZE), value_bytes(tls_pin, PIN_SIZE)), &n);

	return r < 0 ? r : n > 0;
}

/* ---- acts */

static int write_state(struct store *s, const struct client_record *c)
{
	return db_run(s->db, &set_state,
		VALUES(value_bytes(c->id, sizeof(c->id)), value_integer(c->state),
			value_integer(c->since), value_text(c->reason)),
		NULL);
}

/* The keys stay, so that they stay refused; receipts stay, as proofs do. */
static int remove_row(struct store *s, const struct client_record *c)
{
	static const struct sql *const all[] = { &forget, &forget_held, &forget_refused,
		&forget_reset };
	int r = db_run(s->db, &bury,
		VALUES(value_bytes(c->id, sizeof(c->id)),
			value_bytes(c->identity, sizeof(c->identity)),
			value_bytes(c->tls_pin, sizeof(c->tls_pin)), value_integer(c->since),
			value_text(c->reason)),
		NULL);

	for (size_t i = 0; r == 0 && i < COUNT(all); i++)
		r = db_run(s->db, all[i], VALUES(value_bytes(c->id, sizeof(c->id))), NULL);
	if (r == 0)
		r = update_withdraw(s, c->id, true);
	return r < 0 ? r : clone_forget(s, c->id);
}

static int write_revoked(struct store *s, const struct client_record *c)
{
	int r = write_state(s, c);

	return r < 0 ? r : update_withdraw(s, c->id, false);
}

/* Writes down what it is now. */
static int become(struct store *s, const struct client_record *c)
{
	if (c->state == CLIENT_REMOVED)
		return remove_row(s, c);
	return c->state == CLIENT_REVOKED ? write_revoked(s, c) : write_state(s, c);
}

static int audit(struct store *s, const struct client_record *c, const char *act, const char *actor)
{
	char id[CLIENT_ID_TEXT_SIZE], detail[512];

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	snprintf(detail, sizeof(detail), "hostname=%s%s%s", c->facts.hostname,
		*c->reason ? " reason=" : "", c->reason);
	return store_audit(s, actor, act, id, detail);
}

int store_client_change(struct store *s, const char *id_or_prefix, enum client_act act,
	const struct client_order *order, struct client_record *ret)
{
	int r = store_client_get(s, id_or_prefix, ret);

	if (r < 0)
		return r;
	if (ret->state == acts[act].to)
		return 0;
	if ((acts[act].from & BIT(ret->state)) == 0)
		return -EPERM;
	ret->state = acts[act].to;
	ret->since = store_now(s);
	snprintf(ret->reason, sizeof(ret->reason), "%s", order->reason ? order->reason : "");
	r = become(s, ret);
	if (r == 0)
		r = audit(s, ret, acts[act].audit, order->actor);
	return r == 0 ? 1 : r == -EEXIST ? -EIO : r;
}

static int audit_labels(
	struct store *s, const struct client_record *before, const char *now, const char *actor)
{
	scoped(freep) char *detail = NULL;
	char id[CLIENT_ID_TEXT_SIZE], old[LABELS_TEXT_SIZE];

	sodium_bin2hex(id, sizeof(id), before->id, sizeof(before->id));
	labels_join(&before->labels, old);
	if (asprintf(&detail, "hostname=%s labels=%s before=%s", before->facts.hostname, now, old) <
		0) {
		detail = NULL;
		return -ENOMEM;
	}
	return store_audit(s, actor, "client.label", id, detail);
}

int store_client_label(struct store *s, const char *id_or_prefix, const struct labels *labels,
	const char *actor, struct client_record *ret)
{
	char text[LABELS_TEXT_SIZE], find[FIND_SIZE];
	int r = store_client_get(s, id_or_prefix, ret);

	if (r < 0)
		return r;
	if (memcmp(&ret->labels, labels, sizeof(*labels)) == 0)
		return 0;
	labels_join(labels, text);
	client_find(text, ret->facts.hostname, ret->address, find);
	r = number_draw(s, &ret->order_number);
	if (r == 0)
		r = db_run(s->db, &set_labels,
			VALUES(value_bytes(ret->id, sizeof(ret->id)), value_text(text),
				value_text(find), value_integer(ret->order_number)),
			NULL);
	if (r == 0)
		r = audit_labels(s, ret, text, actor);
	ret->labels = *labels;
	return r < 0 ? r : 1;
}
