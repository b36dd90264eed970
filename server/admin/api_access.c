/* SPDX-License-Identifier: MIT */
/* API tokens. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "answer.h"
#include "expires.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define LIFE_DEFAULT "90d"

static json_t *access_object(const struct access_record *a)
{
	json_t *scope = *a->scope ? json_string(a->scope) : json_null();

	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", a->id, "name",
		value_said(a->name), "role", role_name(a->role), "state",
		access_state_name(a->state), "scope", scope, "expires", value_time(a->expires),
		"created", value_time(a->created), "created_by", value_said(a->created_by),
		"last_used", value_time(a->used), "revoked", value_time(a->revoked));
}

static bool read_name(struct api_call *c, const char **ret)
{
	if (!read_string(c, "name", ACCESS_NAME_SIZE, ret))
		return false;
	if (*ret && **ret)
		return true;
	answer_refuse(c, 400, "bad-field", "field 'name' must say what the token is for");
	return false;
}

/* Absent, null and "*" are every client. An administrator's acts have no scope. */
static bool read_scope(struct api_call *c, enum role role, const char **ret)
{
	if (!read_string(c, "scope", SELECTOR_SIZE, ret))
		return false;
	if (!*ret || strcmp(*ret, "*") == 0) {
		*ret = "";
		return true;
	}
	if (selector_check(*ret) < 0) {
		answer_refuse(c, 400, "bad-field",
			"field 'scope': '%.200s' is not a selector: terms KEY, KEY=VALUE, "
			"KEY!=VALUE or !KEY with commas between them, or *",
			*ret);
		return false;
	}
	if (role < ROLE_ADMINISTRATOR)
		return true;
	answer_refuse(c, 400, "bad-field", "the role administrator can't be limited to a scope");
	return false;
}

void api_access_create(struct api_call *c)
{
	static const char *const fields[] = { "name", "role", "scope", "expires", NULL };
	struct access_spec spec = { .actor = c->actor };
	struct access_record made;
	char text[ACCESS_TEXT_SIZE];
	json_t *object;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_name(c, &spec.name) ||
		!read_role(c, &spec.role) || !read_scope(c, spec.role, &spec.scope) ||
		!read_expires(c, LIFE_DEFAULT, &spec.expires) || !answer_may_write(c))
		return;
	r = store_access_create(c->server->store, &spec, text, &made);
	if (r < 0) {
		answer_store_error(c, r == -ENOENT ? -EIO : r, "API token");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, made.id);
	c->secret = true;
	object = access_object(&made);
	if (object)
		json_object_set_new(object, "secret", json_string(text));
	answer_json(c, 201, object);
	sodium_memzero(text, sizeof(text));
}

static int list_one(void *userdata, const struct access_record *a)
{
	return listing_add(userdata, access_object(a), "%s", a->id);
}

void api_access_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct listing l;
	int r;

	if (!read_query(c, params, COUNT(params)) || !listing_begin(c, &params[1], &l))
		return;
	r = store_access_each(c->server->store, params[0].value, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "api_tokens", "API token");
}

void api_access_revoke(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	struct access_record a;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = store_access_revoke(c->server->store, c->id, c->actor, &a);
	if (r < 0) {
		answer_store_error(c, r, "API token");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, a.id);
	answer_json(c, 200, access_object(&a));
}
