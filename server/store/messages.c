/* SPDX-License-Identifier: MIT */
#include "messages.h"

#include <errno.h>
#include <string.h>

#include "internal.h"

/* Only a number above the spool's last changes a row: that is what stores a message once. */
static const struct sql advance = {
	"INSERT INTO message_spool (client, spool, number, used) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (client, spool) DO UPDATE SET number = excluded.number, used = excluded.used"
	" WHERE excluded.number > message_spool.number"
};
static const struct sql forget_spools = {
	"DELETE FROM message_spool WHERE client = $1 AND spool NOT IN (SELECT spool FROM"
	" message_spool WHERE client = $1 ORDER BY used DESC, spool LIMIT $2)"
};
static const struct sql has_spool = {
	"SELECT count(*) FROM message_spool WHERE client = $1 AND spool = $2"
};
static const struct sql count_up = {
	"UPDATE message_head SET seq = seq + 1 WHERE one = 1 RETURNING seq"
};
static const struct sql get_head = { "SELECT seq FROM message_head WHERE one = 1" };
static const struct sql get_outlet = { "SELECT outlet FROM message_head WHERE one = 1" };
static const struct sql set_outlet = { "UPDATE message_head SET outlet = $1 WHERE one = 1" };
static const struct sql insert = {
	"INSERT INTO message (seq, client, spool, number, type, sent, received, cost, text)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
};
static const struct sql box_add = {
	"INSERT INTO message_box (client, messages, bytes) VALUES ($1, 1, $2) ON CONFLICT (client)"
	" DO UPDATE SET messages = message_box.messages + 1, bytes = message_box.bytes + $2"
};
static const struct sql box_take = {
	"UPDATE message_box SET messages = messages - 1, bytes = bytes - $2 WHERE client = $1"
};
static const struct sql box_get = { "SELECT messages, bytes FROM message_box WHERE client = $1" };
static const struct sql oldest_of = {
	"SELECT seq, cost FROM message WHERE client = $1 ORDER BY seq LIMIT 1"
};
static const struct sql expired = {
	"SELECT seq, cost, client FROM message WHERE received < $1 ORDER BY received, seq LIMIT 1"
};
static const struct sql drop = { "DELETE FROM message WHERE seq = $1" };

static const struct sql list = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
				 " WHERE m.seq > $1 ORDER BY m.seq LIMIT $2" };
static const struct sql list_client = {
	"SELECT " MESSAGE_COLUMNS MESSAGE_FROM
	" WHERE m.client = $3 AND m.seq > $1 ORDER BY m.seq LIMIT $2"
};
static const struct sql list_type = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM
				      " WHERE m.type = $3 AND m.seq > $1 ORDER BY m.seq LIMIT $2" };
static const struct sql get = { "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.seq = $1" };
static const struct sql back = { "SELECT seq FROM message ORDER BY seq DESC LIMIT 1 OFFSET $1" };
static const struct sql back_client = {
	"SELECT seq FROM message WHERE client = $2 ORDER BY seq DESC LIMIT 1 OFFSET $1"
};
static const struct sql back_type = {
	"SELECT seq FROM message WHERE type = $2 ORDER BY seq DESC LIMIT 1 OFFSET $1"
};

/* ---- taking out */

static int take_out(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t seq, uint64_t cost)
{
	int r = db_run(s->db, &drop, VALUES(value_integer(seq)), NULL);

	return r < 0 ? r
		     : db_run(s->db, &box_take,
			       VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(cost)),
			       NULL);
}

/* Two numbers, and a client's id if that is asked for. -ENOENT: no row. */
static int pair(struct store *s, const struct sql *sql, struct value value, uint64_t ret[static 2],
	uint8_t *ret_client)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, &value, 1, &rows);

	if (r < 0)
		return r;
	ret[0] = rows_integer(rows, 0);
	ret[1] = rows_integer(rows, 1);
	if (ret_client && !rows_bytes(rows, 2, ret_client, CLIENT_ID_SIZE))
		return -EIO;
	return 0;
}

static int keep_limits(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const struct message_limits *limits)
{
	uint64_t box[2], oldest[2];

	for (;;) {
		int r = pair(s, &box_get, value_bytes(client, CLIENT_ID_SIZE), box, NULL);

		if (r < 0 || (box[0] <= limits->messages && box[1] <= limits->bytes))
			return r;
		r = pair(s, &oldest_of, value_bytes(client, CLIENT_ID_SIZE), oldest, NULL);
		if (r == 0)
			r = take_out(s, client, oldest[0], oldest[1]);
		if (r < 0)
			return r == -ENOENT ? -EIO : r;
	}
}

int store_message_expire(struct store *s, uint64_t before, uint32_t limit, uint32_t *ret_count)
{
	uint8_t client[CLIENT_ID_SIZE];
	uint64_t row[2];
	int r = 0;

	for (*ret_count = 0; *ret_count < limit; (*ret_count)++) {
		r = pair(s, &expired, value_integer(before), row, client);
		if (r == 0)
			r = take_out(s, client, row[0], row[1]);
		if (r < 0)
			break;
	}
	return r == -ENOENT ? 0 : r;
}

