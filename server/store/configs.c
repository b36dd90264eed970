/* SPDX-License-Identifier: MIT */
#include "configs.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

#define CONFIG_COLUMNS                                                                             \
	"name, revision, removal, selector, hash, size, created, created_by, note, order_number"

static const struct sql insert = { "INSERT INTO config (" CONFIG_COLUMNS ", live)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)" };
static const struct sql last = { "SELECT coalesce(max(revision), 0) FROM config WHERE name = $1" };
static const struct sql bury = {
	"UPDATE config SET live = 0 WHERE name = $1 AND live = 1 AND (selector = $2 OR $2 = '*')"
};
static const struct sql by_revision = { "SELECT " CONFIG_COLUMNS
					" FROM config WHERE name = $1 AND revision = $2" };
static const struct sql newest = { "SELECT " CONFIG_COLUMNS
				   " FROM config WHERE name = $1 ORDER BY revision DESC LIMIT 1" };
static const struct sql list = {
	"SELECT " CONFIG_COLUMNS " FROM config c WHERE name > $1 AND revision ="
	" (SELECT max(revision) FROM config d WHERE d.name = c.name) ORDER BY name LIMIT $2"
};
static const struct sql history = { "SELECT " CONFIG_COLUMNS
				    " FROM config WHERE name = $1 AND revision < $2"
				    " ORDER BY revision DESC LIMIT $3" };
static const struct sql live = { "SELECT " CONFIG_COLUMNS
				 " FROM config WHERE live = 1 AND ($1 = '' OR name = $1)"
				 " ORDER BY name, revision DESC" };
static const struct sql has_content = { "SELECT count(*) FROM config_content WHERE hash = $1" };
static const struct sql add_content = {
	"INSERT INTO config_content (hash, content) VALUES ($1, $2)"
};
static const struct sql get_content = { "SELECT content FROM config_content WHERE hash = $1" };

static const struct sql renumber = { "UPDATE client SET order_number = $2 WHERE id = $1" };

static const struct sql held = { "SELECT name, revision, hash FROM config_held"
				 " WHERE client = $1 ORDER BY name" };
static const struct sql add_held = {
	"INSERT INTO config_held (client, name, revision, hash) VALUES ($1, $2, $3, $4)"
};
static const struct sql drop_held = { "DELETE FROM config_held WHERE client = $1 AND name = $2" };
static const struct sql drop_all_held = { "DELETE FROM config_held WHERE client = $1" };

static const struct sql get_refused = { "SELECT revision, time, code, text FROM config_refused"
					" WHERE client = $1 AND name = $2" };
static const struct sql add_refused = {
	"INSERT INTO config_refused (client, name, revision, time, code, text)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
};
static const struct sql drop_refused = {
	"DELETE FROM config_refused WHERE client = $1 AND name = $2"
};

static const struct sql held_by = { "SELECT client, revision, hash FROM config_held"
				    " WHERE name = $1 AND client > $2 ORDER BY client LIMIT $3" };
static const struct sql refused_by = {
	"SELECT client, revision FROM config_refused"
	" WHERE name = $1 AND client > $2 ORDER BY client LIMIT $3"
};

/* ---- selectors */

static bool client_id(const char *selector, uint8_t ret[static CLIENT_ID_SIZE])
{
	const char *hex = selector + strlen(CLIENT_SELECTOR);
	size_t len = 0;

	return strncmp(selector, CLIENT_SELECTOR, strlen(CLIENT_SELECTOR)) == 0 &&
	       strlen(hex) == CLIENT_ID_TEXT_SIZE - 1 &&
	       sodium_hex2bin(ret, CLIENT_ID_SIZE, hex, strlen(hex), NULL, &len, NULL) == 0 &&
	       len == CLIENT_ID_SIZE;
}

int config_selector_check(const char *selector)
{
	uint8_t id[CLIENT_ID_SIZE];

	return client_id(selector, id) ? 0 : selector_check(selector);
}

bool config_selector_matches(const char *selector, const struct client_record *c)
{
	uint8_t id[CLIENT_ID_SIZE];

	if (client_id(selector, id))
		return memcmp(id, c->id, sizeof(id)) == 0;
	return selector_matches(selector, &c->labels);
}

bool config_selector_fits(
	const char *selector, const uint8_t id[static CLIENT_ID_SIZE], const char *labels)
{
	uint8_t meant[CLIENT_ID_SIZE];

	if (client_id(selector, meant))
		return memcmp(meant, id, sizeof(meant)) == 0;
	return selector_matches_text(selector, labels);
}

/* ---- reading */

static int record(struct rows *rows, struct config_record *ret)
{
	*ret = (struct config_record){
		.revision = rows_integer(rows, 1),
		.removal = rows_integer(rows, 2) != 0,
		.size = rows_integer(rows, 5),
		.created = rows_integer(rows, 6),
		.number = rows_integer(rows, 9),
	};
	rows_text(rows, 0, ret->name, sizeof(ret->name));
	rows_text(rows, 3, ret->selector, sizeof(ret->selector));
	rows_text(rows, 7, ret->created_by, sizeof(ret->created_by));
	rows_text(rows, 8, ret->note, sizeof(ret->note));
	return rows_bytes(rows, 4, ret->hash, sizeof(ret->hash)) ? 0 : -EIO;
}

