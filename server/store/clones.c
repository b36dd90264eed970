/* SPDX-License-Identifier: MIT */
#include "clones.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

#define SLACK 5 /* seconds that times may be inexact */

static const struct sql set_before = { "UPDATE client SET machine_before = $2 WHERE id = $1" };
static const struct sql set_alarm = {
	"UPDATE client SET clone_since = $2, clone_sign = $3 WHERE id = $1"
};
static const struct sql clear_alarm = {
	"UPDATE client SET clone_since = 0, clone_sign = 0, machine_before = '', boot_id = $2"
	" WHERE id = $1"
};
static const struct sql again = { "UPDATE clone_machine SET address = $4, hostname = $5, last = $6"
				  " WHERE client = $1 AND boot_id = $2 AND machine = $3" };
static const struct sql count = { "SELECT count(*) FROM clone_machine WHERE client = $1" };
static const struct sql insert = {
	"INSERT INTO clone_machine (client, boot_id, machine, address, hostname, first, last)"
	" VALUES ($1, $2, $3, $4, $5, $6, $6)"
};
static const struct sql list = {
	"SELECT boot_id, machine, address, hostname, first, last FROM clone_machine"
	" WHERE client = $1 ORDER BY first, boot_id, machine"
};
static const struct sql forget = { "DELETE FROM clone_machine WHERE client = $1" };

const char *clone_sign_name(enum clone_sign sign)
{
	static const char *const names[] = {
		[CLONE_NONE] = "none",
		[CLONE_OVERLAP] = "overlap",
		[CLONE_WENT_BACK] = "went-back",
		[CLONE_UPTIME_FELL] = "uptime-fell",
	};

	return names[sign];
}

/* ---- judging */

static bool is_known(const uint8_t boot_id[static 16])
{
	return !sodium_is_zero(boot_id, 16);
}