/* ---- adding */

/* 1: the number is a new one; 0: it, or one above it, was there before. */
static int new_number(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const struct msg *m)
{
	uint64_t known = 0, changed = 0;
	int r = db_number(s->db, &has_spool,
		VALUES(value_bytes(client, CLIENT_ID_SIZE),
			value_bytes(m->spool, sizeof(m->spool))),
		&known);

	if (r == 0)
		r = db_run(s->db, &advance,
			VALUES(value_bytes(client, CLIENT_ID_SIZE),
				value_bytes(m->spool, sizeof(m->spool)), value_integer(m->number),
				value_integer(store_now(s))),
			&changed);
	if (r == 0 && known == 0)
		r = db_run(s->db, &forget_spools,
			VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(MESSAGE_SPOOLS)),
			NULL);
	return r < 0 ? r : changed == 1;
}

static int next_seq(struct store *s, uint64_t *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &count_up, NULL, 0, &rows);

	if (r == 0)
		r = rows_next(rows);
	if (r <= 0)
		return r < 0 ? r : -EIO;
	*ret = rows_integer(rows, 0);
	return rows_next(rows); /* to its end, so that the update is done */
}

int store_message_add(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const struct msg *m, const struct message_limits *limits)
{
	struct value text = { .kind = VALUE_TEXT, .data = m->text, .len = m->len };
	uint64_t seq, cost = m->len + MESSAGE_COST;
	int r = new_number(s, client, m);

	if (r <= 0)
		return r < 0 ? r : 1;
	r = next_seq(s, &seq);
	if (r == 0)
		r = db_run(s->db, &insert,
			VALUES(value_integer(seq), value_bytes(client, CLIENT_ID_SIZE),
				value_bytes(m->spool, sizeof(m->spool)), value_integer(m->number),
				value_text(m->type), value_integer(m->time),
				value_integer(store_now(s)), value_integer(cost), text),
			NULL);
	if (r == 0)
		r = db_run(s->db, &box_add,
			VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(cost)), NULL);
	return r < 0 ? (r == -EEXIST ? -EIO : r) : keep_limits(s, client, limits);
}

/* ---- reading */

int message_entry(struct rows *rows, struct message_record *ret)
{
	*ret = (struct message_record){
		.seq = rows_integer(rows, 0),
		.number = rows_integer(rows, 2),
		.sent = rows_integer(rows, 3),
		.received = rows_integer(rows, 4),
		.type = rows_view(rows, 5),
		.hostname = rows_view(rows, 6),
		.text = rows_view(rows, 7),
	};
	return rows_bytes(rows, 1, ret->client, sizeof(ret->client)) ? 0 : -EIO;
}

/* The seq below the first of the last so many. */
static int start_of_last(struct store *s, const struct message_filter *f, uint64_t *after)
{
	const struct sql *sql = f->client ? &back_client : f->type ? &back_type : &back;
	struct value values[] = { value_integer(f->last - 1),
		f->client ? value_bytes(f->client, CLIENT_ID_SIZE) : value_text(f->type) };
	uint64_t seq = 0;
	int r = db_number(s->db, sql, values, sql == &back ? 1 : 2, &seq);

	if (r == -ENOENT) /* there are fewer */
		return 0;
	if (r == 0 && seq > *after + 1)
		*after = seq - 1;
	return r;
}

static int list_start(
	struct store *s, const struct message_filter *f, uint64_t after, struct rows **ret)
{
	const struct sql *sql = f->client ? &list_client : f->type ? &list_type : &list;
	struct value values[] = { value_integer(after), value_integer((uint64_t)f->scan + 1),
		f->client ? value_bytes(f->client, CLIENT_ID_SIZE) : value_text(f->type) };

	return db_rows(s->db, sql, values, sql == &list ? 2 : 3, ret);
}

int store_message_each(struct store *s, const struct message_filter *f, message_visitor visit,
	void *userdata, uint64_t *ret_next)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct message_record m = {};
	uint64_t after = f->after;
	uint32_t scanned = 0;
	int r = f->last > 0 ? start_of_last(s, f, &after) : 0;

	*ret_next = 0;
	if (r == 0)
		r = list_start(s, f, after, &rows);
	while (r == 0 && (r = rows_next(rows)) > 0) {
		if (scanned++ == f->scan) {
			*ret_next = m.seq;
			return 0;
		}
		r = message_entry(rows, &m);
		if (r == 0 && (!f->type || strcmp(m.type, f->type) == 0))
			r = visit(userdata, &m);
	}
	return r;
}

int store_message_get(struct store *s, uint64_t seq, message_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct message_record m;
	int r = db_row(s->db, &get, VALUES(value_integer(seq)), &rows);

	if (r < 0)
		return r;
	r = message_entry(rows, &m);
	return r < 0 ? r : visit(userdata, &m);
}

int store_message_head(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &get_head, NULL, 0, ret);
}

int store_outlet_get(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &get_outlet, NULL, 0, ret);
}

int store_outlet_set(struct store *s, uint64_t seq)
{
	return db_run(s->db, &set_outlet, VALUES(value_integer(seq)), NULL);
}
