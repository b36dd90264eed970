/* SPDX-License-Identifier: MIT */
/* Administrators: who may log in, and what they may do. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "access.h"
#include "answer.h"
#include "page.h"
#include "passwords.h"
#include "read.h"
#include "repeat.h"
#include "value.h"

static json_t *admin_object(const struct admin_record *a)
{
	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "name", a->name, "role",
		role_name(a->role), "password", *a->password != '\0', "created",
		value_time(a->created), "created_by", value_said(a->created_by), "password_changed",
		value_time(a->changed), "last_login", value_time(a->login));
}

/* ---- list */

static int list_one(void *userdata, const struct admin_record *a)
{
	return listing_add(userdata, admin_object(a), "%s", a->name);
}

void api_admin_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct listing l;
	int r;

	if (!read_query(c, params, COUNT(params)) || !listing_begin(c, &params[1], &l))
		return;
	r = store_admin_each(c->server->store, params[0].value, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "admins", "administrator");
}

/* ---- changes that take a password */

struct order {
	struct hashing *job;
	char name[ACCESS_NAME_SIZE];
	enum role role;
	bool adds;
};

static void order_end(void *state)
{
	struct order *o = state;

	o->job = hashing_free(o->job);
}

/* What the administrator is now, or why not. */
static void answer_admin(struct api_call *c, int r, int status, const char *name)
{
	struct admin_record admin;

	snprintf(c->id, sizeof(c->id), "%s", name);
	if (r == 0)
		r = store_admin_get(c->server->store, name, &admin);
	if (r == -EEXIST) {
		answer_refuse(c, 409, "exists", "there is an administrator '%s' already", name);
		return;
	}
	if (r < 0) {
		answer_store_error(c, r, "administrator");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, name);
	answer_json(c, status, admin_object(&admin));
}

static void carry_out(struct api_call *c, const struct order *o, const char *hash)
{
	struct admin_spec spec = {
		.name = o->name,
		.role = o->role,
		.password = hash,
		.actor = c->actor,
	};
	struct admin_record made;
	int r;

	if (!answer_may_write(c) || !repeat_is_first(c))
		return;
	r = o->adds ? store_admin_add(c->server->store, &spec, &made)
		    : store_admin_set_password(c->server->store, o->name, hash, "", c->actor);
	answer_admin(c, r, o->adds ? 201 : 200, o->name);
}

static bool hash_on(struct api_call *c)
{
	struct order *o = c->state;
	char hash[PASSWORD_HASH_SIZE];

	if (!hashing_is_done(o->job))
		return true;
	if (hashing_result(o->job, hash) < 0)
		answer_refuse(c, 503, "internal", "there is not enough memory for it now");
	else
		carry_out(c, o, hash);
	return false;
}

static void begin(struct api_call *c, struct order *o, const char *password)
{
	c->end = order_end;
	if (hasher_make(c->server->access->hasher, password, &o->job) < 0) {
		refuse_busy(c, 1);
		return;
	}
	c->step = hash_on;
	c->pause = HASHER_ASK_USEC;
}

static bool read_name(struct api_call *c, char ret[static ACCESS_NAME_SIZE])
{
	const char *name;

	if (!read_string(c, "name", 1024, &name))
		return false;
	if (name && admin_name_ok(name)) {
		strcpy(ret, name);
		return true;
	}
	answer_refuse(c, 400, "bad-field",
		"field 'name' must be 1 to 64 of a-z 0-9 . _ - @, the first a letter or digit");
	return false;
}

/* Without a password: one whom a trusted proxy lets in. */
void api_admin_add(struct api_call *c)
{
	static const char *const fields[] = { "name", "role", "password", NULL };
	struct order *o = api_state(c, sizeof(*o));
	json_t *given = json_object_get(c->body, "password");
	bool has_password = given && !json_is_null(given);
	char password[PASSWORD_SIZE] = "";
	struct admin_record there;

	if (!o || !read_query(c, NULL, 0) || !read_fields(c, fields) || !read_name(c, o->name) ||
		!read_role(c, &o->role) ||
		(has_password && !read_password(c, "password", PASSWORD_MIN, password)))
		return;
	o->adds = true;
	if (store_admin_get(c->server->store, o->name, &there) == 0)
		answer_admin(c, -EEXIST, 0, o->name);
	else if (has_password)
		begin(c, o, password);
	else
		carry_out(c, o, NULL);
	sodium_memzero(password, sizeof(password));
}

void api_admin_password(struct api_call *c)
{
	static const char *const fields[] = { "password", NULL };
	struct order *o = api_state(c, sizeof(*o));
	char password[PASSWORD_SIZE];
	struct admin_record there;
	int r;

	if (!o || !read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_password(c, "password", PASSWORD_MIN, password))
		return;
	r = store_admin_get(c->server->store, c->id, &there);
	if (r < 0)
		answer_store_error(c, r, "administrator");
	else {
		memcpy(o->name, there.name, sizeof(o->name));
		begin(c, o, password);
	}
	sodium_memzero(password, sizeof(password));
}

/* ---- the others */

/* Whoever is at the server can always make another; over HTTP nobody can take all away. To be asked
 * in the transaction that would do it: another server could take the other one away meanwhile. */
static bool leaves_one(struct api_call *c)
{
	struct admin_record admin;
	uint64_t count = 0;
	int r = store_admin_get(c->server->store, c->id, &admin);

	if (r == 0)
		r = store_admin_count(c->server->store, &count);
	if (r < 0) {
		answer_store_error(c, r, "administrator");
		return false;
	}
	if (c->who.how == CALLER_SOCKET || admin.role < ROLE_ADMINISTRATOR || count > 1)
		return true;
	answer_refuse(c, 409, "last-administrator",
		"'%s' is the last who may do everything; musterctl on the server can change that",
		admin.name);
	return false;
}

void api_admin_role(struct api_call *c)
{
	static const char *const fields[] = { "role", NULL };
	char name[API_ID_SIZE];
	enum role role;
	int r;

	snprintf(name, sizeof(name), "%s", c->id);
	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_role(c, &role) ||
		!answer_may_write(c) || (role < ROLE_ADMINISTRATOR && !leaves_one(c)))
		return;
	r = store_admin_set_role(c->server->store, name, role, c->actor);
	answer_admin(c, r, 200, name);
}

void api_admin_remove(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c) ||
		!leaves_one(c))
		return;
	r = store_admin_remove(c->server->store, c->id, c->actor);
	if (r < 0) {
		answer_store_error(c, r, "administrator");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, c->id);
	answer_nothing(c, "");
}
