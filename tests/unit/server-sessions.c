/* SPDX-License-Identifier: MIT */
/* Administrators, their sessions, and what a browser may be made to do with them. */
#include "server-fixture-http.h"

#include <arpa/inet.h>
#include <sodium.h>

#include "server/admin/hasher.h"

#define HOST     "Host: muster.example\r\n"
#define ORIGIN   "Origin: http://muster.example\r\n"
#define PASSWORD "correct horse battery"

/* Hashing takes its time: made once, for all. */
static const char *password_hash(void)
{
	static char hash[PASSWORD_HASH_SIZE];
	struct hasher *h = NULL;
	struct hashing *j = NULL;

	if (*hash)
		return hash;
	assert_int_equal(hasher_new(&h), 0);
	assert_int_equal(hasher_make(h, PASSWORD, &j), 0);
	while (!hashing_is_done(j))
		usleep(1000);
	assert_int_equal(hashing_result(j, hash), 0);
	hashing_free(j);
	hasher_free(h);
	return hash;
}

static void add(struct http_fixture *a, const char *name, enum role role, const char *hash)
{
	struct admin_spec spec = {
		.name = name, .role = role, .password = hash, .actor = "uid:0(root)"
	};
	struct admin_record made;

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_admin_add(a->server.store, &spec, &made), 0);
	assert_int_equal(store_commit(a->server.store), 0);
}

/* A session without the password's time: its cookie and its csrf. */
struct browser {
	char id[SESSION_ID_SIZE];
	char cookie[80], csrf[CSRF_SIZE];
	char headers[1024];
};

static struct browser log_in(struct http_fixture *a, const char *name)
{
	struct session_limits limits = access_limits(&a->server);
	uint8_t secret[SESSION_SECRET_SIZE];
	struct session_record made;
	struct browser b = {};

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_session_start(a->server.store, name, "192.0.2.1", &limits, secret, &made), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	memcpy(b.id, made.id, sizeof(b.id));
	sodium_bin2hex(b.cookie, sizeof(b.cookie), secret, sizeof(secret));
	access_csrf(secret, b.csrf);
	return b;
}

/* With its cookie, and what else there is to say. */
static const char *from(struct browser *b, const char *more)
{
	snprintf(b->headers, sizeof(b->headers), HOST "Cookie: muster=%s\r\n%s", b->cookie, more);
	return b->headers;
}

static const char *right(struct browser *b)
{
	snprintf(b->headers, sizeof(b->headers),
		HOST ORIGIN "Cookie: a=b; muster=%s; c=d\r\nX-Muster-Csrf: %s\r\n", b->cookie,
		b->csrf);
	return b->headers;
}

static int try(struct http_fixture *a, const char *name, const char *password)
{
	char body[256];

	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
	return ask(a, "POST", "/api/v1/session", HOST ORIGIN, body);
}

static uint64_t entries(struct http_fixture *a)
{
	uint64_t n = 0;

	assert_int_equal(store_audit_count(a->server.store, &n), 0);
	return n;
}

static const char *answered(struct http_fixture *a, const char *field)
{
	const char *text = json_string_value(json_object_get(a->answer, field));

	return text ? text : "";
}

/* ---- logging in */

static void the_right_password_opens_a_session(void **state)
{
	struct http_fixture *a = *state;
	char headers[512];
	const char *cookie;

	add(a, "ann", ROLE_OPERATOR, password_hash());
	assert_int_equal(try(a, "ann", PASSWORD), 200);
	assert_string_equal(answered(a, "name"), "ann");
	assert_string_equal(answered(a, "role"), "operator");
	assert_string_equal(answered(a, "how"), "session");
	assert_int_equal(strlen(answered(a, "csrf")), 64);
	cookie = strstr(a->head, "\r\nSet-Cookie: muster=");
	assert_non_null(cookie);
	assert_non_null(strstr(cookie, "; Path=/; HttpOnly; SameSite=Strict"));
	assert_null(strstr(cookie, "Secure"));
	assert_null(strstr(cookie, "Domain"));
	snprintf(headers, sizeof(headers), HOST "Cookie: muster=%.64s\r\n",
		cookie + strlen("\r\nSet-Cookie: muster="));
	assert_int_equal(ask(a, "GET", "/api/v1/session", headers, NULL), 200);
	assert_string_equal(answered(a, "name"), "ann");
	assert_int_equal(ask(a, "GET", "/api/v1/clients", headers, NULL), 200);
}

