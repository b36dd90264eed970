/* SPDX-License-Identifier: MIT */
/* Every route, for whoever may ask: who may, who may not, and that a refusal changes nothing. */
#include "server-fixture-http.h"

#include <arpa/inet.h>

#include "server/admin/hosts.h"
#include "server/store/configs.h"

#define HOST "Host: muster.example\r\n"

/* What each route is meant to be, a second time: whoever adds a route says here who may use it. */
static const struct {
	enum http_method method;
	const char *path;
	enum role role;
	enum scope_rule scope;
} expected[] = {
#define R(method, path, role, scope)                                                               \
	{                                                                                          \
		HTTP_METHOD_##method, "/api/v1/" path, ROLE_##role, SCOPE_##scope                  \
	}
	R(GET, "status", VIEWER, REFUSED),
	R(GET, "overview", VIEWER, REFUSED),
	R(GET, "openapi.json", NONE, FREE),
	R(GET, "events", VIEWER, REFUSED),
	R(POST, "webhooks", ADMINISTRATOR, REFUSED),
	R(GET, "webhooks", ADMINISTRATOR, REFUSED),
	R(POST, "webhooks/{id}/remove", ADMINISTRATOR, REFUSED),
	R(POST, "webhooks/{id}/enable", ADMINISTRATOR, REFUSED),
	R(POST, "webhooks/{id}/test", ADMINISTRATOR, REFUSED),
	{ HTTP_METHOD_GET, "/metrics", ROLE_VIEWER, SCOPE_REFUSED },
	{ HTTP_METHOD_GET, "/healthz", ROLE_NONE, SCOPE_FREE },
	{ HTTP_METHOD_GET, "/readyz", ROLE_NONE, SCOPE_FREE },
	R(POST, "tokens", OPERATOR, REFUSED),
	R(GET, "tokens", VIEWER, REFUSED),
	R(GET, "tokens/{id}", VIEWER, REFUSED),
	R(POST, "tokens/{id}/revoke", OPERATOR, REFUSED),
	R(GET, "clients", VIEWER, FILTERED),
	R(GET, "clients/count", VIEWER, FILTERED),
	R(GET, "clients/{id}", VIEWER, CLIENT),
	R(GET, "clients/{id}/timeline", VIEWER, CLIENT),
	R(GET, "clients/{id}/labels", VIEWER, CLIENT),
	R(POST, "clients/{id}/labels", OPERATOR, REFUSED),
	R(POST, "clients/{id}/approve", OPERATOR, CLIENT),
	R(POST, "clients/{id}/refuse", OPERATOR, CLIENT),
	R(POST, "clients/{id}/suspend", OPERATOR, CLIENT),
	R(POST, "clients/{id}/resume", OPERATOR, CLIENT),
	R(POST, "clients/{id}/revoke", OPERATOR, CLIENT),
	R(POST, "clients/{id}/remove", OPERATOR, CLIENT),
	R(POST, "clients/{id}/clear-clone", OPERATOR, CLIENT),
	R(POST, "clients/{id}/reset", OPERATOR, CLIENT),
	R(POST, "clients/{id}/address", OPERATOR, REFUSED),
	R(GET, "audit", VIEWER, REFUSED),
	R(GET, "audit/verify", VIEWER, REFUSED),
	R(GET, "messages", VIEWER, REFUSED),
	R(GET, "messages/{id}", VIEWER, REFUSED),
	R(POST, "installer", OPERATOR, REFUSED),
	R(POST, "configs", OPERATOR, REFUSED),
	R(GET, "configs", VIEWER, REFUSED),
	R(GET, "configs/{name}", OPERATOR, REFUSED),
	R(GET, "configs/{name}/history", VIEWER, REFUSED),
	R(GET, "configs/{name}/diff", OPERATOR, REFUSED),
	R(GET, "configs/{name}/status", VIEWER, FILTERED),
	R(GET, "configs/{name}/progress", VIEWER, FILTERED),
	R(POST, "configs/{name}/rollback", OPERATOR, REFUSED),
	R(POST, "configs/{name}/remove", OPERATOR, REFUSED),
	R(GET, "release", VIEWER, REFUSED),
	R(POST, "rollouts", OPERATOR, REFUSED),
	R(GET, "rollouts", VIEWER, REFUSED),
	R(GET, "rollouts/{id}", VIEWER, REFUSED),
	R(GET, "rollouts/{id}/machines", VIEWER, REFUSED),
	R(POST, "rollouts/{id}/halt", OPERATOR, REFUSED),
	R(POST, "rollouts/{id}/resume", OPERATOR, REFUSED),
	R(POST, "rollouts/{id}/end", OPERATOR, REFUSED),
	R(GET, "receipts", VIEWER, REFUSED),
	R(GET, "receipts/{id}", VIEWER, REFUSED),
	R(POST, "session", NONE, FREE),
	R(GET, "session", VIEWER, FREE),
	R(DELETE, "session", NONE, FREE),
	R(POST, "session/password", VIEWER, NO_TOKEN),
	R(GET, "sessions", VIEWER, NO_TOKEN),
	R(POST, "sessions/{id}/end", VIEWER, NO_TOKEN),
	R(POST, "admins", ADMINISTRATOR, NO_TOKEN),
	R(GET, "admins", ADMINISTRATOR, REFUSED),
	R(POST, "admins/{name}/role", ADMINISTRATOR, NO_TOKEN),
	R(POST, "admins/{name}/password", ADMINISTRATOR, NO_TOKEN),
	R(POST, "admins/{name}/remove", ADMINISTRATOR, NO_TOKEN),
	R(POST, "api-tokens", ADMINISTRATOR, NO_TOKEN),
	R(GET, "api-tokens", ADMINISTRATOR, REFUSED),
	R(POST, "api-tokens/{id}/revoke", ADMINISTRATOR, NO_TOKEN),
#undef R
};