static int one(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	struct config_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, sql, values, n, &rows);

	if (r < 0)
		return r;
	return record(rows, ret);
}

static int each(struct store *s, const struct sql *sql, const struct value *values, size_t n,
	config_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct config_record c;
	int r = db_rows(s->db, sql, values, n, &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = record(rows, &c);
		if (r == 0)
			r = visit(userdata, &c);
	}
	return r;
}

int store_config_get(
	struct store *s, const char *name, uint64_t revision, struct config_record *ret)
{
	if (revision == 0)
		return one(s, &newest, VALUES(value_text(name)), ret);
	return one(s, &by_revision, VALUES(value_text(name), value_integer(revision)), ret);
}

int store_config_content(
	struct store *s, const uint8_t hash[static CONFIG_HASH_SIZE], char **ret, size_t *ret_len)
{
	scoped(rows_endp) struct rows *rows = NULL;
	const void *content;
	int r = db_row(s->db, &get_content, VALUES(value_bytes(hash, CONFIG_HASH_SIZE)), &rows);

	if (r < 0)
		return r;
	content = rows->db->driver->bytes(rows, 0, ret_len);
	*ret = malloc(*ret_len + 1);
	if (!*ret)
		return -ENOMEM;
	if (*ret_len > 0)
		memcpy(*ret, content, *ret_len);
	(*ret)[*ret_len] = '\0';
	return 0;
}

int store_config_each(
	struct store *s, const char *after, uint32_t limit, config_visitor visit, void *userdata)
{
	return each(s, &list, VALUES(value_text(after), value_integer(limit ? limit : UINT64_MAX)),
		visit, userdata);
}

int store_config_history(struct store *s, const char *name, uint64_t before, uint32_t limit,
	config_visitor visit, void *userdata)
{
	return each(s, &history,
		VALUES(value_text(name), value_integer(before ? before : UINT64_MAX),
			value_integer(limit ? limit : UINT64_MAX)),
		visit, userdata);
}

int store_config_live(struct store *s, const char *name, config_visitor visit, void *userdata)
{
	return each(s, &live, VALUES(value_text(name)), visit, userdata);
}

struct wanted {
	const struct client_record *client;
	char name[CONFIG_NAME_SIZE]; /* the last that was found */
	config_visitor visit;
	void *userdata;
};

static int judge(void *userdata, const struct config_record *c)
{
	struct wanted *w = userdata;

	if (strcmp(c->name, w->name) == 0 || !config_selector_matches(c->selector, w->client))
		return 0;
	memcpy(w->name, c->name, sizeof(w->name));
	return w->visit(w->userdata, c);
}

int store_config_wanted(struct store *s, const struct client_record *client, const char *name,
	config_visitor visit, void *userdata)
{
	struct wanted w = { .client = client, .visit = visit, .userdata = userdata };

	return each(s, &live, VALUES(value_text(name)), judge, &w);
}

/* ---- numbers of orders */

uint64_t store_order_number(const struct client_record *client, const struct config_record *should)
{
	uint64_t number = client->order_number > 1 ? client->order_number : 1;

	return should && should->number > number ? should->number : number;
}

int store_client_renumber(struct store *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	uint64_t number = 0;
	int r = number_draw(s, &number);

	return r < 0 ? r
		     : db_run(s->db, &renumber,
			       VALUES(value_bytes(client, CLIENT_ID_SIZE), value_integer(number)),
			       NULL);
}

/* ---- pushing */

/* The same bytes are stored once, whatever names and revisions they have. */
static int store_content(struct store *s, const struct config_spec *spec,
	const uint8_t hash[static CONFIG_HASH_SIZE])
{
	uint64_t there = 0;
	int r = db_number(s->db, &has_content, VALUES(value_bytes(hash, CONFIG_HASH_SIZE)), &there);

	if (r < 0 || there > 0)
		return r;
	return db_run(s->db, &add_content,
		VALUES(value_bytes(hash, CONFIG_HASH_SIZE), value_bytes(spec->content, spec->len)),
		NULL);
}

static int audit_push(
	struct store *s, const struct config_spec *spec, const struct config_record *c)
{
	char object[CONFIG_NAME_SIZE + 24], hash[2 * CONFIG_HASH_SIZE + 1];
	char detail[SELECTOR_SIZE + 160];

	snprintf(object, sizeof(object), "%s@%llu", c->name, (unsigned long long)c->revision);
	sodium_bin2hex(hash, sizeof(hash), c->hash, sizeof(c->hash));
	snprintf(detail, sizeof(detail), "selector=%s size=%llu sha256=%s", c->selector,
		(unsigned long long)c->size, hash);
	return store_audit(s, spec->actor, spec->act, object, detail);
}

