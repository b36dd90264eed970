/* SPDX-License-Identifier: MIT */
#include "repeats.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

static const struct sql get = { "SELECT hash, time, status, secret, answer FROM repeat"
				" WHERE actor = $1 AND name = $2 AND time > $3" };
static const struct sql forget = { "DELETE FROM repeat WHERE time <= $1" };
static const struct sql count = { "SELECT count(*) FROM repeat" };
static const struct sql insert = {
	"INSERT INTO repeat (actor, name, hash, time, status, secret, answer)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)"
};

void store_repeat_hash(struct store *s, const struct repeat_part *parts, size_t n,
	uint8_t ret[static REPEAT_HASH_SIZE])
{
	static const char domain[] = "muster-repeat-1";
	crypto_generichash_state h;

	/* Can't fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash_init(&h, s->token_key, TOKEN_KEY_SIZE, REPEAT_HASH_SIZE);
	(void)crypto_generichash_update(&h, (const uint8_t *)domain, sizeof(domain));
	for (size_t i = 0; i < n; i++) {
		uint64_t len = htobe64(parts[i].len);

		(void)crypto_generichash_update(&h, (const uint8_t *)&len, sizeof(len));
		(void)crypto_generichash_update(&h, parts[i].data, parts[i].len);
	}
	(void)crypto_generichash_final(&h, ret, REPEAT_HASH_SIZE);
	sodium_memzero(&h, sizeof(h));
}

static uint64_t a_day_ago(struct store *s)
{
	uint64_t now = store_now(s);

	return now > REPEAT_SECONDS ? now - REPEAT_SECONDS : 0;
}

int store_repeat_get(struct store *s, const char *actor, const char *key, struct repeat_record *ret,
	struct buffer *ret_answer)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &get,
		VALUES(value_text(actor), value_text(key), value_integer(a_day_ago(s))), &rows);
	const char *answer;

	if (r < 0)
		return r;
	*ret = (struct repeat_record){ .time = rows_integer(rows, 1),
		.status = (int)rows_integer(rows, 2),
		.secret = rows_integer(rows, 3) != 0 };
	if (!rows_bytes(rows, 0, ret->hash, sizeof(ret->hash)))
		return -EIO;
	answer = rows_view(rows, 4);
	return buffer_append(ret_answer, answer, strlen(answer));
}

int store_repeat_add(struct store *s, const char *actor, const char *key,
	const struct repeat_record *rec, const char *answer)
{
	uint64_t number = 0;
	int r = db_run(s->db, &forget, VALUES(value_integer(a_day_ago(s))), NULL);

	if (r == 0)
		r = db_number(s->db, &count, NULL, 0, &number);
	if (r < 0)
		return r;
	if (number >= REPEATS_MAX)
		return -E2BIG;
	return db_run(s->db, &insert,
		VALUES(value_text(actor), value_text(key),
			value_bytes(rec->hash, sizeof(rec->hash)), value_integer(store_now(s)),
			value_integer((uint64_t)rec->status), value_integer(rec->secret),
			value_text(answer)),
		NULL);
}