static void each_route_is_for_whom_it_is_meant(void **state)
{
	size_t count;
	const struct api_route *routes = api_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;

		while (k < COUNT(expected) && (expected[k].method != routes[i].method ||
						      strcmp(expected[k].path, routes[i].path)))
			k++;
		if (k == COUNT(expected))
			fail_msg("%s: nobody has said who may use it", routes[i].path);
		if (expected[k].role != routes[i].role || expected[k].scope != routes[i].scope)
			fail_msg("%s: its role or scope is another", routes[i].path);
	}
	assert_int_equal(count, COUNT(expected));
}

/* ---- every route, every credential */

static void make(struct http_fixture *a, enum role role, const char *scope,
	char ret_text[static ACCESS_TEXT_SIZE], struct access_record *ret)
{
	struct access_spec spec = {
		.name = "a test's",
		.role = role,
		.scope = scope,
		.expires = store_now(a->server.store) + 1000,
		.actor = "uid:0(root)",
	};

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_access_create(a->server.store, &spec, ret_text, ret), 0);
	assert_int_equal(store_commit(a->server.store), 0);
}

/* The text in the place of the pattern's @. */
static void fill(const char *pattern, const char *text, char *ret, size_t size)
{
	size_t len = strcspn(pattern, "@");

	snprintf(ret, size, "%.*s%s%s", (int)len, pattern, text,
		pattern + len + (pattern[len] == '@'));
}

/* The headers of a request to the right host, with that line. */
static const char *with(const char *pattern, const char *text)
{
	static char headers[512];
	char line[256];

	fill(pattern, text, line, sizeof(line));
	snprintf(headers, sizeof(headers), HOST "%s\r\n", line);
	return headers;
}

static const char *bearer(const char *token)
{
	return with("Authorization: Bearer @", token);
}

static const char *method_of(const struct api_route *r)
{
	switch (r->method) {
	case HTTP_METHOD_GET:
		return "GET";
	case HTTP_METHOD_DELETE:
		return "DELETE";
	default:
		return "POST";
	}
}

static int ask_route(struct http_fixture *a, const struct api_route *r, const char *headers)
{
	char path[256];
	const char *brace = strchr(r->path, '{');

	if (brace)
		snprintf(path, sizeof(path), "%.*s00%s", (int)(brace - r->path), r->path,
			strchr(r->path, '}') + 1);
	else
		snprintf(path, sizeof(path), "%s", r->path);
	return ask(a, method_of(r), path, headers, r->method == HTTP_METHOD_POST ? "{}" : NULL);
}

static uint64_t entries(struct http_fixture *a)
{
	uint64_t n = 0;

	assert_int_equal(store_audit_count(a->server.store, &n), 0);
	return n;
}

