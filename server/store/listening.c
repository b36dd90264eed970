/* SPDX-License-Identifier: MIT */
#include "listening.h"

#include <errno.h>
#include <sodium.h>

#include "internal.h"

#define COLUMNS "client, tls_pin, port, address, fixed, next, seen, fails, error"

static const struct sql get = { "SELECT " COLUMNS " FROM client_listening WHERE client = $1" };
static const struct sql put = {
	"INSERT INTO client_listening (" COLUMNS ", doubt)"
	" VALUES ($1, $2, $3, $4, '', $5, $6, 0, '', 0)"
	" ON CONFLICT (client) DO UPDATE SET port = excluded.port,"
	" address = CASE WHEN $7 = 1 THEN client_listening.address ELSE excluded.address END,"
	" seen = CASE WHEN $7 = 1 THEN excluded.seen ELSE client_listening.seen END,"
	" next = excluded.next, fails = 0, error = '', doubt = 0"
};
static const struct sql fix = { "INSERT INTO client_listening (" COLUMNS ", doubt)"
				" VALUES ($1, $2, 0, '', $3, $4, 0, 0, '', 0)"
				" ON CONFLICT (client) DO UPDATE SET fixed = excluded.fixed,"
				" next = excluded.next, fails = 0, error = ''" };
static const struct sql end = { "UPDATE client_listening SET port = 0, address = ''"
				" WHERE client = $1 AND (port > 0 OR address <> '')" };
static const struct sql drop = { "DELETE FROM client_listening WHERE client = $1" };
static const struct sql drop_empty = {
	"DELETE FROM client_listening WHERE client = $1 AND port = 0 AND fixed = ''"
};
static const struct sql by = { "UPDATE client_listening SET next = $2, doubt = 0"
			       " WHERE client = $1 AND next > $2" };
static const struct sql doubt = { "UPDATE client_listening SET doubt = 1 WHERE doubt = 0" };
static const struct sql doubtful = { "SELECT " COLUMNS
				     " FROM client_listening WHERE doubt = 1 LIMIT 1" };
static const struct sql due = { "SELECT " COLUMNS " FROM client_listening"
				" WHERE next <= $1 ORDER BY next LIMIT 1" };
static const struct sql next = { "SELECT next FROM client_listening ORDER BY next LIMIT 1" };
static const struct sql sure = { "UPDATE client_listening SET doubt = 0 WHERE client = $1" };
static const struct sql claim = {
	"UPDATE client_listening SET next = $3, fails = fails + 1, doubt = 0"
	" WHERE client = $1 AND next = $2"
};
static const struct sql failed = { "UPDATE client_listening SET error = $2 WHERE client = $1" };

/* A dial under way is one that may have failed. */
static const struct sql each = {
	"SELECT client FROM client_listening WHERE client > $1 AND fails <= 1"
	" AND ((port > 0 AND address <> '') OR fixed <> '') ORDER BY client LIMIT $2"
};

static int one(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	struct listening_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, n, &rows);
	bool whole;

	if (r < 0)
		return r;
	*ret = (struct listening_record){ .port = (uint16_t)rows_integer(rows, 2),
		.next = rows_integer(rows, 5),
		.seen = rows_integer(rows, 6),
		.fails = (uint32_t)rows_integer(rows, 7) };
	whole = rows_bytes(rows, 0, ret->client, sizeof(ret->client));
	whole = rows_bytes(rows, 1, ret->tls_pin, sizeof(ret->tls_pin)) && whole;
	rows_text(rows, 3, ret->address, sizeof(ret->address));
	rows_text(rows, 4, ret->fixed, sizeof(ret->fixed));
	rows_text(rows, 8, ret->error, sizeof(ret->error));
	return whole ? 0 : -EIO;
}

int store_listening_get(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], struct listening_record *ret)
{
	return one(s, &get, VALUES(value_bytes(client, CLIENT_ID_SIZE)), ret);
}

int store_listening_each(struct store *s, const uint8_t *after, uint32_t limit,
	listening_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t client[CLIENT_ID_SIZE];
	int r = db_rows(s->db, &each,
		VALUES(value_bytes(after ? (const void *)after : "", after ? CLIENT_ID_SIZE : 0),
			value_integer(limit)),
		&rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = rows_bytes(rows, 0, client, sizeof(client)) ? visit(userdata, client) : -EIO;
	}
	return r;
}

int store_listening_hello(struct store *s, const struct listening_hello *h)
{
	return db_run(s->db, &put,
		VALUES(value_bytes(h->client, CLIENT_ID_SIZE), value_bytes(h->tls_pin, PIN_SIZE),
			value_integer(h->port), value_text(h->address), value_integer(h->next),
			value_integer(h->dialled ? store_now(s) : 0), value_integer(h->dialled)),
		NULL);
}

int store_listening_fix(
	struct store *s, const struct client_record *c, const char *fixed, const char *actor)
{
	char id[CLIENT_ID_TEXT_SIZE], detail[256];
	int r = db_run(s->db, &fix,
		VALUES(value_bytes(c->id, CLIENT_ID_SIZE), value_bytes(c->tls_pin, PIN_SIZE),
			value_text(fixed), value_integer(store_now(s))),
		NULL);

	if (r == 0)
		r = db_run(s->db, &drop_empty, VALUES(value_bytes(c->id, CLIENT_ID_SIZE)), NULL);
	if (r < 0)
		return r;
	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	snprintf(detail, sizeof(detail), "hostname=%s address=%s", c->facts.hostname,
		*fixed ? fixed : "its own");
	return store_audit(s, actor, "client.address", id, detail);
}

static int act(struct store *s, const struct sql *sql, const uint8_t client[static CLIENT_ID_SIZE])
{
	return db_run(s->db, sql, VALUES(value_bytes(client, CLIENT_ID_SIZE)), NULL);
}

int store_listening_end(struct store *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	int r = act(s, &end, client);

	return r < 0 ? r : act(s, &drop_empty, client);
}

int store_listening_drop(struct store *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	return act(s, &drop, client);
}

int store_listening_by(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t when)
{
	return db_run(
		s->db, &by, VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(when)), NULL);
}

int store_listening_doubt(struct store *s)
{
	return db_run(s->db, &doubt, NULL, 0, NULL);
}

int store_listening_doubtful(struct store *s, struct listening_record *ret)
{
	return one(s, &doubtful, NULL, 0, ret);
}

int store_listening_due(struct store *s, uint64_t now, struct listening_record *ret)
{
	return one(s, &due, VALUES(value_integer(now)), ret);
}

int store_listening_next(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &next, NULL, 0, ret);
}

int store_listening_sure(struct store *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	return act(s, &sure, client);
}

int store_listening_claim(struct store *s, const struct listening_record *l, uint64_t then)
{
	uint64_t changed = 0;
	int r = db_run(s->db, &claim,
		VALUES(value_bytes(l->client, CLIENT_ID_SIZE), value_integer(l->next),
			value_integer(then)),
		&changed);

	return r < 0 ? r : changed == 1;
}

int store_listening_failed(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *why)
{
	return db_run(
		s->db, &failed, VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(why)), NULL);
}
