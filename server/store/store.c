/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "../log.h"
#include "internal.h"
#include "lib/secret.h"
#include "schema.h"

#define START_TRIES 20 /* while others write */

static const struct sql get_clock = { "SELECT value FROM meta WHERE name = 'clock'" };
/* The mark is that of all processes that use the database: only one who follows the clock back
 * lowers it. */
static const struct sql raise_clock = {
	"UPDATE meta SET value = $1 WHERE name = 'clock' AND value < $1"
};
static const struct sql lower_clock = { "UPDATE meta SET value = $1 WHERE name = 'clock'" };

/* After the clock was followed back from $1 to $2: */
static const struct sql lapse[] = {
	{ "UPDATE token SET lapsed = 1 WHERE expires <> 0 AND expires <= $1" },
	{ "UPDATE api_token SET lapsed = 1 WHERE expires <> 0 AND expires <= $1" },
};
static const struct sql shorten[] = {
	{ "UPDATE token SET expires = expires - $1 + $2 WHERE expires > $1 AND created > $2" },
	{ "UPDATE api_token SET expires = expires - $1 + $2 WHERE expires > $1 AND created > $2" },
};
/* What is dated in a future that has not come is dated now; a session has to be begun anew. */
static const struct sql redate[] = {
	{ "UPDATE token SET created = $1 WHERE created > $1" },
	{ "UPDATE token SET revoked = $1 WHERE revoked > $1" },
	{ "UPDATE api_token SET created = $1 WHERE created > $1" },
	{ "UPDATE api_token SET revoked = $1 WHERE revoked > $1" },
	{ "UPDATE api_token SET used = $1 WHERE used > $1" },
	{ "UPDATE admin SET created = $1 WHERE created > $1" },
	{ "UPDATE admin SET changed = $1 WHERE changed > $1" },
	{ "UPDATE admin SET login = $1 WHERE login > $1" },
	{ "DELETE FROM session WHERE created > $1 OR used > $1" },
	{ "UPDATE client SET enrolled = $1 WHERE enrolled > $1" },
	{ "UPDATE client SET last_hello = $1 WHERE last_hello > $1" },
	{ "UPDATE client SET state_since = $1 WHERE state_since > $1" },
	{ "UPDATE client SET counted = $1 WHERE counted > $1" },
	{ "UPDATE meta SET value = $1 WHERE name = 'attended' AND value > $1" },
	{ "UPDATE message SET received = $1 WHERE received > $1" },
	{ "UPDATE repeat SET time = $1 WHERE time > $1" },
};

uint64_t store_now(struct store *s)
{
	return clock_now(&s->clock);
}

int store_save_clock(struct store *s)
{
	uint64_t now = store_now(s);
	int r = now == s->clock.saved
			? 0
			: db_run(s->db, &raise_clock, VALUES(value_integer(now)), NULL);

	if (r == 0)
		s->clock.saved = now;
	return r;
}

/* Within the transaction: a later time that another process has told is this one's too from now on.
 * A mark below the one that was here means that one of them has followed the system's clock back,
 * which nobody is to do again. */
static int heed_others(struct store *s)
{
	uint64_t mark = 0;
	int r = db_number(s->db, &get_clock, NULL, 0, &mark);

	if (r < 0 || mark == s->clock.saved)
		return r;
	if (mark < s->clock.saved)
		clock_start(&s->clock, s->clock.source, mark);
	else
		clock_advance(&s->clock, mark);
	s->clock.saved = mark;
	return 0;
}

/* The database's mark; what has been told already stays told. */
static int load_clock(struct store *s)
{
	uint64_t mark = 0, last = s->clock.last;
	int r = db_number(s->db, &get_clock, NULL, 0, &mark);

	if (r < 0)
		return r;
	clock_start(&s->clock, s->clock.source, mark);
	if (last > mark)
		s->clock.last = last;
	return 0;
}

static int follow_clock(struct store *s, uint64_t wall)
{
	uint64_t false_now = s->clock.last;
	char detail[128];
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(lapse); i++)
		r = db_run(s->db, &lapse[i], VALUES(value_integer(false_now)), NULL);
	for (size_t i = 0; r == 0 && i < COUNT(shorten); i++)
		r = db_run(s->db, &shorten[i],
			VALUES(value_integer(false_now), value_integer(wall)), NULL);
	for (size_t i = 0; r == 0 && i < COUNT(redate); i++)
		r = db_run(s->db, &redate[i], VALUES(value_integer(wall)), NULL);
	if (r < 0)
		return r;
	clock_follow(&s->clock, wall);
	snprintf(detail, sizeof(detail), "put back by %llu s",
		(unsigned long long)(false_now - wall));
	log_warning("the clock had been %llu s ahead: followed the system's back; what had expired "
		    "stays expired",
		(unsigned long long)(false_now - wall));
	r = db_run(s->db, &lower_clock, VALUES(value_integer(wall)), NULL);
	s->clock.saved = wall;
	return r < 0 ? r : store_audit(s, "server", "server.clock", "", detail);
}