static void each_refuses(struct http_fixture *a, const char *headers, int status, const char *code)
{
	size_t count;
	const struct api_route *routes = api_routes(&count);
	uint64_t before = entries(a);

	for (size_t i = 0; i < count; i++) {
		int got;

		if (routes[i].role == ROLE_NONE)
			continue;
		got = ask_route(a, &routes[i], headers);
		if (got != status || strcmp(a->code, code) != 0)
			fail_msg("%s with '%s': %d %s", routes[i].path, headers, got, a->code);
	}
	assert_int_equal(entries(a), before);
}

static void nobody_gets_anything(void **state)
{
	static const char *const shown[] = {
		"X-Nothing: @",
		"Authorization: Bearer @",
		"Authorization: Bearer  @",
		"Authorization: Basic cm9vdDpyb290@",
		"Authorization: @",
		"Cookie: muster=@",
		"Cookie: muster-session=@",
		"X-Forwarded-User: root@",
		"X-Remote-User: root@",
		"X_Forwarded_User: root@",
		"X-Forwarded-For: 127.0.0.1@",
	};

	for (size_t i = 0; i < COUNT(shown); i++)
		each_refuses(*state, with(shown[i], ""), 401, "not-logged-in");
	for (size_t i = 1; i < COUNT(shown); i++)
		each_refuses(*state, with(shown[i], "mst_"), 401, "not-logged-in");
}

static void a_token_is_good_as_a_whole_or_not_at_all(void **state)
{
	struct http_fixture *a = *state;
	struct access_record made, other;
	char text[ACCESS_TEXT_SIZE], wrong[ACCESS_TEXT_SIZE + 8], second[ACCESS_TEXT_SIZE];

	make(a, ROLE_ADMINISTRATOR, "", text, &made);
	make(a, ROLE_ADMINISTRATOR, "", second, &other);
	assert_int_equal(ask(a, "GET", "/api/v1/status", bearer(text), NULL), 200);
	for (size_t i = 0; i < strlen(text); i++) {
		strcpy(wrong, text);
		wrong[i] = wrong[i] == '1' ? '2' : '1';
		each_refuses(a, bearer(wrong), 401, "not-logged-in");
	}
	for (size_t len = 0; len < strlen(text); len += 7) {
		memcpy(wrong, text, len);
		wrong[len] = '\0';
		each_refuses(a, bearer(wrong), 401, "not-logged-in");
	}
	snprintf(wrong, sizeof(wrong), "%s0", text);
	each_refuses(a, bearer(wrong), 401, "not-logged-in");
	memcpy(second + 4, text + 4, ACCESS_ID_SIZE - 1); /* one's id, the other's secret */
	each_refuses(a, bearer(second), 401, "not-logged-in");
}

static void expired_and_revoked_tokens_open_nothing(void **state)
{
	struct http_fixture *a = *state;
	struct access_record made;
	char text[ACCESS_TEXT_SIZE];

	make(a, ROLE_ADMINISTRATOR, "", text, &made);
	fixture_wall += 999;
	fixture_elapsed += 999;
	assert_int_equal(ask(a, "GET", "/api/v1/status", bearer(text), NULL), 200);
	fixture_wall += 1;
	fixture_elapsed += 1;
	each_refuses(a, bearer(text), 401, "not-logged-in");

	make(a, ROLE_ADMINISTRATOR, "", text, &made);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_access_revoke(a->server.store, made.id, "root", &made), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	each_refuses(a, bearer(text), 401, "not-logged-in");
}

static void each_role_may_what_its_routes_say(void **state)
{
	struct http_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);

	for (enum role role = ROLE_VIEWER; role <= ROLE_ADMINISTRATOR; role++) {
		struct access_record made;
		char text[ACCESS_TEXT_SIZE];

		make(a, role, "", text, &made);
		for (size_t i = 0; i < count; i++) {
			bool may = role >= routes[i].role && routes[i].scope != SCOPE_NO_TOKEN;
			uint64_t before = entries(a);
			int got = ask_route(a, &routes[i], bearer(text));

			if (may == (got == 401 || got == 403))
				fail_msg("%s as %s: %d %s", routes[i].path, role_name(role), got,
					a->code);
			if (!may) {
				assert_string_equal(a->code, "forbidden");
				assert_int_equal(entries(a), before);
			}
		}
	}
}

/* ---- scopes */