static void wrong_logins_all_get_the_same_answer(void **state)
{
	static const struct {
		const char *name, *password;
	} rows[] = {
		{ "ann", "correct horse batterx" },
		{ "bob", PASSWORD },
		{ "ANN", PASSWORD },
		{ "ann ", PASSWORD },
		{ "", PASSWORD },
		{ "proxied", "" },
		{ "proxied", PASSWORD },
		{ "ann", "" },
	};
	struct http_fixture *a = *state;

	add(a, "ann", ROLE_OPERATOR, password_hash());
	add(a, "proxied", ROLE_OPERATOR, NULL);
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* However fast these follow each other, the limit isn't what is looked at. */
		a->server.access->logins = logins_free(a->server.access->logins);
		assert_int_equal(logins_new(&a->server.access->logins), 0);
		if (try(a, rows[i].name, rows[i].password) != 401)
			fail_msg("'%s' with '%s'", rows[i].name, rows[i].password);
		assert_string_equal(a->code, "wrong-login");
		assert_string_equal(
			answered(a, "detail"), "there is no such name with this password");
		assert_null(strstr(a->head, "Set-Cookie"));
	}
}

static void a_login_is_a_name_and_a_password_as_json(void **state)
{
	static const char *const bodies[] = { "{}", "{\"name\":\"ann\"}", "{\"password\":\"x\"}",
		"{\"name\":null,\"password\":\"x\"}", "{\"name\":\"ann\",\"password\":1}",
		"{\"name\":[\"ann\"],\"password\":\"x\"}",
		"{\"name\":\"ann\",\"password\":\"a\\u0000b\"}",
		"{\"name\":\"ann\",\"password\":\"x\",\"role\":\"administrator\"}",
		"{\"name\":\"a\\u001bb\",\"password\":\"x\"}" };
	struct http_fixture *a = *state;
	char long_one[400];

	for (size_t i = 0; i < COUNT(bodies); i++)
		if (ask(a, "POST", "/api/v1/session", HOST ORIGIN, bodies[i]) != 400)
			fail_msg("%s", bodies[i]);
	snprintf(long_one, sizeof(long_one), "{\"name\":\"ann\",\"password\":\"%0300d\"}", 0);
	assert_int_equal(ask(a, "POST", "/api/v1/session", HOST ORIGIN, long_one), 400);
	assert_int_equal(ask(a, "POST", "/api/v1/session?x=1", HOST ORIGIN, "{}"), 400);
	assert_int_equal(entries(a), 0);
}

static void a_page_elsewhere_cannot_log_somebody_in(void **state)
{
	struct http_fixture *a = *state;

	assert_int_equal(
		ask(a, "POST", "/api/v1/session", HOST "Origin: http://evil.example\r\n", "{}"),
		403);
	assert_string_equal(a->code, "bad-origin");
	assert_int_equal(ask(a, "POST", "/api/v1/session", HOST "Origin: null\r\n", "{}"), 403);
	assert_int_equal(ask(a, "POST", "/api/v1/session",
				 HOST ORIGIN "Sec-Fetch-Site: cross-site\r\n", "{}"),
		403);
	assert_int_equal(ask(a, "POST", "/api/v1/session", HOST, "{}"), 400); /* curl */
}

static void strangers_wait_and_lock_nobody_out(void **state)
{
	struct http_fixture *a = *state;

	add(a, "ann", ROLE_OPERATOR, password_hash());
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.66", &a->visitor.source.address), 1);
	for (int i = 0; i < LOGINS_PER_PAIR; i++)
		assert_int_equal(try(a, "ann", "guess guess guess"), 401);
	assert_int_equal(try(a, "ann", PASSWORD), 429); /* also with the right one */
	assert_string_equal(a->code, "too-many-logins");
	assert_non_null(strstr(a->head, "\r\nRetry-After: "));
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &a->visitor.source.address), 1);
	assert_int_equal(try(a, "ann", PASSWORD), 200);
}

