/* SPDX-License-Identifier: MIT */
/* Logging in and out. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "../changes.h"
#include "../log.h"
#include "access.h"
#include "answer.h"
#include "page.h"
#include "passwords.h"
#include "read.h"
#include "value.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "" where the client is not there by IP. */
static void address_of(const struct api_call *c, char ret[static ADDRESS_SIZE])
{
	static const struct source none;

	*ret = '\0';
	if (!source_equal(&c->source, &none))
		source_text(&c->source, ret);
}

/* ---- what a session is shown as */

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *session_object(const struct caller *who)
{
	const char *name = *who->name ? who->name : who->actor;

	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o}", "name", value_said(name), "role",
		role_name(who->role), "how", caller_how_name(who->how), "scope",
		text_or_null(who->scope), "csrf", text_or_null(who->csrf), "expires",
		value_time(who->expires));
}

void api_session_show(struct api_call *c)
{
	if (read_query(c, NULL, 0))
		answer_json(c, 200, session_object(&c->who));
}

/* ---- logging in */

struct login {
	struct hashing *job;
	char name[ACCESS_NAME_SIZE];
	char hash[PASSWORD_HASH_SIZE]; /* what the password was held against */
};

static void login_end(void *state)
{
	struct login *l = state;

	l->job = hashing_free(l->job);
}

/* In the log always, in the audit log as often as strangers may write there. */
static bool note_wrong(struct api_call *c, const char *name)
{
	static struct log_rate rate;
	char address[ADDRESS_SIZE], detail[ADDRESS_SIZE + 64];
	uint32_t untold = 0;
	int r;

	address_of(c, address);
	log_limited(&rate, LOG_WARNING, "a wrong login as '%s' from %s", name, address);
	if (!logins_tell(c->server->access->logins, now_ms(), &untold))
		return true;
	snprintf(detail, sizeof(detail), untold ? "from %s, and %u more since the last" : "from %s",
		address, untold);
	if (!answer_may_write(c))
		return false;
	r = store_audit(c->server->store, "nobody", "session.refuse", name, detail);
	if (r < 0)
		answer_store_error(c, -EIO, "");
	return r == 0;
}

static void welcome(struct api_call *c, const struct admin_record *admin)
{
	struct session_limits limits = access_limits(c->server);
	uint8_t secret[SESSION_SECRET_SIZE];
	char address[ADDRESS_SIZE], cookie[COOKIE_LINE_SIZE];
	struct session_record made;
	int r;

	address_of(c, address);
	if (!answer_may_write(c))
		return;
	r = store_session_start(c->server->store, admin->name, address, &limits, secret, &made);
	if (r < 0) {
		answer_store_error(c, -EIO, "");
		return;
	}
	logins_right(c->server->access->logins, &c->source, admin->name, now_ms());
	changes_tell(c->server, CHANGE_ACCESS, admin->name);
	c->who = (struct caller){
		.how = CALLER_SESSION, .role = made.role, .expires = made.expires
	};
	memcpy(c->who.name, made.admin, sizeof(c->who.name));
	access_csrf(secret, c->who.csrf);
	access_cookie(c, secret, cookie);
	answer_json_with(c, 200, session_object(&c->who), cookie);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(cookie, sizeof(cookie));
}

/* While the password was looked at the administrator may have gone, or have got another. */
static bool is_same(struct api_call *c, const struct login *l, struct admin_record *ret)
{
	return *l->hash && store_admin_get(c->server->store, l->name, ret) == 0 &&
	       strcmp(ret->password, l->hash) == 0;
}

static bool login_on(struct api_call *c)
{
	struct login *l = c->state;
	char hash[PASSWORD_HASH_SIZE];
	struct admin_record admin;
	bool right;

	if (!hashing_is_done(l->job))
		return true;
	right = hashing_result(l->job, hash) == 0;
	if (right && is_same(c, l, &admin))
		welcome(c, &admin);
	else if (note_wrong(c, l->name))
		answer_refuse(c, 401, "wrong-login", "there is no such name with this password");
	return false;
}

/* A name that nobody can have takes as long, and gets the same answer, as one that somebody has. */
static bool start_login(struct api_call *c, const char *name, const char *password)
{
	struct login *l = api_state(c, sizeof(*l));
	struct admin_record admin;
	int r = l && admin_name_ok(name) ? store_admin_get(c->server->store, name, &admin)
					 : -ENOENT;

	if (!l)
		return false;
	c->end = login_end;
	snprintf(l->name, sizeof(l->name), "%s", name);
	if (r < 0 && r != -ENOENT) {
		answer_store_error(c, r, "");
		return false;
	}
	if (r == 0)
		memcpy(l->hash, admin.password, sizeof(l->hash));
	r = hasher_check(c->server->access->hasher, l->hash, password, &l->job);
	if (r < 0)
		refuse_busy(c, 1);
	return r == 0;
}

void api_session_start(struct api_call *c)
{
	static const char *const fields[] = { "name", "password", NULL };
	char password[PASSWORD_SIZE];
	const char *name;
	uint32_t wait;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_string(c, "name", ACCESS_NAME_SIZE, &name) ||
		!read_password(c, "password", 0, password))
		return;
	if (!name) {
		answer_refuse(c, 400, "bad-field", "fields 'name' and 'password' must be given");
		return;
	}
	wait = logins_try(c->server->access->logins, &c->source, name, now_ms());
	if (wait > 0)
		refuse_busy(c, wait);
	else if (start_login(c, name, password)) {
		c->step = login_on;
		c->pause = HASHER_ASK_USEC;
	}
	sodium_memzero(password, sizeof(password));
}

