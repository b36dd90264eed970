/* SPDX-License-Identifier: MIT */
#include "recent.h"

#include <errno.h>
#include <string.h>

#include "internal.h"

static const struct sql audit_all = { "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq < $1"
				      " ORDER BY seq DESC LIMIT $2" };
static const struct sql audit_of_object = { "SELECT " AUDIT_COLUMNS
					    " FROM audit WHERE object = $3 AND seq < $1"
					    " ORDER BY seq DESC LIMIT $2" };
static const struct sql message_all = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
					" WHERE m.seq < $1 AND m.seq >= $2"
					" ORDER BY m.seq DESC LIMIT $3" };
static const struct sql message_of_client = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
					      " WHERE m.client = $4 AND m.seq < $1"
					      " AND m.seq >= $2 ORDER BY m.seq DESC LIMIT $3" };
static const struct sql message_of_type = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
					    " WHERE m.type = $4 AND m.seq < $1"
					    " AND m.seq >= $2 ORDER BY m.seq DESC LIMIT $3" };
/* The clock never goes back, so later ones have higher numbers. */
static const struct sql first_since = {
	"SELECT seq FROM message WHERE received >= $1 ORDER BY received, seq LIMIT 1"
};
static const struct sql receipts = { "SELECT " RECEIPT_COLUMNS " FROM receipt"
				     " WHERE client = $1 AND id < $2 ORDER BY id DESC LIMIT $3" };
static const struct sql refusals = {
	"SELECT r.client, c.hostname, r.name, r.revision, r.time, r.code, r.text"
	" FROM config_refused r JOIN client c ON c.id = r.client ORDER BY r.time DESC LIMIT $1"
};
static const struct sql refusal_count = { "SELECT count(*) FROM config_refused" };

static struct value below(uint64_t before)
{
	return value_integer(before ? before : UINT64_MAX);
}

/* ---- audit */

static bool audit_fits(const struct audit_look *look, const struct audit_record *a)
{
	const char *const texts[] = { a->actor, a->act, a->object, a->detail };

	return (!look->act || strncmp(a->act, look->act, strlen(look->act)) == 0) &&
	       words_fit(&look->words, texts, COUNT(texts));
}

int store_audit_recent(struct store *s, const struct audit_look *look, audit_visitor visit,
	void *userdata, uint64_t *ret_last)
{
	scoped(rows_endp) struct rows *rows = NULL;
	const struct value values[] = { below(look->before), value_integer(look->rows),
		value_text(look->object) };
	struct audit_record a;
	uint32_t count = 0;
	int r = db_rows(s->db, look->object ? &audit_of_object : &audit_all, values,
		look->object ? 3 : 2, &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r < 0 ? r : count == look->rows;
		count++;
		(void)audit_entry(rows, &a); /* a damaged hash is shown as zeros */
		*ret_last = a.seq;
		r = audit_fits(look, &a) ? visit(userdata, &a) : 0;
	}
	return r;
}

/* ---- messages */

static bool message_fits(const struct message_look *look, const struct message_record *m)
{
	const char *const texts[] = { m->hostname, m->type, m->text };

	return (!look->type || strcmp(m->type, look->type) == 0) &&
	       words_fit(&look->words, texts, COUNT(texts));
}

/* The times as numbers: *ret_from and what is below *before. 1: there can be none. */
static int bounds(
	struct store *s, const struct message_look *look, uint64_t *before, uint64_t *ret_from)
{
	uint64_t seq = 0;
	int r = 0;

	*before = look->before;
	*ret_from = 0;
	if (look->since)
		r = db_number(s->db, &first_since, VALUES(value_integer(look->since)), ret_from);
	if (r < 0)
		return r == -ENOENT ? 1 : r;
	if (look->until)
		r = db_number(s->db, &first_since, VALUES(value_integer(look->until)), &seq);
	if (r == 0 && look->until && (*before == 0 || seq < *before))
		*before = seq;
	return r == -ENOENT ? 0 : r;
}

static int message_rows(struct store *s, const struct message_look *look, struct rows **ret)
{
	const struct sql *sql = look->client ? &message_of_client
				: look->type ? &message_of_type
					     : &message_all;
	uint64_t before, from;
	int r = bounds(s, look, &before, &from);
	const struct value values[] = { below(before), value_integer(from),
		value_integer(look->rows),
		look->client ? value_bytes(look->client, CLIENT_ID_SIZE) : value_text(look->type) };

	return r != 0 ? r : db_rows(s->db, sql, values, sql == &message_all ? 3 : 4, ret);
}

int store_message_recent(struct store *s, const struct message_look *look, message_visitor visit,
	void *userdata, uint64_t *ret_last)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct message_record m;
	uint32_t count = 0;
	int r = message_rows(s, look, &rows);

	if (r != 0)
		return r < 0 ? r : 0;
	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r < 0 ? r : count == look->rows;
		count++;
		r = message_entry(rows, &m);
		*ret_last = m.seq;
		if (r == 0 && message_fits(look, &m))
			r = visit(userdata, &m);
	}
	return r;
}

/* ---- receipts and refusals */

int store_receipt_recent(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t before, uint32_t limit, receipt_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &receipts,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), below(before), value_integer(limit)),
		&rows);

	return r < 0 ? r : receipts_visit(rows, visit, userdata);
}

static void refusal_entry(struct rows *rows, struct standing_refusal *ret)
{
	*ret = (struct standing_refusal){ .why = { .revision = rows_integer(rows, 3),
						  .time = rows_integer(rows, 4),
						  .code = (uint16_t)rows_integer(rows, 5) } };
	rows_bytes(rows, 0, ret->client, sizeof(ret->client));
	rows_text(rows, 1, ret->hostname, sizeof(ret->hostname));
	rows_text(rows, 2, ret->name, sizeof(ret->name));
	rows_text(rows, 6, ret->why.text, sizeof(ret->why.text));
}

int store_refusal_recent(struct store *s, uint32_t limit, refusal_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct standing_refusal one;
	int r = db_rows(s->db, &refusals, VALUES(value_integer(limit)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		refusal_entry(rows, &one);
		r = visit(userdata, &one);
	}
	return r;
}

int store_refusal_count(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &refusal_count, NULL, 0, ret);
}
