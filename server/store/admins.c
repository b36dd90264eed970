/* SPDX-License-Identifier: MIT */
#include "admins.h"

#include <errno.h>
#include <string.h>

#include "internal.h"

#define COLUMNS "name, role, password, created, changed, login, created_by"

static const struct sql insert = {
	"INSERT INTO admin (name, role, password, created, changed, created_by)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
};
static const struct sql by_name = { "SELECT " COLUMNS " FROM admin WHERE name = $1" };
static const struct sql list = { "SELECT " COLUMNS
				 " FROM admin WHERE name > $1 ORDER BY name LIMIT $2" };
static const struct sql set_role = { "UPDATE admin SET role = $2 WHERE name = $1" };
static const struct sql set_password = {
	"UPDATE admin SET password = $2, changed = $3 WHERE name = $1"
};
static const struct sql remove_admin = { "DELETE FROM admin WHERE name = $1" };
static const struct sql end_sessions = { "DELETE FROM session WHERE admin = $1 AND id <> $2" };
static const struct sql count_all = { "SELECT count(*) FROM admin WHERE role = 3" };

bool admin_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < ACCESS_NAME_SIZE && !strchr("._-@", *name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-@") == len;
}

/* What isn't a role, in a database that somebody has been at, is none; a hash cut short fits no
 * password. */
static void record(struct rows *rows, struct admin_record *ret)
{
	uint64_t role = rows_integer(rows, 1);

	*ret = (struct admin_record){
		.role = role <= ROLE_ADMINISTRATOR ? (enum role)role : ROLE_NONE,
		.created = rows_integer(rows, 3),
		.changed = rows_integer(rows, 4),
		.login = rows_integer(rows, 5),
	};
	rows_text(rows, 0, ret->name, sizeof(ret->name));
	rows_text(rows, 2, ret->password, sizeof(ret->password));
	rows_text(rows, 6, ret->created_by, sizeof(ret->created_by));
}

int store_admin_get(struct store *s, const char *name, struct admin_record *ret)
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_row(s->db, &by_name, VALUES(value_text(name)), &rows);

	if (r < 0)
		return r;
	record(rows, ret);
	return rows_last(rows);
}

int store_admin_add(struct store *s, const struct admin_spec *spec, struct admin_record *ret)
{
	uint64_t now = store_now(s);
	char detail[64];
	int r = store_admin_get(s, spec->name, ret);

	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	r = db_run(s->db, &insert,
		VALUES(value_text(spec->name), value_integer(spec->role),
			value_text(spec->password), value_integer(now),
			value_integer(spec->password ? now : 0), value_text(spec->actor)),
		NULL);
	snprintf(detail, sizeof(detail), "role=%s password=%s", role_name(spec->role),
		spec->password ? "yes" : "no");
	if (r == 0)
		r = store_audit(s, spec->actor, "admin.add", spec->name, detail);
	return r < 0 ? r : store_admin_get(s, spec->name, ret);
}

/* After the change of a row that may not be there, whose sessions end with it. */
static int changed(struct store *s, int r, uint64_t rows, const char *name, const char *but)
{
	if (r == 0 && rows == 0)
		return -ENOENT;
	return r < 0 ? r
		     : db_run(s->db, &end_sessions, VALUES(value_text(name), value_text(but)),
			       NULL);
}

int store_admin_set_role(struct store *s, const char *name, enum role role, const char *actor)
{
	uint64_t rows = 0;
	int r = db_run(s->db, &set_role, VALUES(value_text(name), value_integer(role)), &rows);

	r = changed(s, r, rows, name, "");
	return r < 0 ? r : store_audit(s, actor, "admin.role", name, role_name(role));
}

int store_admin_set_password(struct store *s, const char *name, const char *password,
	const char *but_session, const char *actor)
{
	uint64_t rows = 0;
	int r = db_run(s->db, &set_password,
		VALUES(value_text(name), value_text(password), value_integer(store_now(s))), &rows);

	r = changed(s, r, rows, name, but_session);
	return r < 0 ? r : store_audit(s, actor, "admin.password", name, "");
}

int store_admin_remove(struct store *s, const char *name, const char *actor)
{
	uint64_t rows = 0;
	int r = db_run(s->db, &remove_admin, VALUES(value_text(name)), &rows);

	r = changed(s, r, rows, name, "");
	return r < 0 ? r : store_audit(s, actor, "admin.remove", name, "");
}

int store_admin_each(
	struct store *s, const char *after, uint32_t limit, admin_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct admin_record a;
	int r = db_rows(s->db, &list,
		VALUES(value_text(after), value_integer(limit ? limit : UINT64_MAX)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		record(rows, &a);
		r = visit(userdata, &a);
	}
	return r;
}

int store_admin_count(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &count_all, NULL, 0, ret);
}