static void who_is_right_uses_nothing_up(void **state)
{
	struct http_fixture *a = *state;

	add(a, "ann", ROLE_OPERATOR, password_hash());
	for (int i = 0; i < LOGINS_PER_PAIR + 2; i++)
		assert_int_equal(try(a, "ann", PASSWORD), 200);
}

static void a_flood_of_wrong_names_is_limited_by_its_source(void **state)
{
	struct logins *l = NULL;
	struct source s = {};
	char name[32];
	uint32_t untold, told = 0;

	(void)state;
	assert_int_equal(logins_new(&l), 0);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &s.address), 1);
	for (int i = 0; i < LOGINS_PER_SOURCE; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		s.address.s6_addr[15] = (uint8_t)i; /* one network */
		assert_int_equal(logins_try(l, &s, name, 1000000 + 1000 * (uint64_t)i), 0);
	}
	assert_true(logins_try(l, &s, "another", 1000000 + 1000 * LOGINS_PER_SOURCE) > 0);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:0:1::1", &s.address), 1);
	assert_int_equal(logins_try(l, &s, "another", 1000000 + 1000 * LOGINS_PER_SOURCE), 0);
	for (int i = 0; i < 100; i++)
		told += logins_tell(l, 2000000, &untold);
	assert_int_equal(told, LOGINS_TOLD);
	assert_true(logins_tell(l, 2060000, &untold));
	assert_int_equal(untold, 100 - LOGINS_TOLD);
	logins_free(l);
}

/* ---- what comes with a cookie */

static void a_change_takes_origin_and_csrf(void **state)
{
	static const struct {
		const char *headers, *code;
	} rows[] = {
		{ "", "bad-origin" },
		{ "Origin: null\r\n", "bad-origin" },
		{ "Origin: http://evil.example\r\n", "bad-origin" },
		{ "Origin: http://muster.example.evil.example\r\n", "bad-origin" },
		{ "Origin: http://muster.example:81\r\n", "bad-origin" },
		{ "Origin: http://muster.example@evil.example\r\n", "bad-origin" },
		{ "Origin: ftp://muster.example\r\n", "bad-origin" },
		{ "Origin: muster.example\r\n", "bad-origin" },
		{ "Origin: http://muster.example/\r\n", "bad-origin" },
		{ "Origin: \r\n", "bad-origin" },
		{ ORIGIN "Sec-Fetch-Site: cross-site\r\n", "bad-origin" },
		{ ORIGIN "Sec-Fetch-Site: same-site\r\n", "bad-origin" },
		{ ORIGIN, "bad-csrf" },
		{ ORIGIN "X-Muster-Csrf: \r\n", "bad-csrf" },
		{ ORIGIN "X_Muster_Csrf: CSRF\r\n", "bad-csrf" },
		{ ORIGIN "X-Muster-Csrf: CSRF0\r\n", "bad-csrf" },
		{ ORIGIN "X-Muster-Csrf: COOKIE\r\n", "bad-csrf" },
		{ ORIGIN "X-Muster-Csrf: OTHER\r\n", "bad-csrf" },
	};
	struct http_fixture *a = *state;
	size_t count;
	const struct api_route *routes = api_routes(&count);
	struct browser b, other;
	uint64_t before;

	add(a, "ann", ROLE_ADMINISTRATOR, NULL);
	b = log_in(a, "ann");
	other = log_in(a, "ann");
	before = entries(a);
	for (size_t i = 0; i < count; i++) {
		const char *brace = strchr(routes[i].path, '{');
		const char *method = routes[i].method == HTTP_METHOD_DELETE ? "DELETE" : "POST";
		char path[256];

		if (routes[i].method == HTTP_METHOD_GET)
			continue;
		snprintf(path, sizeof(path), "%.*s%s%s",
			brace ? (int)(brace - routes[i].path) : (int)strlen(routes[i].path),
			routes[i].path, brace ? "00" : "", brace ? strchr(brace, '}') + 1 : "");
		for (size_t k = 0; k < COUNT(rows); k++) {
			char headers[512], *at;

			snprintf(headers, sizeof(headers), "%s", rows[k].headers);
			at = strstr(headers, "Csrf: ");
			at = at ? at + strlen("Csrf: ") : NULL;
			if (at && strncmp(at, "CSRF0", 5) == 0)
				sprintf(at, "%s0\r\n", b.csrf);
			else if (at && strncmp(at, "CSRF", 4) == 0)
				sprintf(at, "%s\r\n", b.csrf);
			else if (at && strncmp(at, "COOKIE", 6) == 0)
				sprintf(at, "%s\r\n", b.cookie);
			else if (at && strncmp(at, "OTHER", 5) == 0)
				sprintf(at, "%s\r\n", other.csrf);
			if (ask(a, method, path, from(&b, headers), NULL) != 403 ||
				strcmp(a->code, rows[k].code) != 0)
				fail_msg("%s with %s: %s", path, headers, a->code);
		}
	}
	assert_int_equal(entries(a), before);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", right(&b), "{}"), 201);
	/* Reading takes neither, but not from elsewhere. */
	assert_int_equal(ask(a, "GET", "/api/v1/clients", from(&b, ""), NULL), 200);
	assert_int_equal(
		ask(a, "GET", "/api/v1/clients", from(&b, "Sec-Fetch-Site: same-origin\r\n"), NULL),
		200);
	assert_int_equal(
		ask(a, "GET", "/api/v1/events", from(&b, "Sec-Fetch-Site: cross-site\r\n"), NULL),
		403);
}

