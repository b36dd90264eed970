/* SPDX-License-Identifier: MIT */
#include "internal.h"

static const struct sql draw = { "UPDATE meta SET value = CASE WHEN value < $1 THEN $1"
				 " ELSE value + 1 END WHERE name = 'number'" };
static const struct sql drawn = { "SELECT value FROM meta WHERE name = 'number'" };

int number_draw(struct store *s, uint64_t *ret)
{
	int r = db_run(s->db, &draw, VALUES(value_integer(store_now(s) * 1000)), NULL);

	return r < 0 ? r : db_number(s->db, &drawn, NULL, 0, ret);
}
