/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "answer.h"

static const struct caller nobody = { .how = CALLER_NOBODY, .actor = "nobody" };

int access_start(struct server *s)
{
	int r;

	s->access = calloc(1, sizeof(*s->access));
	if (!s->access)
		return -ENOMEM;
	r = logins_new(&s->access->logins);
	return r < 0 ? r : hasher_new(&s->access->hasher);
}

void access_stop(struct server *s)
{
	if (!s->access)
		return;
	hasher_free(s->access->hasher);
	logins_free(s->access->logins);
	free(give(s->access));
}

struct session_limits access_limits(const struct server *s)
{
	return (struct session_limits){ s->config.session_idle, s->config.session_max };
}

/* ---- API tokens */

/* About when it was used last is worth a write a minute, not one a request. */
static int note_use(struct server *s, bool stale, const char *id,
	int (*note)(struct store *store, const char *id))
{
	int r;

	if (!stale)
		return 0;
	r = turn_enter(s->turn);
	return r < 0 ? r : note(s->store, id);
}

static int by_token(struct server *s, const char *text, struct caller *ret)
{
	struct access_record a;
	int r = store_access_find(s->store, text, &a);

	if (r == -ENOENT || r == -EKEYEXPIRED || r == -EKEYREVOKED)
		return 0;
	if (r == 0)
		r = note_use(s, store_access_stale(s->store, &a), a.id, store_access_used);
	if (r < 0)
		return r;
	*ret = (struct caller){
		.how = CALLER_TOKEN,
		.role = a.role,
		.expires = a.expires,
	};
	memcpy(ret->id, a.id, sizeof(ret->id));
	memcpy(ret->name, a.name, sizeof(ret->name));
	memcpy(ret->scope, a.scope, sizeof(ret->scope));
	snprintf(ret->actor, sizeof(ret->actor), "api-token:%s", a.id);
	return 0;
}

/* RFC 6750: "Bearer", whatever the case of its letters, one blank, the token. Another scheme's is
 * an empty one: nobody's. */
static const char *bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return "";
	return authorization + strlen(scheme);
}

/* ---- a proxy's word */

/* Its token against forgery can't come from a secret of the browser's: there is none. */
static void header_csrf(const struct server *s, const char *name, char ret[static CSRF_SIZE])
{
	static const char domain[] = "muster-csrf-header-1";
	uint8_t hash[(CSRF_SIZE - 1) / 2];
	crypto_generichash_state h;

	/* None of them can fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash_init(&h, s->keys.token_key, TOKEN_KEY_SIZE, sizeof(hash));
	(void)crypto_generichash_update(&h, (const uint8_t *)domain, sizeof(domain) - 1);
	(void)crypto_generichash_update(&h, (const uint8_t *)name, strlen(name));
	(void)crypto_generichash_final(&h, hash, sizeof(hash));
	sodium_bin2hex(ret, CSRF_SIZE, hash, sizeof(hash));
}

static int by_header(struct server *s, const char *name, struct caller *ret)
{
	struct admin_record a;
	int r = admin_name_ok(name) ? store_admin_get(s->store, name, &a) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	*ret = (struct caller){ .how = CALLER_HEADER, .role = a.role };
	memcpy(ret->name, a.name, sizeof(ret->name));
	snprintf(ret->actor, sizeof(ret->actor), "admin:%s", a.name);
	header_csrf(s, a.name, ret->csrf);
	return 0;
}

/* ---- sessions */

static const char *cookie_name(bool https)
{
	return https ? "__Host-muster" : "muster";
}

/* RFC 6265, 4.2. The cookie of that name, if there is one only: another one may be somebody's who
 * could set one for a name above ours. */
static bool read_cookie(
	const char *header, const char *name, uint8_t ret[static SESSION_SECRET_SIZE])
{
	const char *value = NULL;
	size_t len, bin_len;

	for (const char *at = header; *at; at += *at == ';') {
		at += strspn(at, " \t");
		len = strcspn(at, ";");
		if (len > strlen(name) && strncmp(at, name, strlen(name)) == 0 &&
			at[strlen(name)] == '=') {
			if (value)
				return false;
			value = at + strlen(name) + 1;
		}
		at += len;
	}
	if (!value || strspn(value, "0123456789abcdef") != 2 * SESSION_SECRET_SIZE ||
		!strchr(";", value[2 * SESSION_SECRET_SIZE]))
		return false;
	return sodium_hex2bin(ret, SESSION_SECRET_SIZE, value, 2 * SESSION_SECRET_SIZE, NULL,
		       &bin_len, NULL) == 0;
}

void access_csrf(const uint8_t secret[static SESSION_SECRET_SIZE], char ret[static CSRF_SIZE])
{
	static const char domain[] = "muster-csrf-session-1";
	uint8_t hash[(CSRF_SIZE - 1) / 2];

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)domain, sizeof(domain) - 1,
		secret, SESSION_SECRET_SIZE);
	sodium_bin2hex(ret, CSRF_SIZE, hash, sizeof(hash));
}

