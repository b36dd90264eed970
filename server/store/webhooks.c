/* SPDX-License-Identifier: MIT */
#include "webhooks.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ids.h"
#include "internal.h"
#include "lib/secret.h"

#define SALT_SIZE 16
#define WEBHOOK_COLUMNS                                                                            \
	"id, url, events, note, created_by, created, position, delivered, failing_since, "         \
	"disabled,"                                                                                \
	" error"

static const struct sql insert = { "INSERT INTO webhook (" WEBHOOK_COLUMNS ", salt)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, '', $8)" };
static const struct sql by_prefix = {
	"SELECT " WEBHOOK_COLUMNS
	" FROM webhook WHERE substr(id, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2"
};
static const struct sql list = { "SELECT " WEBHOOK_COLUMNS " FROM webhook ORDER BY id" };
static const struct sql count = { "SELECT count(*) FROM webhook" };
static const struct sql delete = { "DELETE FROM webhook WHERE id = $1" };
static const struct sql get_salt = { "SELECT salt FROM webhook WHERE id = $1" };
static const struct sql enable = {
	"UPDATE webhook SET disabled = 0, failing_since = 0, error = '' WHERE id = $1"
};
/* Never back: an attempt that was overtaken says nothing any more. */
static const struct sql pass = {
	"UPDATE webhook SET position = $2 WHERE id = $1 AND position < $2"
};
static const struct sql delivered = {
	"UPDATE webhook SET position = $2, delivered = $3, failing_since = 0, error = ''"
	" WHERE id = $1 AND position < $2"
};
static const struct sql failed = {
	"UPDATE webhook SET error = $2, disabled = $4,"
	" failing_since = CASE WHEN failing_since = 0 THEN $3 ELSE failing_since END WHERE id = $1"
};

/* ---- patterns */

/* An act is words of lower case with dots and dashes. */
static bool pattern_ok(const char *text, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz.-";
	size_t word = strspn(text, letters);

	if (word > len)
		word = len;
	return len > 0 && (word == len || (word + 1 == len && text[word] == '*'));
}

bool webhook_events_ok(const char *events)
{
	if (strlen(events) >= WEBHOOK_EVENTS_SIZE)
		return false;
	for (;;) {
		size_t len = strcspn(events, ",");

		if (!pattern_ok(events, len))
			return false;
		if (events[len] == '\0')
			return true;
		events += len + 1;
	}
}

bool webhook_wants(const char *events, const char *act)
{
	for (;;) {
		size_t len = strcspn(events, ",");
		bool open = len > 0 && events[len - 1] == '*';
		size_t fixed = open ? len - 1 : len;

		if (strncmp(events, act, fixed) == 0 && (open || act[fixed] == '\0'))
			return true;
		if (events[len] == '\0')
			return false;
		events += len + 1;
	}
}

/* ---- reading */

static void record(struct rows *rows, struct webhook_record *ret)
{
	*ret = (struct webhook_record){
		.created = rows_integer(rows, 5),
		.position = rows_integer(rows, 6),
		.delivered = rows_integer(rows, 7),
		.failing_since = rows_integer(rows, 8),
		.disabled = rows_integer(rows, 9),
	};
	rows_text(rows, 0, ret->id, sizeof(ret->id));
	rows_text(rows, 1, ret->url, sizeof(ret->url));
	rows_text(rows, 2, ret->events, sizeof(ret->events));
	rows_text(rows, 3, ret->note, sizeof(ret->note));
	rows_text(rows, 4, ret->created_by, sizeof(ret->created_by));
	rows_text(rows, 10, ret->error, sizeof(ret->error));
}

int store_webhook_get(struct store *s, const char *id_or_prefix, struct webhook_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &by_prefix,
		VALUES(value_text(id_or_prefix), value_integer(strlen(id_or_prefix))), &rows);

	if (r < 0)
		return r;
	record(rows, ret);
	return rows_last(rows);
}

int store_webhook_each(struct store *s, webhook_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct webhook_record w;
	int r = db_rows(s->db, &list, NULL, 0, &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		record(rows, &w);
		r = visit(userdata, &w);
	}
	return r;
}

/* ---- making and ending */

