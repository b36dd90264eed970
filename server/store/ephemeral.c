/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "internal.h"

#define GAP_SLACK (2 * EPHEMERAL_TICK) /* a tick may be late without being a gap */
#define FAILS     "2"                  /* a dial counts as failed while it is under way */

static const struct sql any = { "SELECT count(*) FROM (SELECT 1 FROM client WHERE ephemeral > 0"
				" LIMIT 1) AS found" };
static const struct sql get_attended = { "SELECT value FROM meta WHERE name = 'attended'" };
static const struct sql set_attended = { "UPDATE meta SET value = $1 WHERE name = 'attended'" };

/* counted = the latest of these and itself, */
static const struct sql catch_up[] = {
	{ "UPDATE client SET counted = last_hello WHERE ephemeral > 0 AND counted < last_hello" },
	{ "UPDATE client SET counted = enrolled WHERE ephemeral > 0 AND counted < enrolled" },
	{ "UPDATE client SET counted = state_since WHERE ephemeral > 0 AND counted < state_since" },
};
/* plus the gap $1, but not beyond now $2, */
static const struct sql put_off = {
	"UPDATE client SET counted = CASE WHEN counted + $1 > $2 THEN $2 ELSE counted + $1 END"
	" WHERE ephemeral > 0"
};
/* and so much that nobody is due before $1. */
static const struct sql spare = { "UPDATE client SET counted = $1 - ephemeral"
				  " WHERE ephemeral > 0 AND counted < $1 - ephemeral" };

/* Revoked ones stay listed, as an administrator has said something about them; pending ones wait
 * for him. One that listens is silent between two dials: it is offline from when it should have
 * answered one, which several have to tell. */
static const struct sql due = { "SELECT id FROM client WHERE ephemeral > 0 AND last_hello <= $2"
				" AND state IN (0, 1, 2, 5) AND last_hello + ephemeral <= $1"
				" AND enrolled + ephemeral <= $1 AND state_since + ephemeral <= $1"
				" AND counted + ephemeral <= $1"
				" AND NOT EXISTS (SELECT 1 FROM client_listening l WHERE"
				" l.client = client.id AND (l.fails < " FAILS
				" OR client.last_hello + client.ephemeral > $3))"
				" ORDER BY last_hello LIMIT 50" };

bool store_ephemeral_any(struct store *s)
{
	uint64_t n = 0;

	return db_number(s->db, &any, NULL, 0, &n) < 0 || n > 0;
}

static int leave_out(struct store *s, uint64_t gap, uint64_t now)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(catch_up); i++)
		r = db_run(s->db, &catch_up[i], NULL, 0, NULL);
	if (r == 0)
		r = db_run(s->db, &put_off, VALUES(value_integer(gap), value_integer(now)), NULL);
	if (r == 0)
		r = db_run(s->db, &spare, VALUES(value_integer(now + EPHEMERAL_GRACE)), NULL);
	return r;
}

int store_ephemeral_tend(struct store *s, bool first)
{
	uint64_t now = store_now(s), attended = 0;
	int r = db_number(s->db, &get_attended, NULL, 0, &attended);
	uint64_t gap = now > attended ? now - attended : 0;

	if (r == 0 && (first || gap > GAP_SLACK))
		r = leave_out(s, gap, now);
	return r < 0 ? r : db_run(s->db, &set_attended, VALUES(value_integer(now)), NULL);
}

int store_ephemeral_due(struct store *s, uint64_t idle, uint64_t every,
	uint8_t ret[EPHEMERAL_BATCH][CLIENT_ID_SIZE], size_t *ret_count)
{
	uint64_t now = store_now(s);
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, &due,
		VALUES(value_integer(now), value_integer(now > idle ? now - idle : 0),
			value_integer(now > every ? now - every : 0)),
		&rows);

	*ret_count = 0;
	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		if (*ret_count == EPHEMERAL_BATCH ||
			!rows_bytes(rows, 0, ret[*ret_count], CLIENT_ID_SIZE))
			return -EIO;
		++*ret_count;
		r = 0;
	}
	return r;
}