static void a_scope_keeps_the_other_clients_out(void **state)
{
	struct http_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);
	struct token_record enrolled_by;
	uint8_t token[TOKEN_SIZE];
	struct access_record made;
	char mine[ACCESS_TEXT_SIZE], others[ACCESS_TEXT_SIZE];

	make_token(a->server.store, 2, 0, token, &enrolled_by);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(enrol_number(a->server.store, token, 1), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	make(a, ROLE_OPERATOR, "role=web", mine, &made);
	make(a, ROLE_OPERATOR, "role=db", others, &made);

	assert_int_equal(ask(a, "GET", "/api/v1/clients", bearer(others), NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 0);
	assert_int_equal(
		ask(a, "GET", "/api/v1/clients?label=role=web", bearer(others), NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 0);
	assert_int_equal(ask(a, "GET", "/api/v1/clients?label=*", bearer(others), NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 0);
	assert_int_equal(ask(a, "GET", "/api/v1/clients", bearer(mine), NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 1);

	char id[64], path[256];
	snprintf(id, sizeof(id), "%s",
		json_string_value(json_object_get(
			json_array_get(json_object_get(a->answer, "clients"), 0), "id")));
	for (size_t i = 0; i < count; i++) {
		const char *method = routes[i].method == HTTP_METHOD_GET ? "GET" : "POST";
		uint64_t before = entries(a);

		if (routes[i].scope != SCOPE_CLIENT)
			continue;
		snprintf(path, sizeof(path), "%.*s%.6s%s",
			(int)(strchr(routes[i].path, '{') - routes[i].path), routes[i].path, id,
			strchr(routes[i].path, '}') + 1);
		if (ask(a, method, path, bearer(others), NULL) != 404)
			fail_msg("%s: a client outside of the scope is there", path);
		assert_int_equal(entries(a), before);
	}
	snprintf(path, sizeof(path), "/api/v1/clients/%.6s", id);
	assert_int_equal(ask(a, "GET", path, bearer(mine), NULL), 200);
	snprintf(path, sizeof(path), "/api/v1/clients/%.6s/suspend", id);
	assert_int_equal(ask(a, "POST", path, bearer(mine), "{}"), 200);
}

/* Asks a route for the configuration motd, or for machines; the answer's text is the caller's. */
static char *filtered(
	struct http_fixture *a, const struct api_route *r, const char *query, const char *token)
{
	const char *brace = strchr(r->path, '{');
	char path[256];

	snprintf(path, sizeof(path), "%.*s%s%s%s",
		brace ? (int)(brace - r->path) : (int)strlen(r->path), r->path, brace ? "motd" : "",
		brace ? strchr(brace, '}') + 1 : "", query);
	if (ask(a, "GET", path, bearer(token), NULL) != 200)
		return strdup("");
	return json_dumps(a->answer, JSON_SORT_KEYS);
}

/* Who may see none of the machines gets the same as who asks where there is none. */
static void what_is_filtered_tells_nothing_of_the_others(void **state)
{
	static const char *const queries[] = { "", "?q=machine", "?sort=-seen", "?connected=no",
		"?state=enrolled", "?label=role=web", "?label=*", "?label=!x&q=192", "?limit=1",
		"?outcome=offline" };
	struct http_fixture *a = *state;
	size_t count, answers = 0;
	const struct api_route *routes = api_routes(&count);
	struct config_spec motd = { "motd", "*", "hello", 5, NULL, "uid:0(root)", "config.push" };
	char mine[ACCESS_TEXT_SIZE], others[ACCESS_TEXT_SIZE];
	uint8_t token[TOKEN_SIZE];
	struct token_record enrolled_by;
	struct config_record pushed;
	struct access_record made;

	make(a, ROLE_OPERATOR, "role=web", mine, &made);
	make(a, ROLE_OPERATOR, "role=db", others, &made);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_config_push(a->server.store, &motd, &pushed), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	char *none[COUNT(expected)][COUNT(queries)] = {};
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < COUNT(queries) && routes[i].scope == SCOPE_FILTERED; k++)
			none[i][k] = filtered(a, &routes[i], queries[k], others);
	make_token(a->server.store, 2, 0, token, &enrolled_by);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(enrol_number(a->server.store, token, 1), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	for (size_t i = 0; i < count; i++) {
		size_t told = 0;

		for (size_t k = 0; k < COUNT(queries) && routes[i].scope == SCOPE_FILTERED; k++) {
			scoped(freep) char *hidden = filtered(a, &routes[i], queries[k], others);
			scoped(freep) char *seen = filtered(a, &routes[i], queries[k], mine);

			if (strcmp(hidden, none[i][k]) != 0)
				fail_msg("%s%s tells of others: %s", routes[i].path, queries[k],
					hidden);
			told += strcmp(seen, hidden) != 0;
			answers += *hidden != '\0';
			free(none[i][k]);
		}
		if (routes[i].scope == SCOPE_FILTERED && told == 0)
			fail_msg("%s: nothing was there to be hidden", routes[i].path);
	}
	assert_true(answers > 0);
}

static void what_has_no_scope_refuses_tokens_that_have_one(void **state)
{
	struct http_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);
	struct access_record made;
	char text[ACCESS_TEXT_SIZE];
	uint64_t before;

	make(a, ROLE_OPERATOR, "role=web", text, &made);
	before = entries(a);
	for (size_t i = 0; i < count; i++) {
		bool refused =
			routes[i].scope == SCOPE_REFUSED || routes[i].scope == SCOPE_NO_TOKEN;
		int got = ask_route(a, &routes[i], bearer(text));

		if (refused != (got == 403))
			fail_msg("%s: %d %s", routes[i].path, got, a->code);
	}
	assert_int_equal(entries(a), before);
}

static void only_sensible_tokens_are_made(void **state)
{
	static const char *const bodies[] = {
		"{}",
		"{\"name\":\"x\"}",
		"{\"role\":\"viewer\"}",
		"{\"name\":\"\",\"role\":\"viewer\"}",
		"{\"name\":\"a\\u001bb\",\"role\":\"viewer\"}",
		"{\"name\":\"x\",\"role\":\"none\"}",
		"{\"name\":\"x\",\"role\":\"Viewer\"}",
		"{\"name\":\"x\",\"role\":3}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"scope\":\"\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"scope\":\"a=b=\\\"\"}",
		"{\"name\":\"x\",\"role\":\"administrator\",\"scope\":\"a=b\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":\"yesterday\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"secret\":\"mst_\"}",
	};
	struct http_fixture *a = *state;
	uint64_t before = entries(a);

	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct buffer out = {};
		struct api_call call = { .server = &a->server,
			.who = { CALLER_SOCKET, ROLE_ADMINISTRATOR, .actor = "uid:0(root)" },
			.out = &out };
		struct http_request q = { .method = HTTP_METHOD_POST,
			.path = "/api/v1/api-tokens",
			.query = "",
			.body = bodies[i],
			.body_len = strlen(bodies[i]) };

		call.request = &q;
		api_handle(&call);
		if (!memmem(out.data, out.len, "HTTP/1.1 400", 12))
			fail_msg("%s was taken", bodies[i]);
		api_call_end(&call);
		buffer_clear(&out);
	}
	assert_int_equal(entries(a), before);
}

static void a_use_is_noted_about_once_a_minute(void **state)
{
	struct http_fixture *a = *state;
	struct access_record made;
	char text[ACCESS_TEXT_SIZE];
	uint64_t first;

	make(a, ROLE_VIEWER, "", text, &made);
	assert_int_equal(made.used, 0);
	for (int i = 0; i < 3; i++) {
		const char *headers = bearer(text);

		assert_int_equal(ask(a, "GET", "/api/v1/status", headers, NULL), 200);
		assert_int_equal(store_access_get(a->server.store, made.id, &made), 0);
		first = i == 0 ? made.used : first;
		assert_int_equal(made.used, first);
		fixture_wall += 20;
		fixture_elapsed += 20;
	}
	assert_int_equal(ask(a, "GET", "/api/v1/status", bearer(text), NULL), 200);
	assert_int_equal(store_access_get(a->server.store, made.id, &made), 0);
	assert_int_equal(made.used, first + 60);
}

/* ---- hosts and paths */

static void other_hosts_get_nothing(void **state)
{
	static const char *const hosts[] = { "evil.example", "muster.example.evil.example",
		"xmuster.example", "muster.example..", "localhost", "127.0.0.1", "192.0.2.7",
		"[::1]", "muster.example:0", "muster.example:65536", "muster.example:", "[::1",
		"muster.example:8080:8080" };
	struct http_fixture *a = *state;
	char headers[256];

	for (size_t i = 0; i < COUNT(hosts); i++) {
		snprintf(headers, sizeof(headers), "Host: %s\r\n", hosts[i]);
		if (ask(a, "GET", "/api/v1/openapi.json", headers, NULL) != 403)
			fail_msg("%s was taken", hosts[i]);
		assert_string_equal(a->code, "bad-host");
		assert_int_equal(ask(a, "GET", "/", headers, NULL), 403);
	}
}

static void own_hosts_are_answered(void **state)
{
	static const char *const good[] = { "muster.example", "MUSTER.example:8080",
		"muster.example.", "192.0.2.1", "192.0.2.1:443", "other.example" };
	struct http_fixture *a = *state;
	char headers[256];

	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &a->local.address), 1);
	assert_int_equal(addresses_add(&a->server.config.names, "other.example:8443"), 0);
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(headers, sizeof(headers), "Host: %s\r\n", good[i]);
		assert_int_equal(ask(a, "GET", "/api/v1/openapi.json", headers, NULL), 200);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/openapi.json", "Host: localhost\r\n", NULL), 403);
	assert_int_equal(inet_pton(AF_INET6, "::1", &a->local.address), 1);
	assert_int_equal(ask(a, "GET", "/api/v1/openapi.json", "Host: localhost\r\n", NULL), 200);
	assert_int_equal(ask(a, "GET", "/api/v1/openapi.json", "Host: [::1]:80\r\n", NULL), 200);
	a->server.config.host_count = 1;
	strcpy(a->server.config.hosts[0], "other.example");
	assert_int_equal(
		ask(a, "GET", "/api/v1/openapi.json", "Host: other.example\r\n", NULL), 200);
	assert_int_equal(ask(a, "GET", "/api/v1/openapi.json", HOST, NULL), 403);
}