static void a_cookie_is_good_as_a_whole_and_alone(void **state)
{
	struct http_fixture *a = *state;
	char headers[512], wrong[65];
	struct browser b;

	add(a, "ann", ROLE_ADMINISTRATOR, NULL);
	b = log_in(a, "ann");
	for (size_t i = 0; i < 64; i++) {
		strcpy(wrong, b.cookie);
		wrong[i] = wrong[i] == '0' ? '1' : '0';
		snprintf(headers, sizeof(headers), HOST "Cookie: muster=%s\r\n", wrong);
		assert_int_equal(ask(a, "GET", "/api/v1/status", headers, NULL), 401);
	}
	static const char *const patterns[] = {
		HOST "Cookie: muster=%s; muster=%s\r\n",
		HOST "Cookie: muster=x; muster=%s\r\n",
		HOST "Cookie: Muster=%s\r\n",
		HOST "Cookie: __Host-muster=%s\r\n",
		HOST "Cookie: xmuster=%s\r\n",
		HOST "Cookie: muster=%s0\r\n",
		HOST "Cookie: muster=\"%s\"\r\n",
		HOST "Cookie: muster =%s\r\n",
		HOST "Authorization: Basic eDp5\r\nCookie: muster=%s\r\n",
		HOST "Authorization: Bearer mst_x\r\nCookie: muster=%s\r\n",
	};
	for (size_t i = 0; i < COUNT(patterns); i++) {
		const char *at = patterns[i], *mark;

		*headers = '\0';
		for (; (mark = strstr(at, "%s")); at = mark + 2)
			sprintf(headers + strlen(headers), "%.*s%s", (int)(mark - at), at,
				b.cookie);
		strcat(headers, at);
		if (ask(a, "GET", "/api/v1/status", headers, NULL) != 401)
			fail_msg("%s", patterns[i]);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/status", from(&b, ""), NULL), 200);
}

static void behind_https_the_cookie_is_another(void **state)
{
	struct http_fixture *a = *state;
	char headers[512];
	struct browser b;

	add(a, "ann", ROLE_OPERATOR, password_hash());
	b = log_in(a, "ann");
	assert_int_equal(network_parse("192.0.2.80", &a->server.config.proxies[0]), 0);
	a->server.config.proxy_count = 1;
	a->visitor.source.address = a->server.config.proxies[0].address;

	snprintf(headers, sizeof(headers), HOST "X-Forwarded-Proto: https\r\nCookie: muster=%s\r\n",
		b.cookie);
	assert_int_equal(ask(a, "GET", "/api/v1/status", headers, NULL), 401);
	snprintf(headers, sizeof(headers),
		HOST "X-Forwarded-Proto: https\r\nCookie: __Host-muster=%s\r\n", b.cookie);
	assert_int_equal(ask(a, "GET", "/api/v1/status", headers, NULL), 200);
	/* by HTTP from the browser to the proxy the origin is another one */
	snprintf(headers, sizeof(headers),
		HOST ORIGIN "X-Forwarded-Proto: https\r\nCookie: __Host-muster=%s\r\n"
			    "X-Muster-Csrf: %s\r\n",
		b.cookie, b.csrf);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", headers, "{}"), 403);
	snprintf(headers, sizeof(headers),
		HOST "Origin: https://muster.example\r\nX-Forwarded-Proto: https\r\n"
		     "Cookie: __Host-muster=%s\r\nX-Muster-Csrf: %s\r\n",
		b.cookie, b.csrf);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", headers, "{}"), 201);
	assert_int_equal(ask(a, "POST", "/api/v1/session", HOST "X-Forwarded-Proto: https\r\n",
				 "{\"name\":\"ann\",\"password\":\"" PASSWORD "\"}"),
		200);
	assert_non_null(strstr(a->head, "\r\nSet-Cookie: __Host-muster="));
	assert_non_null(strstr(a->head, "; Path=/; Secure; HttpOnly; SameSite=Strict"));
}

/* ---- the end of sessions */

static void a_session_ends_by_its_time(void **state)
{
	struct http_fixture *a = *state;
	struct browser b;

	add(a, "ann", ROLE_VIEWER, NULL);
	a->server.config.session_idle = 600;
	a->server.config.session_max = 1500;
	b = log_in(a, "ann");
	for (int i = 0; i < 2; i++) { /* used in between, it goes on */
		fixture_wall += 599;
		fixture_elapsed += 599;
		assert_int_equal(ask(a, "GET", "/api/v1/status", from(&b, ""), NULL), 200);
	}
	fixture_wall += 302;
	fixture_elapsed += 302;
	assert_int_equal(ask(a, "GET", "/api/v1/status", from(&b, ""), NULL), 401);
	b = log_in(a, "ann");
	fixture_wall += 600;
	fixture_elapsed += 600;
	assert_int_equal(ask(a, "GET", "/api/v1/status", from(&b, ""), NULL), 401);
}

static void a_session_ends_with_what_it_was_for(void **state)
{
	struct http_fixture *a = *state;
	struct browser root, b;

	add(a, "root", ROLE_ADMINISTRATOR, NULL);
	add(a, "ann", ROLE_OPERATOR, password_hash());
	root = log_in(a, "root");

	b = log_in(a, "ann");
	assert_int_equal(ask(a, "DELETE", "/api/v1/session", right(&b), NULL), 204);
	assert_non_null(strstr(a->head, "Set-Cookie: muster=; Path=/; Max-Age=0;"));
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 401);

	b = log_in(a, "ann");
	assert_int_equal(ask(a, "POST", "/api/v1/admins/ann/role", right(&root),
				 "{\"role\":\"administrator\"}"),
		200);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 401);

	b = log_in(a, "ann");
	assert_int_equal(ask(a, "POST", "/api/v1/admins/ann/password", right(&root),
				 "{\"password\":\"another long one\"}"),
		200);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 401);

	b = log_in(a, "ann");
	char path[64];
	snprintf(path, sizeof(path), "/api/v1/sessions/%s/end", b.id);
	assert_int_equal(ask(a, "POST", path, right(&root), "{}"), 204);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 401);

	b = log_in(a, "ann");
	assert_int_equal(ask(a, "POST", "/api/v1/admins/ann/remove", right(&root), "{}"), 204);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 401);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&root, ""), NULL), 200);
}

