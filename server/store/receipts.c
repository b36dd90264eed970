/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "configs.h"
#include "internal.h"

static const struct sql insert = {
	"INSERT INTO receipt (" RECEIPT_COLUMNS ")"
	" SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13"
	" FROM receipt"
};
static const struct sql by_id = { "SELECT " RECEIPT_COLUMNS " FROM receipt WHERE id = $1" };
static const struct sql list = { "SELECT " RECEIPT_COLUMNS " FROM receipt WHERE id > $1"
				 " AND ($2 = '' OR name = $2) ORDER BY id LIMIT $3" };
static const struct sql list_of_client = { "SELECT " RECEIPT_COLUMNS
					   " FROM receipt WHERE client = $4 AND id > $1"
					   " AND ($2 = '' OR name = $2) ORDER BY id LIMIT $3" };

int store_receipt_add(struct store *s, const struct receipt *r)
{
	return db_run(s->db, &insert,
		VALUES(value_integer(r->time), value_bytes(r->client, sizeof(r->client)),
			value_bytes(r->client_key, sizeof(r->client_key)),
			value_bytes(r->server_key, sizeof(r->server_key)), value_integer(r->op),
			value_integer(r->kind), value_integer(r->code), value_text(r->name),
			value_integer(r->revision), value_bytes(r->hash, sizeof(r->hash)),
			value_bytes(r->binding, sizeof(r->binding)),
			value_bytes(r->signature, sizeof(r->signature)),
			value_bytes(r->bytes, r->len)),
		NULL);
}

static int entry(struct rows *rows, struct receipt *ret)
{
	const void *bytes;
	bool whole;

	*ret = (struct receipt){ .id = rows_integer(rows, 0),
		.time = rows_integer(rows, 1),
		.op = (uint8_t)rows_integer(rows, 5),
		.kind = (uint8_t)rows_integer(rows, 6),
		.code = (uint16_t)rows_integer(rows, 7),
		.revision = rows_integer(rows, 9) };
	whole = rows_bytes(rows, 2, ret->client, sizeof(ret->client));
	whole = rows_bytes(rows, 3, ret->client_key, sizeof(ret->client_key)) && whole;
	whole = rows_bytes(rows, 4, ret->server_key, sizeof(ret->server_key)) && whole;
	rows_text(rows, 8, ret->name, sizeof(ret->name));
	whole = rows_bytes(rows, 10, ret->hash, sizeof(ret->hash)) && whole;
	whole = rows_bytes(rows, 11, ret->binding, sizeof(ret->binding)) && whole;
	whole = rows_bytes(rows, 12, ret->signature, sizeof(ret->signature)) && whole;
	bytes = rows->db->driver->bytes(rows, 13, &ret->len);
	if (!whole || !bytes || ret->len > sizeof(ret->bytes))
		return -EIO;
	memcpy(ret->bytes, bytes, ret->len);
	return 0;
}

int store_receipt_get(struct store *s, uint64_t id, struct receipt *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &by_id, VALUES(value_integer(id)), &rows);

	if (r < 0)
		return r;
	return entry(rows, ret);
}

int receipts_visit(struct rows *rows, receipt_visitor visit, void *userdata)
{
	struct receipt receipt;
	int r = 0;

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = entry(rows, &receipt);
		if (r == 0)
			r = visit(userdata, &receipt);
	}
	return r;
}

int store_receipt_each(struct store *s, const uint8_t *client, const char *name, uint64_t after,
	uint32_t limit, receipt_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	static const uint8_t nobody[CLIENT_ID_SIZE];
	const struct value values[] = { value_integer(after), value_text(name),
		value_integer(limit ? limit : UINT64_MAX),
		value_bytes(client ? client : nobody, CLIENT_ID_SIZE) };
	int r = db_rows(s->db, client ? &list_of_client : &list, values, client ? 4 : 3, &rows);

	return r < 0 ? r : receipts_visit(rows, visit, userdata);
}
