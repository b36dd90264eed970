/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "db.h"
#include "lib/buffer.h"

/* A file's path starts with a slash. */
const struct db_driver *db_driver_of(const char *location)
{
	static const char *const schemes[] = { "postgresql://", "postgres://" };

	for (size_t i = 0; i < COUNT(schemes); i++)
		if (strncmp(location, schemes[i], strlen(schemes[i])) == 0)
			return &db_postgresql;
	return *location != '/' && strchr(location, '=') ? &db_postgresql : &db_sqlite;
}

static const struct db_word *word_at(const char *text, const struct db_word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(text, words[i].common, strlen(words[i].common)) == 0)
			return &words[i];
	return NULL;
}

char *db_translate(const char *text, const struct db_word *words, size_t count)
{
	struct buffer out = {};
	int r = 0;

	while (r == 0 && *text) {
		const struct db_word *w = word_at(text, words, count);

		r = buffer_append(&out, w ? w->here : text, w ? strlen(w->here) : 1);
		text += w ? strlen(w->common) : 1;
	}
	if (r == 0)
		r = buffer_append(&out, "", 1);
	if (r < 0)
		buffer_clear(&out);
	return (char *)out.data;
}

struct value value_integer(uint64_t n)
{
	return (struct value){
		.kind = VALUE_INTEGER,
		.integer = n > INT64_MAX ? INT64_MAX : (int64_t)n,
	};
}

struct value value_text(const char *text)
{
	const char *t = text ? text : "";

	return (struct value){ .kind = VALUE_TEXT, .data = t, .len = strlen(t) };
}

struct value value_bytes(const void *data, size_t len)
{
	return (struct value){ .kind = VALUE_BYTES, .data = data, .len = len };
}

int db_rows(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	struct rows **ret)
{
	return db->driver->start(db, sql, values, count, ret);
}

int rows_next(struct rows *r)
{
	return r->db->driver->next(r);
}

void rows_end(struct rows *r)
{
	if (r)
		r->db->driver->end(r);
}

void rows_endp(struct rows **r)
{
	rows_end(*r);
}

uint64_t rows_integer(struct rows *r, int column)
{
	int64_t n = r->db->driver->integer(r, column);

	return n < 0 ? 0 : (uint64_t)n;
}

const char *rows_view(struct rows *r, int column)
{
	const char *text = r->db->driver->text(r, column);

	return text ? text : "";
}

bool rows_text(struct rows *r, int column, char *ret, size_t size)
{
	return (size_t)snprintf(ret, size, "%s", rows_view(r, column)) < size;
}

bool rows_bytes(struct rows *r, int column, void *ret, size_t len)
{
	size_t got = 0;
	const void *data = r->db->driver->bytes(r, column, &got);

	if (!data || got != len) {
		memset(ret, 0, len);
		return false;
	}
	memcpy(ret, data, len);
	return true;
}

int db_run(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	uint64_t *ret_changed)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(db, sql, values, count, &rows);

	do {
		if (r >= 0)
			r = rows_next(rows);
	} while (r > 0);
	if (r == 0 && ret_changed)
		*ret_changed = db->driver->changed(rows);
	return r;
}

int db_row(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	struct rows **ret)
{
	int r = db_rows(db, sql, values, count, ret);

	if (r == 0)
		r = rows_next(*ret);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int rows_last(struct rows *r)
{
	int more = rows_next(r);

	return more > 0 ? -ENOTUNIQ : more;
}

int db_number(struct db *db, const struct sql *sql, const struct value *values, size_t count,
	uint64_t *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(db, sql, values, count, &rows);

	if (r < 0)
		return r;
	*ret = rows_integer(rows, 0);
	return 0;
}

static const struct sql savepoint = { "SAVEPOINT part" };
static const struct sql release = { "RELEASE SAVEPOINT part" };
static const struct sql rollback_to = { "ROLLBACK TO SAVEPOINT part" };

int db_savepoint(struct db *db)
{
	return db_run(db, &savepoint, NULL, 0, NULL);
}

int db_release(struct db *db)
{
	return db_run(db, &release, NULL, 0, NULL);
}

int db_rollback_to(struct db *db)
{
	int r = db_run(db, &rollback_to, NULL, 0, NULL);

	return r < 0 ? r : db_release(db);
}