static void lead_nowhere(struct http_fixture *a, const struct api_route *r, const char *rest,
	const char *const *variants, size_t count, const char *token)
{
	uint64_t before = entries(a);

	for (size_t k = 0; k < count; k++) {
		char path[512];
		int got;

		if (strchr(rest, '{') && strstr(variants[k], ".json"))
			continue; /* names may have dots */
		fill(variants[k], rest, path, sizeof(path));
		for (char *brace; (brace = strpbrk(path, "{}"));)
			*brace = '0';
		got = ask(a, method_of(r), path, bearer(token), NULL);
		if (got != 404 && got != 400)
			fail_msg("%s: %d", path, got);
	}
	assert_int_equal(entries(a), before);
}

/* A path that someone in between could read as another one is none. */
static void path_variants_lead_nowhere(void **state)
{
	static const char *const variants[] = { "//api/v1/@", "/api//v1/@", "/api/v1//@",
		"/api/v1/@/", "/API/v1/@", "/Api/V1/@", "/api/V1/@", "/%61pi/v1/@", "/api%2fv1/@",
		"/api/v1%2f@", "/api/v1/@;x", "/api;x/v1/@", "/api/v1;/@", "/./api/v1/@",
		"/api/./v1/@", "/x/../api/v1/@", "/api/v1/x/../@", "/api\\v1\\@", "/api/v1/@%00",
		"/api/v1/@.json", "/api/v1/@%20", "/api/v2/@", "/api/v1/@/.",
		"/static/%2e%2e/api/v1/@" };
	static const char *const elsewhere[] = { "//@", "/@/", "/@;x", "/;/@", "/./@", "/x/../@",
		"/@%00", "/%2f@", "\\@", "/@/.", "/@/x" };
	struct http_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);
	struct access_record made;
	char text[ACCESS_TEXT_SIZE];

	make(a, ROLE_ADMINISTRATOR, "", text, &made);
	for (size_t i = 0; i < count; i++) {
		const char *path = routes[i].path, *root = "/api/v1/";

		if (strncmp(path, root, strlen(root)) == 0)
			lead_nowhere(a, &routes[i], path + strlen(root), variants, COUNT(variants),
				text);
		else
			lead_nowhere(a, &routes[i], path + 1, elsewhere, COUNT(elsewhere), text);
	}
}

int main(void)
{
#define it(test) cmocka_unit_test_setup_teardown(test, http_setup, http_teardown)
	const struct CMUnitTest tests[] = {
		it(each_route_is_for_whom_it_is_meant),
		it(nobody_gets_anything),
		it(a_token_is_good_as_a_whole_or_not_at_all),
		it(expired_and_revoked_tokens_open_nothing),
		it(each_role_may_what_its_routes_say),
		it(a_scope_keeps_the_other_clients_out),
		it(what_is_filtered_tells_nothing_of_the_others),
		it(what_has_no_scope_refuses_tokens_that_have_one),
		it(only_sensible_tokens_are_made),
		it(a_use_is_noted_about_once_a_minute),
		it(other_hosts_get_nothing),
		it(own_hosts_are_answered),
		it(path_variants_lead_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
