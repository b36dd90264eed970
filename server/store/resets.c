/* SPDX-License-Identifier: MIT */
#include "resets.h"

#include <errno.h>
#include <sodium.h>

#include "internal.h"

static const struct sql get = { "SELECT number, state, asked, answered, code, text"
				" FROM client_reset WHERE client = $1" };
static const struct sql put = {
	"INSERT INTO client_reset (client, number, state, asked, answered, code, text)"
	" VALUES ($1, $2, 0, $3, 0, 0, '')"
	" ON CONFLICT (client) DO UPDATE SET number = excluded.number, state = 0,"
	" asked = excluded.asked, answered = 0, code = 0, text = ''"
};
static const struct sql answer = { "UPDATE client_reset"
				   " SET state = $3, answered = $4, code = $5, text = $6"
				   " WHERE client = $1 AND number = $2 AND state = 0" };

const char *reset_state_name(enum reset_state state)
{
	static const char *const names[] = {
		[RESET_WANTED] = "wanted",
		[RESET_DONE] = "done",
		[RESET_REFUSED] = "refused",
	};

	return names[state];
}

int store_reset_get(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], struct reset_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &get, VALUES(value_bytes(client, CLIENT_ID_SIZE)), &rows);
	uint64_t state;

	if (r < 0)
		return r;
	state = rows_integer(rows, 1);
	*ret = (struct reset_record){ .number = rows_integer(rows, 0),
		.state = state <= RESET_REFUSED ? (enum reset_state)state : RESET_REFUSED,
		.asked = rows_integer(rows, 2),
		.answered = rows_integer(rows, 3),
		.code = (uint16_t)rows_integer(rows, 4) };
	rows_text(rows, 5, ret->text, sizeof(ret->text));
	return 0;
}

static int audit(struct store *s, const struct client_record *c, const struct reset_record *reset,
	const struct client_order *order)
{
	char id[CLIENT_ID_TEXT_SIZE], detail[512];
	const char *reason = order->reason ? order->reason : "";

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	snprintf(detail, sizeof(detail), "hostname=%s number=%llu%s%s", c->facts.hostname,
		(unsigned long long)reset->number, *reason ? " reason=" : "", reason);
	return store_audit(s, order->actor, "client.reset", id, detail);
}

int store_reset_ask(struct store *s, const char *id_or_prefix, const struct client_order *order,
	struct client_record *ret_client, struct reset_record *ret)
{
	uint64_t number = 0;
	int r = store_client_get(s, id_or_prefix, ret_client);

	*ret = (struct reset_record){};
	if (r == 0 && ret_client->state != CLIENT_ENROLLED)
		r = -EPERM;
	if (r < 0)
		return r;
	r = store_reset_get(s, ret_client->id, ret);
	if (r == 0 && ret->state == RESET_WANTED)
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	r = number_draw(s, &number);
	if (r < 0)
		return r;
	*ret = (struct reset_record){ .number = number, .asked = store_now(s) };
	r = db_run(s->db, &put,
		VALUES(value_bytes(ret_client->id, CLIENT_ID_SIZE), value_integer(ret->number),
			value_integer(ret->asked)),
		NULL);
	if (r == 0)
		r = audit(s, ret_client, ret, order);
	return r < 0 ? r : 1;
}

int store_reset_answer(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t number, uint16_t code, const char *text)
{
	char id[CLIENT_ID_TEXT_SIZE], actor[ACTOR_SIZE], detail[640];
	uint64_t changed = 0;
	int r = db_run(s->db, &answer,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(number),
			value_integer(code ? RESET_REFUSED : RESET_DONE),
			value_integer(store_now(s)), value_integer(code), value_text(text)),
		&changed);

	if (r < 0 || changed == 0)
		return r;
	sodium_bin2hex(id, sizeof(id), client, CLIENT_ID_SIZE);
	snprintf(actor, sizeof(actor), "client:%s", id);
	snprintf(detail, sizeof(detail), "number=%llu%s%s", (unsigned long long)number,
		code ? " refused=" : "", code ? text : "");
	r = store_audit(s, actor, code ? "client.reset-refused" : "client.restart", id, detail);
	return r < 0 ? r : 1;
}