static void others_sessions_are_none_of_a_viewers_business(void **state)
{
	struct http_fixture *a = *state;
	struct browser viewer, other;
	char path[64];

	add(a, "ann", ROLE_VIEWER, NULL);
	add(a, "bob", ROLE_OPERATOR, NULL);
	viewer = log_in(a, "ann");
	other = log_in(a, "bob");
	assert_int_equal(ask(a, "GET", "/api/v1/sessions", from(&viewer, ""), NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "sessions")), 1);
	snprintf(path, sizeof(path), "/api/v1/sessions/%s/end", other.id);
	assert_int_equal(ask(a, "POST", path, right(&viewer), "{}"), 404);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&other, ""), NULL), 200);
	snprintf(path, sizeof(path), "/api/v1/sessions/%s/end", viewer.id);
	assert_int_equal(ask(a, "POST", path, right(&viewer), "{}"), 204);
}

static void ones_own_password_takes_the_old_one(void **state)
{
	struct http_fixture *a = *state;
	struct browser b, other;

	add(a, "ann", ROLE_VIEWER, password_hash());
	b = log_in(a, "ann");
	other = log_in(a, "ann");
	assert_int_equal(ask(a, "POST", "/api/v1/session/password", right(&b),
				 "{\"old\":\"wrong\",\"new\":\"a new and long one\"}"),
		403);
	assert_string_equal(a->code, "wrong-login");
	assert_int_equal(ask(a, "POST", "/api/v1/session/password", right(&b),
				 "{\"old\":\"" PASSWORD "\",\"new\":\"short\"}"),
		400);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&other, ""), NULL), 200);
	assert_int_equal(ask(a, "POST", "/api/v1/session/password", right(&b),
				 "{\"old\":\"" PASSWORD "\",\"new\":\"a new and long one\"}"),
		204);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&b, ""), NULL), 200);
	assert_int_equal(ask(a, "GET", "/api/v1/session", from(&other, ""), NULL), 401);
	assert_int_equal(try(a, "ann", PASSWORD), 401);
	assert_int_equal(try(a, "ann", "a new and long one"), 200);
}