static int add(struct store *s, const struct webhook_spec *spec, const char *id, uint64_t position)
{
	uint8_t salt[SALT_SIZE];

	random_bytes(salt, sizeof(salt));
	return db_run(s->db, &insert,
		VALUES(value_text(id), value_text(spec->url), value_text(spec->events),
			value_text(spec->note ? spec->note : ""), value_text(spec->actor),
			value_integer(store_now(s)), value_integer(position),
			value_bytes(salt, sizeof(salt))),
		NULL);
}

/* "https://host:8443": what comes after it may be what opens the door there, and the audit log is for
 * more eyes. */
static int origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return (int)(host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0);
}

int store_webhook_create(
	struct store *s, const struct webhook_spec *spec, struct webhook_record *ret)
{
	scoped(freep) char *detail = NULL;
	char id[WEBHOOK_ID_SIZE];
	uint64_t number = 0, position = 0;
	int r = db_number(s->db, &count, NULL, 0, &number);

	if (r < 0)
		return r;
	if (number >= WEBHOOKS_MAX)
		return -E2BIG;
	id_make('w', id);
	if (asprintf(&detail, "to=%.*s events=%s", origin_len(spec->url), spec->url, spec->events) <
		0) {
		detail = NULL;
		return -ENOMEM;
	}
	r = store_audit(s, spec->actor, "webhook.create", id, detail);
	if (r == 0)
		r = store_audit_count(s, &position);
	if (r == 0)
		r = add(s, spec, id, position);
	return r < 0 ? r : store_webhook_get(s, id, ret);
}

int store_webhook_remove(
	struct store *s, const char *id_or_prefix, const char *actor, struct webhook_record *ret)
{
	int r = store_webhook_get(s, id_or_prefix, ret);

	if (r == 0)
		r = db_run(s->db, &delete, VALUES(value_text(ret->id)), NULL);
	return r < 0 ? r : store_audit(s, actor, "webhook.remove", ret->id, "");
}

int store_webhook_enable(
	struct store *s, const char *id_or_prefix, const char *actor, struct webhook_record *ret)
{
	int r = store_webhook_get(s, id_or_prefix, ret);
	bool was = r == 0 && ret->disabled != 0;

	if (r == 0)
		r = db_run(s->db, &enable, VALUES(value_text(ret->id)), NULL);
	if (r == 0 && was)
		r = store_audit(s, actor, "webhook.enable", ret->id, "");
	return r < 0 ? r : store_webhook_get(s, ret->id, ret);
}

/* ---- attempts */

int store_webhook_done(struct store *s, const char *id, uint64_t position, bool was_delivered)
{
	uint64_t changed = 0;
	int r = was_delivered ? db_run(s->db, &delivered,
					VALUES(value_text(id), value_integer(position),
						value_integer(store_now(s))),
					&changed)
			      : db_run(s->db, &pass,
					VALUES(value_text(id), value_integer(position)), &changed);

	return r < 0 ? r : changed == 1 ? 0 : -ENOENT;
}

int store_webhook_failed(struct store *s, const char *id, const char *error, bool disable)
{
	uint64_t now = store_now(s), changed = 0;
	int r = db_run(s->db, &failed,
		VALUES(value_text(id), value_text(error), value_integer(now),
			value_integer(disable ? now : 0)),
		&changed);

	if (r < 0 || changed != 1)
		return r < 0 ? r : -ENOENT;
	return disable ? store_audit(s, "server", "webhook.disable", id, error) : 0;
}

int store_webhook_secret(struct store *s, const char *id, uint8_t ret[static WEBHOOK_SECRET_SIZE])
{
	static const char domain[] = "muster-webhook-1";
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t text[sizeof(domain) + SALT_SIZE];
	int r = db_row(s->db, &get_salt, VALUES(value_text(id)), &rows);

	if (r < 0)
		return r;
	memcpy(text, domain, sizeof(domain));
	if (!rows_bytes(rows, 0, text + sizeof(domain), SALT_SIZE))
		return -EIO;
	/* Can't fail: all lengths are within BLAKE2b's. A token's hash is of 8 bytes, never of these. */
	(void)crypto_generichash(
		ret, WEBHOOK_SECRET_SIZE, text, sizeof(text), s->token_key, TOKEN_KEY_SIZE);
	return 0;
}
