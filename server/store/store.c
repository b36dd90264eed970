/* SPDX-License-Identifier: MIT */
#include <errno.h>
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
/* What is dated in a future that has not come is dated now. */
static const struct sql redate[] = {
	{ "UPDATE token SET created = $1 WHERE created > $1" },
	{ "UPDATE token SET revoked = $1 WHERE revoked > $1" },
	{ "UPDATE api_token SET created = $1 WHERE created > $1" },
	{ "UPDATE api_token SET revoked = $1 WHERE revoked > $1" },
	{ "UPDATE api_token SET used = $1 WHERE used > $1" },
	{ "UPDATE client SET enrolled = $1 WHERE enrolled > $1" },
	{ "UPDATE client SET last_hello = $1 WHERE last_hello > $1" },
	{ "UPDATE client SET state_since = $1 WHERE state_since > $1" },
	{ "UPDATE client SET counted = $1 WHERE counted > $1" },
	{ "UPDATE meta SET value = $1 WHERE name = 'attended' AND value > $1" },
	{ "UPDATE message SET received = $1 WHERE received > $1" },
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

/* Another process may have told a later time, which is this one's too from now on. */
static int share_clock(struct store *s)
{
	uint64_t mark = 0;
	int r = db_number(s->db, &get_clock, NULL, 0, &mark);

	if (r == 0)
		clock_advance(&s->clock, mark);
	return r < 0 ? r : store_save_clock(s);
}

/* 1: another process has done so before: nobody else lowers the mark. */
static int is_followed(struct store *s)
{
	uint64_t mark = 0;
	int r = db_number(s->db, &get_clock, NULL, 0, &mark);

	return r < 0 ? r : mark < s->clock.saved;
}

static int follow_clock(struct store *s, uint64_t wall)
{
	uint64_t false_now = s->clock.last;
	char detail[128];
	int r = is_followed(s);

	if (r > 0) {
		clock_follow(&s->clock, wall);
		s->clock.saved = 0;
		return share_clock(s);
	}
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
	return store_now(s) >= s->clock.saved + CLOCK_SAVE ? share_clock(s) : 0;
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

int store_open_at(const char *location, const uint8_t token_key[static TOKEN_KEY_SIZE],
	const struct clock_source *source, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->token_key = secret_alloc(TOKEN_KEY_SIZE);
	if (s && s->token_key) {
		memcpy(s->token_key, token_key, TOKEN_KEY_SIZE);
		s->clock.source = source;
		r = db_sqlite.open(location, &s->db);
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

int store_open(
	const char *location, const uint8_t token_key[static TOKEN_KEY_SIZE], struct store **ret)
{
	return store_open_at(location, token_key, &clock_system, ret);
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

void store_time_text(uint64_t at, char ret[static TIME_TEXT_SIZE])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (at == 0 || at > 253402300799u || !gmtime_r(&t, &tm) ||
		strftime(ret, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret, TIME_TEXT_SIZE, "never");
}