static void over_http_one_administrator_is_left(void **state)
{
	struct http_fixture *a = *state;
	struct browser b;

	add(a, "root", ROLE_ADMINISTRATOR, NULL);
	add(a, "ann", ROLE_OPERATOR, NULL);
	b = log_in(a, "root");
	assert_int_equal(ask(a, "POST", "/api/v1/admins/root/remove", right(&b), "{}"), 409);
	assert_string_equal(a->code, "last-administrator");
	assert_int_equal(
		ask(a, "POST", "/api/v1/admins/root/role", right(&b), "{\"role\":\"viewer\"}"),
		409);
	assert_int_equal(ask(a, "POST", "/api/v1/admins", right(&b),
				 "{\"name\":\"ann\",\"role\":\"viewer\"}"),
		409);
	assert_string_equal(a->code, "exists");
	assert_int_equal(ask(a, "POST", "/api/v1/admins", right(&b),
				 "{\"name\":\"Eve\",\"role\":\"viewer\"}"),
		400);
	assert_int_equal(
		ask(a, "POST", "/api/v1/admins", right(&b),
			"{\"name\":\"eve\",\"role\":\"viewer\",\"password\":\"11 letters\"}"),
		400);
}

/* ---- a proxy's word */

static void a_header_logs_in_from_a_listed_proxy_only(void **state)
{
	struct http_fixture *a = *state;
	char headers[512];

	add(a, "ann", ROLE_OPERATOR, NULL);
	assert_int_equal(network_parse("192.0.2.80", &a->server.config.proxies[0]), 0);
	a->server.config.proxy_count = 1;
	a->visitor.source.address = a->server.config.proxies[0].address;
	assert_int_equal(
		ask(a, "GET", "/api/v1/session", HOST "X-Remote-User: ann\r\n", NULL), 401);
	strcpy(a->server.config.trusted_header, "X-Remote-User");
	assert_int_equal(
		ask(a, "GET", "/api/v1/session", HOST "X-Remote-User: ann\r\n", NULL), 200);
	assert_string_equal(answered(a, "how"), "header");
	snprintf(headers, sizeof(headers),
		HOST ORIGIN "X-Remote-User: ann\r\nX-Muster-Csrf: %s\r\n", answered(a, "csrf"));
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", headers, "{}"), 201);
	assert_int_equal(
		ask(a, "POST", "/api/v1/tokens", HOST ORIGIN "X-Remote-User: ann\r\n", "{}"), 403);
	assert_int_equal(
		ask(a, "POST", "/api/v1/tokens", HOST "X-Remote-User: ann\r\n", "{}"), 403);
	static const char *const bad[] = { "X-Remote-User: bob\r\n", "X-Remote-User: \r\n",
		"X-Remote-User: ANN\r\n", "X_Remote_User: ann\r\n", "X-Remote_User: ann\r\n",
		"X-Remote-User: ann,root\r\n", "X-Forwarded-User: ann\r\n",
		"Remote-User: ann\r\n" };
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(headers, sizeof(headers), HOST "%s", bad[i]);
		if (ask(a, "GET", "/api/v1/session", headers, NULL) != 401)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/session",
				 HOST "X-Remote-User: ann\r\nX-Remote-User: ann\r\n", NULL),
		400);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.81", &a->visitor.source.address), 1);
	assert_int_equal(
		ask(a, "GET", "/api/v1/session",
			HOST "X-Remote-User: ann\r\nX-Forwarded-For: 192.0.2.80\r\n", NULL),
		401);
}

