/* SPDX-License-Identifier: MIT */
#include "presence.h"

#include <errno.h>

#include "internal.h"

static const struct sql count_up = {
	"UPDATE meta SET value = value + 1 WHERE name = 'server' RETURNING value"
};
static const struct sql former = { "SELECT id FROM server WHERE place = $1" };
static const struct sql add = {
	"INSERT INTO server (id, place, beat, connected) VALUES ($1, $2, 0, 0)"
};
static const struct sql beat = {
	"UPDATE server SET beat = beat + 1, connected = $2 WHERE id = $1"
};
static const struct sql drop = { "DELETE FROM server WHERE id = $1" };
static const struct sql drop_all = { "DELETE FROM presence WHERE server = $1" };
static const struct sql list = { "SELECT id, beat, connected, place FROM server ORDER BY id" };
static const struct sql hold = { "INSERT INTO presence (client, server) VALUES ($1, $2)"
				 " ON CONFLICT (client) DO UPDATE SET server = excluded.server" };
static const struct sql let_go = { "DELETE FROM presence WHERE client = $1 AND server = $2" };
static const struct sql holder = { "SELECT server FROM presence WHERE client = $1" };
static const struct sql all = { "SELECT client, server FROM presence ORDER BY client" };

static int next_number(struct store *s, uint64_t *ret)
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

int store_server_add(struct store *s, const char *place, uint64_t *ret)
{
	uint64_t old = 0;
	int r = db_number(s->db, &former, VALUES(value_text(place)), &old);

	if (r == 0)
		r = store_server_remove(s, old);
	if (r == 0 || r == -ENOENT)
		r = next_number(s, ret);
	return r < 0 ? r
		     : db_run(s->db, &add, VALUES(value_integer(*ret), value_text(place)), NULL);
}

int store_server_beat(struct store *s, uint64_t server, uint64_t connected)
{
	uint64_t changed = 0;
	int r = db_run(
		s->db, &beat, VALUES(value_integer(server), value_integer(connected)), &changed);

	return r < 0 ? r : changed == 1 ? 0 : -ENOENT;
}

int store_server_remove(struct store *s, uint64_t server)
{
	int r = db_run(s->db, &drop_all, VALUES(value_integer(server)), NULL);

	return r < 0 ? r : db_run(s->db, &drop, VALUES(value_integer(server)), NULL);
}

int store_server_each(struct store *s, server_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &list, NULL, 0, &rows);

	while (r == 0 && (r = rows_next(rows)) > 0) {
		struct server_record found = { .id = rows_integer(rows, 0),
			.beat = rows_integer(rows, 1),
			.connected = rows_integer(rows, 2),
			.place = rows_view(rows, 3) };

		r = visit(userdata, &found);
	}
	return r;
}

int store_presence_set(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t server)
{
	return db_run(s->db, &hold,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(server)), NULL);
}

int store_presence_drop(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t server)
{
	return db_run(s->db, &let_go,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(server)), NULL);
}

int store_presence_get(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t *ret_server)
{
	int r = db_number(s->db, &holder, VALUES(value_bytes(client, CLIENT_ID_SIZE)), ret_server);

	if (r == -ENOENT)
		*ret_server = 0;
	return r == -ENOENT ? 0 : r;
}

int store_presence_each(struct store *s, presence_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t client[CLIENT_ID_SIZE];
	int r = db_rows(s->db, &all, NULL, 0, &rows);

	while (r == 0 && (r = rows_next(rows)) > 0)
		r = rows_bytes(rows, 0, client, sizeof(client))
			    ? visit(userdata, client, rows_integer(rows, 1))
			    : -EIO;
	return r;
}
