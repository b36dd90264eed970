/* SPDX-License-Identifier: MIT */
/* Administrators and their sessions. */
#include <string.h>
#include <unistd.h>

#include "prompt.h"
#include "table.h"

#define PASSWORD_SIZE 258 /* one byte more than any may have, and the NUL */

/* ---- passwords: at the terminal or on standard input, never in the arguments */

/* Twice from a person. */
static int read_password(char ret[static PASSWORD_SIZE])
{
	char again[PASSWORD_SIZE] = "";
	bool person = isatty(STDIN_FILENO);
	int r = CTL_OK;

	if (!prompt_hidden("Password", ret, PASSWORD_SIZE) ||
		(person && !prompt_hidden("Once more", again, sizeof(again))))
		r = complain(CTL_USAGE, person ? "no password" : "no password on standard input");
	else if (person && strcmp(ret, again) != 0)
		r = complain(CTL_USAGE, "these were two different passwords");
	explicit_bzero(again, sizeof(again));
	return r;
}

/* Into the request's body. */
static int add_password(json_t *body)
{
	char password[PASSWORD_SIZE] = "";
	int r = read_password(password);
	json_t *text = r == CTL_OK ? json_string(password) : NULL;

	if (r == CTL_OK && !text)
		r = complain(CTL_USAGE, "the password is not UTF-8");
	if (text)
		json_object_set_new(body, "password", text);
	explicit_bzero(password, sizeof(password));
	return r;
}

/* ---- acts */

static int path_of(char *ret, size_t size, const char *name, const char *act)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-@");

	if (len == 0 || name[len] || len > 64)
		return complain(CTL_NOT_FOUND, "there is no administrator '%s'", name);
	snprintf(ret, size, "/api/v1/admins/%s/%s", name, act);
	return CTL_OK;
}

static int post(struct ctl *c, const char *path, json_t *body, const char *done, const char *name)
{
	json_t *answer = NULL;
	int r = request_post(c, path, body, &answer);

	if (r == CTL_OK && c->json)
		return print_json(answer);
	if (r == CTL_OK)
		fprintf(stderr, "administrator %s %s\n", name, done);
	json_decref(answer);
	return r;
}

int admin_add(struct ctl *c, int argc, char **argv)
{
	const char *role = NULL;
	bool without = false;
	const struct option options[] = {
		{ "role", OPTION_VALUE, { .value = &role } },
		{ "no-password", OPTION_FLAG, { .flag = &without } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 1);
	json_t *body;

	if (r != CTL_OK)
		return r;
	if (!role)
		return complain(CTL_USAGE, "--role viewer, operator or administrator?");
	body = json_pack("{s:s, s:s}", "name", argv[0], "role", role);
	if (!body)
		return complain(CTL_USAGE, "the name is not UTF-8");
	if (!without)
		r = add_password(body);
	if (r == CTL_OK)
		r = post(c, "/api/v1/admins", body, "may log in", argv[0]);
	json_decref(body);
	return r;
}

int admin_role(struct ctl *c, int argc, char **argv)
{
	char path[256], done[64];
	int r = options_only(c, NULL, 0, argc, argv, 2);
	json_t *body;

	if (r == CTL_OK)
		r = path_of(path, sizeof(path), argv[0], "role");
	if (r != CTL_OK)
		return r;
	body = json_pack("{s:s}", "role", argv[1]);
	snprintf(done, sizeof(done), "has the role %.32s", argv[1]);
	r = body ? post(c, path, body, done, argv[0])
		 : complain(CTL_USAGE, "the role is not UTF-8");
	json_decref(body);
	return r;
}

int admin_password(struct ctl *c, int argc, char **argv)
{
	char path[256];
	int r = options_only(c, NULL, 0, argc, argv, 1);
	json_t *body = json_object();

	if (r == CTL_OK)
		r = path_of(path, sizeof(path), argv[0], "password");
	if (r == CTL_OK)
		r = add_password(body);
	if (r == CTL_OK)
		r = post(c, path, body, "has another password", argv[0]);
	json_decref(body);
	return r;
}

int admin_remove(struct ctl *c, int argc, char **argv)
{
	char path[256];
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r == CTL_OK)
		r = path_of(path, sizeof(path), argv[0], "remove");
	return r == CTL_OK ? post(c, path, NULL, "is gone", argv[0]) : r;
}

/* ---- lists */

static void list_admin(void *userdata, json_t *admin)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];
	bool password = json_is_true(json_object_get(admin, "password"));

	table_row(t, get(admin, "name"));
	table_add(t, get(admin, "name"), PAINT_NONE);
	table_add(t, get(admin, "role"), PAINT_NONE);
	table_add(
		t, password ? when(get(admin, "password_changed"), "", time) : "none", PAINT_NONE);
	table_add(t, when(get(admin, "last_login"), "never", time), PAINT_NONE);
	table_add(t, when(get(admin, "created"), "", time), PAINT_NONE);
	table_add(t, get(admin, "created_by"), PAINT_NONE);
}

int admin_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "NAME", "ROLE", "PASSWORD", "LAST LOGIN", "CREATED",
		"BY" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_list(c, "/api/v1/admins", "admins", list_admin, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "no administrators yet: musterctl admin add\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

static void list_session(void *userdata, json_t *session)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];

	table_row(t, get(session, "created"));
	table_add(t, get(session, "id"), PAINT_NONE);
	table_add(t, get(session, "name"), PAINT_NONE);
	table_add(t, get(session, "role"), PAINT_NONE);
	table_add(t, get(session, "address"), PAINT_NONE);
	table_add(t, when(get(session, "created"), "", time), PAINT_NONE);
	table_add(t, when(get(session, "last_used"), "", time), PAINT_NONE);
	table_add(t, when(get(session, "expires"), "", time), PAINT_NONE);
}

int session_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "NAME", "ROLE", "ADDRESS", "LOGIN", "LAST USED",
		"ENDS" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_list(c, "/api/v1/sessions", "sessions", list_session, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "nobody is logged in\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

int session_end(struct ctl *c, int argc, char **argv)
{
	char path[256];
	json_t *answer = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "sessions", argv[0], "end") < 0)
		return complain(CTL_NOT_FOUND, "there is no session '%s'", argv[0]);
	r = request_post(c, path, NULL, &answer);
	json_decref(answer);
	if (r == CTL_OK)
		fprintf(stderr, "session %s is over\n", argv[0]);
	return r;
}