/* ---- logging out */

void api_session_leave(struct api_call *c)
{
	char cookie[COOKIE_LINE_SIZE];
	int r = 0;

	if (!read_query(c, NULL, 0))
		return;
	if (c->who.how == CALLER_SESSION) {
		if (!answer_may_write(c))
			return;
		r = store_session_end(c->server->store, c->who.id, NULL, c->actor);
	}
	if (r < 0 && r != -ENOENT) {
		answer_store_error(c, r, "session");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, c->who.name);
	access_cookie(c, NULL, cookie);
	answer_nothing(c, cookie);
}

/* ---- one's own password */

struct renewal {
	struct login login; /* of the old one */
	char password[PASSWORD_SIZE];
};

static void change_end(void *state)
{
	login_end(state);
}

static bool change_done(struct api_call *c)
{
	struct renewal *s = c->state;
	char hash[PASSWORD_HASH_SIZE];
	int r;

	if (!hashing_is_done(s->login.job))
		return true;
	r = hashing_result(s->login.job, hash);
	if (r < 0) {
		answer_refuse(c, 503, "internal", "there is not enough memory for it now");
		return false;
	}
	if (!answer_may_write(c))
		return false;
	r = store_admin_set_password(c->server->store, c->who.name, hash, c->who.id, c->actor);
	if (r < 0) {
		answer_store_error(c, r, "administrator");
		return false;
	}
	changes_tell(c->server, CHANGE_ACCESS, c->who.name);
	answer_nothing(c, "");
	return false;
}

static bool change_on(struct api_call *c)
{
	struct renewal *s = c->state;
	char hash[PASSWORD_HASH_SIZE];
	struct admin_record admin;

	if (!hashing_is_done(s->login.job))
		return true;
	if (hashing_result(s->login.job, hash) < 0 || !is_same(c, &s->login, &admin)) {
		if (note_wrong(c, s->login.name))
			answer_refuse(c, 403, "wrong-login", "that is not your password");
		return false;
	}
	logins_right(c->server->access->logins, &c->source, s->login.name, now_ms());
	s->login.job = hashing_free(s->login.job);
	if (hasher_make(c->server->access->hasher, s->password, &s->login.job) < 0) {
		refuse_busy(c, 1);
		return false;
	}
	c->step = change_done;
	return true;
}

static void start_change(struct api_call *c, const char *old, const char *new)
{
	struct renewal *s = api_state(c, sizeof(*s));
	struct admin_record admin;
	uint32_t wait;
	int r;

	if (!s)
		return;
	c->end = change_end;
	wait = logins_try(c->server->access->logins, &c->source, c->who.name, now_ms());
	if (wait > 0) {
		refuse_busy(c, wait);
		return;
	}
	r = store_admin_get(c->server->store, c->who.name, &admin);
	if (r < 0) {
		answer_store_error(c, r, "administrator");
		return;
	}
	memcpy(s->login.name, admin.name, sizeof(s->login.name));
	memcpy(s->login.hash, admin.password, sizeof(s->login.hash));
	strcpy(s->password, new);
	if (hasher_check(c->server->access->hasher, s->login.hash, old, &s->login.job) < 0) {
		refuse_busy(c, 1);
		return;
	}
	c->step = change_on;
	c->pause = HASHER_ASK_USEC;
}

void api_session_password(struct api_call *c)
{
	static const char *const fields[] = { "old", "new", NULL };
	char old[PASSWORD_SIZE], new[PASSWORD_SIZE];

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_password(c, "old", 0, old) || !read_password(c, "new", PASSWORD_MIN, new))
		return;
	if (c->who.how != CALLER_SESSION)
		answer_refuse(c, 409, "no-session", "this is for those who have logged in");
	else
		start_change(c, old, new);
	sodium_memzero(old, sizeof(old));
	sodium_memzero(new, sizeof(new));
}

/* ---- sessions */

struct sessions {
	struct listing listing;
	const struct api_call *call;
};

static json_t *listed_object(const struct api_call *c, const struct session_record *r)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "id", r->id, "name", r->admin,
		"role", role_name(r->role), "address", value_said_or_null(r->address), "created",
		value_time(r->created), "last_used", value_time(r->used), "expires",
		value_time(r->expires), "own", strcmp(r->id, c->who.id) == 0);
}

static int list_one(void *userdata, const struct session_record *r)
{
	struct sessions *s = userdata;

	return listing_add(&s->listing, listed_object(s->call, r), "%s", r->id);
}

/* Whose sessions who asks may see and end; NULL: everybody's. */
static const char *whose(const struct api_call *c)
{
	return c->who.role == ROLE_ADMINISTRATOR ? NULL : c->who.name;
}

void api_session_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct session_limits limits = access_limits(c->server);
	struct sessions s = { .call = c };
	int r;

	if (!read_query(c, params, COUNT(params)) || !listing_begin(c, &params[1], &s.listing))
		return;
	r = store_session_each(c->server->store, whose(c), params[0].value,
		listing_rows(&s.listing), &limits, list_one, &s);
	listing_answer(c, &s.listing, r, "sessions", "session");
}

void api_session_end(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = store_session_end(c->server->store, c->id, whose(c), c->actor);
	if (r < 0) {
		answer_store_error(c, r, "session");
		return;
	}
	changes_tell(c->server, CHANGE_ACCESS, c->id);
	answer_nothing(c, "");
}