static int add(struct store *s, const struct config_spec *spec, uint64_t revision)
{
	uint8_t hash[CONFIG_HASH_SIZE] = {};
	uint64_t number = 0;
	int r = number_draw(s, &number);

	if (r == 0 && spec->content) {
		config_hash(spec->content, spec->len, hash);
		r = store_content(s, spec, hash);
	}
	if (r == 0)
		r = db_run(s->db, &bury, VALUES(value_text(spec->name), value_text(spec->selector)),
			NULL);
	if (r < 0)
		return r;
	return db_run(s->db, &insert,
		VALUES(value_text(spec->name), value_integer(revision),
			value_integer(!spec->content), value_text(spec->selector),
			value_bytes(hash, sizeof(hash)), value_integer(spec->len),
			value_integer(store_now(s)), value_text(spec->actor),
			value_text(spec->note), value_integer(number)),
		NULL);
}

int store_config_push(struct store *s, const struct config_spec *spec, struct config_record *ret)
{
	uint64_t revision = 0;
	int r;

	if (!order_name_ok(spec->name) || config_selector_check(spec->selector) < 0 ||
		spec->len > CONFIG_CONTENT_MAX || (spec->note && strlen(spec->note) >= NOTE_SIZE))
		return -EINVAL;
	r = db_number(s->db, &last, VALUES(value_text(spec->name)), &revision);
	if (r == 0)
		r = add(s, spec, revision + 1);
	if (r == 0)
		r = store_config_get(s, spec->name, revision + 1, ret);
	return r < 0 ? r : audit_push(s, spec, ret);
}

/* ---- what machines hold */

int store_held(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], struct holdings *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct holding h = {};
	int r = db_rows(s->db, &held, VALUES(value_bytes(client, CLIENT_ID_SIZE)), &rows);

	*ret = (struct holdings){};
	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		rows_text(rows, 0, h.name, sizeof(h.name));
		h.revision = rows_integer(rows, 1);
		rows_bytes(rows, 2, h.hash, sizeof(h.hash));
		r = holdings_put(ret, &h);
	}
	return r == -E2BIG ? -EIO : r;
}

static int insert_held(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const struct holding *h)
{
	return db_run(s->db, &add_held,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(h->name),
			value_integer(h->revision), value_bytes(h->hash, sizeof(h->hash))),
		NULL);
}

static bool same(const struct holdings *a, const struct holdings *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->of[i].name, b->of[i].name) != 0 ||
			a->of[i].revision != b->of[i].revision ||
			memcmp(a->of[i].hash, b->of[i].hash, CONFIG_HASH_SIZE) != 0)
			return false;
	return true;
}

int store_held_set(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const struct holdings *now)
{
	struct holdings before;
	int r = store_held(s, client, &before);

	if (r < 0 || same(&before, now))
		return r;
	r = db_run(s->db, &drop_all_held, VALUES(value_bytes(client, CLIENT_ID_SIZE)), NULL);
	for (size_t i = 0; r == 0 && i < now->count; i++)
		r = insert_held(s, client, &now->of[i]);
	return r < 0 ? r : 1;
}

int store_held_put(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const struct holding *h)
{
	int r = db_run(s->db, &drop_held,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(h->name)), NULL);

	return r < 0 || h->revision == 0 ? r : insert_held(s, client, h);
}

/* ---- refusals */

int store_refusal(struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *name,
	struct refusal *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &get_refused,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(name)), &rows);

	if (r < 0)
		return r;
	*ret = (struct refusal){ .revision = rows_integer(rows, 0),
		.time = rows_integer(rows, 1),
		.code = (uint16_t)rows_integer(rows, 2) };
	rows_text(rows, 3, ret->text, sizeof(ret->text));
	return 0;
}

int store_refusal_drop(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], const char *name)
{
	return db_run(s->db, &drop_refused,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(name)), NULL);
}

int store_refusal_set(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	const char *name, const struct refusal *why)
{
	int r = store_refusal_drop(s, client, name);

	if (r < 0)
		return r;
	return db_run(s->db, &add_refused,
		VALUES(value_bytes(client, CLIENT_ID_SIZE), value_text(name),
			value_integer(why->revision), value_integer(why->time),
			value_integer(why->code), value_text(why->text)),
		NULL);
}

/* ---- of all machines */

static int each_of(struct store *s, const struct sql *sql, const char *name, const uint8_t *after,
	uint32_t limit, held_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct config_held h = {};
	int r = db_rows(s->db, sql,
		VALUES(value_text(name),
			value_bytes(after ? (const void *)after : "", after ? CLIENT_ID_SIZE : 0),
			value_integer(limit)),
		&rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		h.revision = rows_integer(rows, 1);
		if (!rows_bytes(rows, 0, h.client, sizeof(h.client)))
			return -EIO;
		if (sql == &held_by)
			rows_bytes(rows, 2, h.hash, sizeof(h.hash));
		r = visit(userdata, &h);
	}
	return r;
}

int store_held_each(struct store *s, const char *name, const uint8_t *after, uint32_t limit,
	held_visitor visit, void *userdata)
{
	return each_of(s, &held_by, name, after, limit, visit, userdata);
}

int store_refused_each(struct store *s, const char *name, const uint8_t *after, uint32_t limit,
	held_visitor visit, void *userdata)
{
	return each_of(s, &refused_by, name, after, limit, visit, userdata);
}