static int by_session(
	struct server *s, const uint8_t secret[static SESSION_SECRET_SIZE], struct caller *ret)
{
	struct session_limits limits = access_limits(s);
	struct session_record found;
	int r = store_session_find(s->store, secret, &limits, &found);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = note_use(
			s, store_session_stale(s->store, &found), found.id, store_session_used);
	if (r < 0)
		return r;
	*ret = (struct caller){
		.how = CALLER_SESSION,
		.role = found.role,
		.expires = found.expires,
	};
	memcpy(ret->id, found.id, sizeof(ret->id));
	memcpy(ret->name, found.admin, sizeof(ret->name));
	snprintf(ret->actor, sizeof(ret->actor), "admin:%s", found.admin);
	access_csrf(secret, ret->csrf);
	return 0;
}

int access_find(struct server *s, const struct http_request *q, const struct approach *a,
	struct caller *ret)
{
	uint8_t secret[SESSION_SECRET_SIZE];
	int r = 0;

	*ret = nobody;
	if (q->authorization)
		return by_token(s, bearer(q->authorization), ret);
	if (q->watched && a->by_proxy && *s->config.trusted_header)
		return by_header(s, q->watched, ret);
	if (q->cookie && read_cookie(q->cookie, cookie_name(a->https), secret))
		r = by_session(s, secret, ret);
	sodium_memzero(secret, sizeof(secret));
	return r;
}

static bool session_stands(struct server *s, const struct caller *who)
{
	struct session_limits limits = access_limits(s);
	struct session_record found;
	int r = store_session_get(s->store, who->id, &limits, &found);

	return r == 0 ? found.role == who->role : r != -ENOENT;
}

bool access_stands(struct server *s, const struct caller *who)
{
	struct access_record token;
	struct admin_record admin;
	int r;

	switch (who->how) {
	case CALLER_SOCKET:
		return true;
	case CALLER_TOKEN:
		r = store_access_get(s->store, who->id, &token);
		return r == 0 ? token.state == ACCESS_LIVE : r != -ENOENT;
	case CALLER_SESSION:
		return session_stands(s, who);
	case CALLER_HEADER:
		r = store_admin_get(s->store, who->name, &admin);
		return r == 0 ? admin.role == who->role : r != -ENOENT;
	case CALLER_NOBODY:
		break;
	}
	return false;
}

void access_cookie(
	const struct api_call *c, const uint8_t *secret, char ret[static COOKIE_LINE_SIZE])
{
	char text[2 * SESSION_SECRET_SIZE + 1] = "";

	if (secret)
		sodium_bin2hex(text, sizeof(text), secret, SESSION_SECRET_SIZE);
	snprintf(ret, COOKIE_LINE_SIZE,
		"Set-Cookie: %s=%s; Path=/;%s%s HttpOnly; SameSite=Strict\r\n",
		cookie_name(c->https), text, secret ? "" : " Max-Age=0;",
		c->https ? " Secure;" : "");
	sodium_memzero(text, sizeof(text));
}

/* ---- who made the browser ask */

static uint16_t port_or(uint16_t port, bool https)
{
	return port ? port : https ? 443 : 80;
}

/* RFC 6454: scheme, host and port are those under which the browser reached us. Where no proxy tells
 * of HTTPS it may be that all the same. */
static bool is_own_origin(const struct approach *a, const char *origin)
{
	bool https = strncmp(origin, "https://", 8) == 0;
	char theirs[HOST_SIZE], ours[HOST_SIZE];
	uint16_t their_port, our_port;

	if (!https && (strncmp(origin, "http://", 7) != 0 || a->https))
		return false;
	if (host_split(origin + 7 + https, theirs, &their_port) < 0 ||
		host_split(a->host, ours, &our_port) < 0)
		return false;
	return strcmp(theirs, ours) == 0 && port_or(their_port, https) == port_or(our_port, https);
}

static bool is_own_site(const char *sec_fetch_site)
{
	return !sec_fetch_site || strcmp(sec_fetch_site, "same-origin") == 0 ||
	       strcmp(sec_fetch_site, "none") == 0;
}

static bool refuse_origin(struct api_call *c)
{
	answer_refuse(c, 403, "bad-origin", "this was asked by a page of another origin");
	return false;
}

bool access_guard(struct api_call *c, const struct approach *a)
{
	const struct http_request *q = c->request;
	bool reads = q->method == HTTP_METHOD_GET || q->method == HTTP_METHOD_HEAD;
	bool by_itself = c->who.how == CALLER_SESSION || c->who.how == CALLER_HEADER;

	if (c->who.how == CALLER_TOKEN)
		return true;
	if (!is_own_site(q->sec_fetch_site))
		return refuse_origin(c);
	if (reads)
		return true;
	if (q->origin ? !is_own_origin(a, q->origin) : by_itself)
		return refuse_origin(c);
	if (!by_itself)
		return true;
	if (q->csrf && strlen(q->csrf) == CSRF_SIZE - 1 &&
		sodium_memcmp(q->csrf, c->who.csrf, CSRF_SIZE - 1) == 0)
		return true;
	answer_refuse(c, 403, "bad-csrf", "X-Muster-Csrf is not what this session has");
	return false;
}