/* ---- passwords */

static void one_password_however_it_is_typed(void **state)
{
	char one[PASSWORD_SIZE], other[PASSWORD_SIZE], longest[PASSWORD_MAX + 2];

	(void)state;
	assert_int_equal(password_normal("gr\xc3\xbc\xc3\x9f"
					 "e",
				 one),
		0);
	assert_int_equal(password_normal("gru\xcc\x88\xc3\x9f"
					 "e",
				 other),
		0);
	assert_string_equal(one, other);
	assert_int_equal(password_length(one), 5);
	assert_int_equal(password_normal("", one), 0);
	assert_string_equal(one, "");
	assert_int_equal(password_normal("\xff", one), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[PASSWORD_MAX + 1] = '\0';
	assert_int_equal(password_normal(longest, one), -EINVAL);
	/* U+FB2C, the one that grows most: to three times its bytes */
	for (size_t i = 0; i + 3 <= PASSWORD_MAX; i += 3)
		memcpy(longest + i, "\xef\xac\xac", 4);
	assert_int_equal(password_normal(longest, one), 0);
}

static void the_queue_of_passwords_is_short(void **state)
{
	struct hashing *jobs[HASHER_QUEUE + 2] = {};
	struct hasher *h = NULL;
	size_t taken = 0;
	int r = 0;

	(void)state;
	assert_int_equal(hasher_new(&h), 0);
	while (r == 0 && taken < COUNT(jobs)) {
		r = hasher_make(h, PASSWORD, &jobs[taken]);
		taken += r == 0;
	}
	assert_int_equal(r, -EBUSY);
	assert_true(taken >= HASHER_QUEUE);
	for (size_t i = 0; i < taken; i++) /* none of them is waited for */
		hashing_free(jobs[i]);
	hasher_free(h);
}

int main(void)
{
#define it(test) cmocka_unit_test_setup_teardown(test, http_setup, http_teardown)
	const struct CMUnitTest tests[] = {
		it(the_right_password_opens_a_session),
		it(wrong_logins_all_get_the_same_answer),
		it(a_login_is_a_name_and_a_password_as_json),
		it(a_page_elsewhere_cannot_log_somebody_in),
		it(strangers_wait_and_lock_nobody_out),
		it(who_is_right_uses_nothing_up),
		it(a_flood_of_wrong_names_is_limited_by_its_source),
		it(a_change_takes_origin_and_csrf),
		it(a_cookie_is_good_as_a_whole_and_alone),
		it(behind_https_the_cookie_is_another),
		it(a_session_ends_by_its_time),
		it(a_session_ends_with_what_it_was_for),
		it(others_sessions_are_none_of_a_viewers_business),
		it(ones_own_password_takes_the_old_one),
		it(over_http_one_administrator_is_left),
		it(a_header_logs_in_from_a_listed_proxy_only),
		it(one_password_however_it_is_typed),
		it(the_queue_of_passwords_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