static int tend_clock(struct store *s)
{
	uint64_t wall;

	if (clock_is_set_back(&s->clock, &wall))
		return follow_clock(s, wall);
	return store_now(s) >= s->clock.saved + CLOCK_SAVE ? store_save_clock(s) : 0;
}

static int begin(struct store *s, int (*how)(struct db *db))
{
	int r;

	if (store_in_transaction(s))
		return 0;
	r = how(s->db);
	if (r == -EBUSY)
		return r;
	if (r == 0)
		r = heed_others(s);
	if (r == 0)
		r = tend_clock(s);
	if (r < 0)
		store_rollback(s);
	return r;
}

int store_begin(struct store *s)
{
	return begin(s, s->db->driver->begin);
}

int store_try(struct store *s)
{
	const struct db_driver *driver = s->db->driver;

	return begin(s, driver->begin_now ? driver->begin_now : driver->begin);
}

int store_commit(struct store *s)
{
	int r = store_in_transaction(s) ? s->db->driver->commit(s->db) : 0;

	if (r < 0)
		store_rollback(s);
	return r;
}

void store_rollback(struct store *s)
{
	s->db->driver->rollback(s->db);
	if (load_clock(s) < 0)
		s->clock.saved = 0; /* unknown: the next transaction writes it */
}

bool store_in_transaction(const struct store *s)
{
	return s->db->driver->in_transaction(s->db);
}

static int start(struct store *s)
{
	int r = schema_migrate(s->db);

	if (r == 0)
		r = load_clock(s);
	if (r == 0)
		r = store_begin(s);
	for (int i = 0; r == -EBUSY && i < START_TRIES; i++)
		r = store_begin(s);
	return r < 0 ? r : store_commit(s);
}

static int open_place(const struct db_place *place, const uint8_t token_key[static TOKEN_KEY_SIZE],
	const struct clock_source *source, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->token_key = secret_alloc(TOKEN_KEY_SIZE);
	if (s && s->token_key) {
		memcpy(s->token_key, token_key, TOKEN_KEY_SIZE);
		s->clock.source = source;
		r = db_driver_of(place->location)->open(place, &s->db);
	}
	if (r == 0)
		r = start(s);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int store_open_at(const char *location, const uint8_t token_key[static TOKEN_KEY_SIZE],
	const struct clock_source *source, struct store **ret)
{
	return open_place(&(struct db_place){ .location = location }, token_key, source, ret);
}

int store_open(const struct db_place *place, const uint8_t token_key[static TOKEN_KEY_SIZE],
	struct store **ret)
{
	return open_place(place, token_key, &clock_system, ret);
}

/* What an open transaction did is undone: its owner has told nobody of it. */
struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	if (s->db && s->clock.saved > 0) {
		store_rollback(s);
		if (store_begin(s) == 0 && store_save_clock(s) == 0 && store_commit(s) < 0)
			log_warning("the clock's mark could not be saved");
	}
	if (s->db)
		s->db->driver->close(s->db);
	secret_free(s->token_key);
	free(s);
	return NULL;
}

/* ---- other servers on the same database */

int store_notify(struct store *s, const char *text)
{
	return s->db->driver->notify ? s->db->driver->notify(s->db, text) : 0;
}

int store_attend(struct store *s, uint32_t statement_ms, void (*woken)(void *userdata, bool up),
	void *userdata)
{
	return s->db->driver->attend ? s->db->driver->attend(s->db, statement_ms, woken, userdata)
				     : 0;
}

struct db_link store_tend(struct store *s, db_listener heard, void *userdata)
{
	if (s->db->driver->tend)
		return s->db->driver->tend(s->db, heard, userdata);
	return (struct db_link){ .up = true, .fd = -1, .due = UINT64_MAX, .why = "" };
}

/* 62 bits that tell one set of keys from another; they tell nothing of the keys. */
static uint64_t fingerprint(const struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE])
{
	uint8_t hash[crypto_generichash_BYTES];
	uint64_t n;

	(void)crypto_generichash(
		hash, sizeof(hash), identity, PUBLIC_KEY_SIZE, s->token_key, TOKEN_KEY_SIZE);
	memcpy(&n, hash, sizeof(n));
	return le64toh(n) >> 2;
}

int store_claim(struct store *s, const uint8_t identity[static PUBLIC_KEY_SIZE])
{
	static const struct sql claim = { "INSERT INTO meta (name, value) VALUES ('keys', $1)"
					  " ON CONFLICT (name) DO NOTHING" };
	static const struct sql owner = { "SELECT value FROM meta WHERE name = 'keys'" };
	uint64_t mine = fingerprint(s, identity), there = 0;
	int r = store_begin(s);

	if (r == 0)
		r = db_run(s->db, &claim, VALUES(value_integer(mine)), NULL);
	if (r == 0)
		r = db_number(s->db, &owner, NULL, 0, &there);
	if (r == 0)
		r = store_commit(s);
	else
		store_rollback(s);
	return r < 0 ? r : there == mine ? 0 : -EKEYREJECTED;
}

void store_time_text(uint64_t at, char ret[static TIME_TEXT_SIZE])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (at == 0 || at > 253402300799u || !gmtime_r(&t, &tm) ||
		strftime(ret, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret, TIME_TEXT_SIZE, "never");
}