/* One text for a boot of a machine. */
static void machine_text(const uint8_t boot_id[static 16],
	const uint8_t machine[static MACHINE_HASH_SIZE], char ret[static MACHINE_TEXT_SIZE])
{
	uint8_t both[16 + MACHINE_HASH_SIZE], hash[(MACHINE_TEXT_SIZE - 1) / 2];

	memcpy(both, boot_id, 16);
	memcpy(both + 16, machine, MACHINE_HASH_SIZE);
	/* Can't fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash(hash, sizeof(hash), both, sizeof(both), NULL, 0);
	sodium_bin2hex(ret, MACHINE_TEXT_SIZE, hash, sizeof(hash));
}

static bool is_same(const struct client_record *known, const struct hello *h)
{
	return memcmp(known->boot_id, h->boot_id, sizeof(h->boot_id)) == 0 &&
	       memcmp(known->facts.machine, h->facts.machine, MACHINE_HASH_SIZE) == 0;
}

enum clone_sign clone_judge(
	const struct client_record *known, const struct hello *h, uint64_t now, bool steady)
{
	bool same_boot = memcmp(known->boot_id, h->boot_id, sizeof(h->boot_id)) == 0;
	bool timed = known->uptime > 0 && h->uptime > 0;
	char text[MACHINE_TEXT_SIZE];

	if (known->last_hello == 0 || !is_known(known->boot_id) || !is_known(h->boot_id))
		return CLONE_NONE;
	machine_text(h->boot_id, h->facts.machine, text);
	if (!is_same(known, h) && strcmp(text, known->machine_before) == 0)
		return CLONE_WENT_BACK;
	if (same_boot)
		return timed && h->uptime + SLACK < known->uptime ? CLONE_UPTIME_FELL : CLONE_NONE;
	if (steady && now >= known->last_hello && h->uptime > now - known->last_hello + SLACK)
		return CLONE_OVERLAP;
	return CLONE_NONE;
}

bool store_clock_is_steady(struct store *s)
{
	(void)store_now(s);
	return !s->clock.behind;
}

/* ---- noting */

static int note(
	struct store *s, const uint8_t id[static CLIENT_ID_SIZE], const struct clone_machine *m)
{
	const struct value values[] = { value_bytes(id, CLIENT_ID_SIZE),
		value_bytes(m->boot_id, sizeof(m->boot_id)),
		value_bytes(m->machine, sizeof(m->machine)), value_text(m->address),
		value_text(m->hostname), value_integer(m->last) };
	uint64_t changed = 0, n = 0;
	int r = db_run(s->db, &again, values, COUNT(values), &changed);

	if (r < 0 || changed > 0)
		return r;
	r = db_number(s->db, &count, values, 1, &n);
	if (r < 0 || n >= CLONE_MACHINES)
		return r;
	return db_run(s->db, &insert, values, COUNT(values), NULL);
}

static struct clone_machine machine_of(
	const uint8_t boot_id[static 16], const struct facts *f, const char *address, uint64_t last)
{
	struct clone_machine m = { .last = last };

	memcpy(m.boot_id, boot_id, sizeof(m.boot_id));
	memcpy(m.machine, f->machine, sizeof(m.machine));
	snprintf(m.address, sizeof(m.address), "%s", address);
	snprintf(m.hostname, sizeof(m.hostname), "%s", f->hostname);
	return m;
}

int store_clone_follow(struct store *s, const struct client_record *known, const struct hello *h,
	const char *address)
{
	struct clone_machine m = machine_of(h->boot_id, &h->facts, address, store_now(s));
	char before[MACHINE_TEXT_SIZE];
	int r = 0;

	if (!is_same(known, h) && is_known(known->boot_id) && is_known(h->boot_id)) {
		machine_text(known->boot_id, known->facts.machine, before);
		r = db_run(s->db, &set_before,
			VALUES(value_bytes(known->id, CLIENT_ID_SIZE), value_text(before)), NULL);
	}
	return r == 0 && known->clone_since > 0 ? note(s, known->id, &m) : r;
}

/* ---- the alarm */

static int audit(struct store *s, const struct client_record *known, const struct hello *h,
	const char *address)
{
	char id[CLIENT_ID_TEXT_SIZE], before[33], now[33], detail[512];

	sodium_bin2hex(id, sizeof(id), known->id, sizeof(known->id));
	sodium_bin2hex(before, sizeof(before), known->boot_id, sizeof(known->boot_id));
	sodium_bin2hex(now, sizeof(now), h->boot_id, sizeof(h->boot_id));
	snprintf(detail, sizeof(detail),
		"sign=%s last=%s address=%s boot=%s now=%s address=%s boot=%s",
		clone_sign_name(known->clone), known->facts.hostname, known->address, before,
		h->facts.hostname, address, now);
	return store_audit(s, "server", "client.clone", id, detail);
}

int store_clone_alarm(struct store *s, struct client_record *known, enum clone_sign sign,
	const struct hello *h, const char *address)
{
	uint64_t now = store_now(s);
	struct clone_machine last =
		machine_of(known->boot_id, &known->facts, known->address, known->last_hello);
	int r;

	known->clone = sign;
	known->clone_since = now;
	r = db_run(s->db, &set_alarm,
		VALUES(value_bytes(known->id, CLIENT_ID_SIZE), value_integer(now),
			value_integer(sign)),
		NULL);
	if (r == 0)
		r = note(s, known->id, &last);
	return r < 0 ? r : audit(s, known, h, address);
}

int store_clone_each(struct store *s, const uint8_t id[static CLIENT_ID_SIZE], clone_visitor visit,
	void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct clone_machine m;
	int r = db_rows(s->db, &list, VALUES(value_bytes(id, CLIENT_ID_SIZE)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		m = (struct clone_machine){
			.first = rows_integer(rows, 4),
			.last = rows_integer(rows, 5),
		};
		rows_bytes(rows, 0, m.boot_id, sizeof(m.boot_id));
		rows_bytes(rows, 1, m.machine, sizeof(m.machine));
		rows_text(rows, 2, m.address, sizeof(m.address));
		rows_text(rows, 3, m.hostname, sizeof(m.hostname));
		r = visit(userdata, &m);
	}
	return r;
}

int clone_forget(struct store *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	return db_run(s->db, &forget, VALUES(value_bytes(id, CLIENT_ID_SIZE)), NULL);
}

int store_clone_clear(
	struct store *s, const char *id_or_prefix, const char *actor, struct client_record *ret)
{
	char id[CLIENT_ID_TEXT_SIZE], detail[128];
	int r = store_client_get(s, id_or_prefix, ret);

	if (r < 0 || ret->clone_since == 0)
		return r;
	sodium_bin2hex(id, sizeof(id), ret->id, sizeof(ret->id));
	snprintf(detail, sizeof(detail), "hostname=%s", ret->facts.hostname);
	memset(ret->boot_id, 0, sizeof(ret->boot_id));
	memset(ret->machine_before, 0, sizeof(ret->machine_before));
	ret->clone = CLONE_NONE;
	ret->clone_since = 0;
	r = db_run(s->db, &clear_alarm,
		VALUES(value_bytes(ret->id, CLIENT_ID_SIZE),
			value_bytes(ret->boot_id, sizeof(ret->boot_id))),
		NULL);
	if (r == 0)
		r = clone_forget(s, ret->id);
	if (r == 0)
		r = store_audit(s, actor, "client.clear-clone", id, detail);
	return r < 0 ? r : 1;
}
