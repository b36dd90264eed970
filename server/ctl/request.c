/* SPDX-License-Identifier: MIT */
/* The API over the control socket, or over HTTP, by libcurl. */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "lib/text.h"
#include "remote.h"

#define ANSWER_MAX     (64u << 20)
#define PAGE           "1000"
#define LINE_MAX_BYTES 65536
#define QUEUE_TRIES    200 /* of a connection, so far apart: for 10 s */
#define QUEUE_USEC     50000

static struct remote remote; /* of the program: it asks one server */

struct answer {
	char *text;
	size_t len;
	long status;
	bool too_long;
	/* Not NULL: what comes with a success is given to it line by line instead. */
	line_visitor visit;
	void *userdata;
	CURL *curl;
	int stopped; /* by the visitor, with that */
};

static void answer_endp(struct answer *a)
{
	free(a->text);
}

/* All whole lines in what has come so far. */
static bool visit_lines(struct answer *a)
{
	char *at = a->text, *end;

	while ((end = memchr(at, '\n', a->len - (size_t)(at - a->text)))) {
		*end = '\0';
		a->stopped = a->visit(a->userdata, at);
		if (a->stopped != CTL_OK)
			return false;
		at = end + 1;
	}
	a->len -= (size_t)(at - a->text);
	memmove(a->text, at, a->len + 1);
	a->too_long = a->len > LINE_MAX_BYTES;
	return !a->too_long;
}

static bool is_success(const struct answer *a)
{
	long status = 0;

	return curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       status == 200;
}

static size_t on_data(char *data, size_t size, size_t count, void *userdata)
{
	struct answer *a = userdata;
	size_t len = size * count;
	char *grown;

	if (len > ANSWER_MAX - a->len) {
		a->too_long = true;
		return 0;
	}
	grown = realloc(a->text, a->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + a->len, data, len);
	a->text = grown;
	a->len += len;
	a->text[a->len] = '\0';
	return !a->visit || !is_success(a) || visit_lines(a) ? len : 0;
}

/* ---- failures, in words */

static int unreachable(struct ctl *c, CURL *curl)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (error == EACCES || error == EPERM)
		return complain(CTL_UNREACHABLE,
			"%s: permission denied: only root and members of the group muster may do "
			"this",
			c->socket);
	if (error == 0)
		return complain(CTL_UNREACHABLE,
			"muster-server doesn't take connections at %s: too many wait there",
			c->socket);
	return complain(CTL_UNREACHABLE, "no muster-server answers at %s (%s): is it running?",
		c->socket, strerror((int)error));
}

/* What may be over soon: it restarts, or its database does. */
static bool is_away(CURL *curl, CURLcode code, long status)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	switch ((int)code) {
	case CURLE_OK:
		return status >= 502 && status <= 504;
	case CURLE_COULDNT_CONNECT:
		return error != EACCES && error != EPERM;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return true;
	}
	return false;
}

static int transfer_failed(struct ctl *c, CURL *curl, CURLcode code, const struct answer *a)
{
	if (*remote.base && !a->too_long)
		return remote_failed(&remote, code);
	if (code == CURLE_COULDNT_CONNECT)
		return unreachable(c, curl);
	if (a->too_long)
		return complain(CTL_FAILED, "the server's answer is too long");
	return complain(CTL_UNREACHABLE, "the connection to muster-server was lost: %s",
		curl_easy_strerror(code));
}

static int exit_code_of(long status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
		return CTL_USAGE;
	case 404:
		return CTL_NOT_FOUND;
	case 401:
	case 403:
	case 429:
		return CTL_REFUSED;
	default:
		return CTL_FAILED;
	}
}

/* Some are told apart by the stable code: an id that fits several, or a state that forbids it; a
 * database that can't be reached, or something else that fails. */
static int exit_code(long status, const char *code)
{
	if (status == 409)
		return strcmp(code, "ambiguous") == 0 ? CTL_NOT_FOUND : CTL_REFUSED;
	if (status == 503 && strcmp(code, "store-unavailable") == 0)
		return CTL_AWAY;
	return exit_code_of(status);
}

static int refused(const struct answer *a)
{
	json_t *problem = a->text ? json_loadb(a->text, a->len, 0, NULL) : NULL;
	const char *code = get(problem, "code"), *detail = get(problem, "detail");
	scoped(freep) char *clean = text_escape(detail, strlen(detail));
	int r = exit_code(a->status, code);

	json_decref(problem);
	if (clean && *clean)
		return complain(r, "%s", clean);
	return complain(r, "the server answered with status %ld", a->status);
}

/* ---- requests */

static CURL *connection(struct ctl *c)
{
	CURL *curl = c->handle;

	if (!curl) {
		curl = curl_easy_init();
		c->handle = curl;
	}
	if (curl)
		curl_easy_reset(curl); /* the connection stays */
	return curl;
}

static CURLcode prepare(CURL *curl, struct ctl *c, const char *url, struct answer *a)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_CONNECTTIMEOUT, 10 },
		{ CURLOPT_TIMEOUT, 600 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
	};
	const struct {
		CURLoption option;
		const void *value;
	} pointers[] = {
		{ CURLOPT_URL, url },
		{ CURLOPT_UNIX_SOCKET_PATH, c->server ? NULL : c->socket },
		{ CURLOPT_PROXY, c->server ? NULL : "" },
		{ CURLOPT_PROTOCOLS_STR, "http" },
		{ CURLOPT_WRITEDATA, a },
	};
	CURLcode r = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);

	for (size_t i = 0; r == CURLE_OK && i < COUNT(numbers); i++)
		r = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
	for (size_t i = 0; r == CURLE_OK && i < COUNT(pointers); i++)
		r = curl_easy_setopt(curl, pointers[i].option, pointers[i].value);
	return r == CURLE_OK && c->server ? remote_prepare(&remote, curl) : r;
}

/* Caller frees; NULL: there are none, or no memory (*ret_error). */
static struct curl_slist *headers_of(bool posts, CURLcode *ret_error)
{
	/* A large body is sent at once as well. */
	const char *const lines[] = { remote.authorization,
		posts ? "Content-Type: application/json" : NULL, posts ? "Expect:" : NULL };
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < COUNT(lines); i++) {
		struct curl_slist *more = lines[i] ? curl_slist_append(list, lines[i]) : list;

		if (lines[i] && !more) {
			*ret_error = CURLE_OUT_OF_MEMORY;
			break;
		}
		list = more;
	}
	return list;
}

static CURLcode post(CURL *curl, const char *body)
{
	CURLcode r = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));

	return r == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) : r;
}

/* What the kernel says of a UNIX socket whose queue is full, EAGAIN, libcurl takes for a connection
 * under way, and then finds none and no error. */
static bool queue_is_full(const struct ctl *c, CURL *curl, CURLcode code)
{
	long error = 0;

	return !c->server && code == CURLE_COULDNT_CONNECT &&
	       curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error) == CURLE_OK && error == 0;
}

static CURLcode perform(const struct ctl *c, CURL *curl)
{
	CURLcode r = curl_easy_perform(curl);

	for (int i = 0; i < QUEUE_TRIES && queue_is_full(c, curl, r); i++) {
		(void)usleep(QUEUE_USEC);
		r = curl_easy_perform(curl);
	}
	return r;
}

static int exchange(struct ctl *c, const char *path, const char *body, struct answer *a)
{
	CURL *curl = connection(c);
	struct curl_slist *headers = NULL;
	char url[4096];
	CURLcode r = curl ? CURLE_OK : CURLE_OUT_OF_MEMORY;
	int started = remote_start(c, &remote);

	if (started != CTL_OK)
		return started;
	snprintf(url, sizeof(url), "%s%s", c->server ? remote.base : "http://muster", path);
	if (r == CURLE_OK)
		r = prepare(curl, c, url, a);
	if (r == CURLE_OK && a->visit) /* until one of us ends it */
		r = curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0l);
	a->curl = curl;
	headers = headers_of(body, &r);
	if (r == CURLE_OK)
		r = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (r == CURLE_OK && body)
		r = post(curl, body);
	if (r == CURLE_OK)
		r = perform(c, curl);
	if (r == CURLE_OK)
		r = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
	if (curl)
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (a->stopped != CTL_OK)
		return a->stopped;
	if (r != CURLE_OK && a->visit && !a->too_long && is_success(a))
		return CTL_OK; /* however it has ended, it was read until then */
	if (c->patient && is_away(curl, r, a->status))
		return CTL_AGAIN;
	if (r != CURLE_OK)
		return transfer_failed(c, curl, r, a);
	return a->status < 200 || a->status > 299 ? refused(a) : CTL_OK;
}

static int ask(struct ctl *c, const char *path, const char *body, json_t **ret)
{
	scoped(answer_endp) struct answer a = {};
	int r = exchange(c, path, body, &a);

	if (r != CTL_OK)
		return r;
	if (a.status == 204)
		*ret = json_object();
	else
		*ret = a.text ? json_loadb(a.text, a.len, 0, NULL) : NULL;
	if (json_is_object(*ret))
		return CTL_OK;
	json_decref(*ret);
	return complain(CTL_FAILED, "the server's answer can't be understood");
}

int request_get(struct ctl *c, const char *path, json_t **ret)
{
	return ask(c, path, NULL, ret);
}

int request_post(struct ctl *c, const char *path, json_t *body, json_t **ret)
{
	scoped(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	int r = text ? ask(c, path, text, ret) : complain(CTL_FAILED, "no memory");

	if (text)
		explicit_bzero(text, strlen(text)); /* may have a password */
	return r;
}

int request_text(struct ctl *c, const char *path, json_t *body, char **ret, size_t *ret_len)
{
	scoped(freep) char *text = json_dumps(body, JSON_COMPACT);
	scoped(answer_endp) struct answer a = {};
	int r = text ? exchange(c, path, text, &a) : complain(CTL_FAILED, "no memory");

	if (r == CTL_OK) {
		*ret_len = a.len;
		*ret = give(a.text);
	}
	return r;
}

int request_lines(struct ctl *c, const char *path, line_visitor visit, void *userdata)
{
	scoped(answer_endp) struct answer a = { .visit = visit, .userdata = userdata };
	int r = exchange(c, path, NULL, &a);

	return r == CTL_OK ? complain(CTL_UNREACHABLE, "muster-server has ended the stream") : r;
}

void request_end(struct ctl *c)
{
	if (c->handle)
		curl_easy_cleanup(c->handle);
	c->handle = NULL;
	remote_end(&remote);
}

/* ---- paths */

int request_path(char *ret, size_t size, const char *kind, const char *id, const char *act)
{
	size_t len = strspn(id, "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (len == 0 || id[len] || len > 63)
		return -1;
	snprintf(ret, size, "/api/v1/%s/%s%s%s", kind, id, act ? "/" : "", act ? act : "");
	return 0;
}

void request_add(char *path, size_t size, const char *name, const char *value)
{
	char *encoded = curl_easy_escape(NULL, value, (int)strlen(value));
	size_t len = strlen(path);

	snprintf(path + len, size - len, "%c%s=%s", strchr(path, '?') ? '&' : '?', name,
		encoded ? encoded : "");
	curl_free(encoded);
}

/* ---- lists */

struct listing {
	const char *name;
	bool json, begun;
	size_t count;
	list_visitor visit;
	void *userdata;
};

static bool show_json(struct listing *l, json_t *element)
{
	scoped(freep) char *text = json_dumps(element, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text)
		printf("%s%s", l->count++ ? ",\n" : "\n", text);
	return text != NULL;
}

static bool show(struct listing *l, json_t *elements)
{
	size_t i;
	json_t *element;

	if (l->json && !l->begun)
		printf("{\"%s\":[", l->name);
	l->begun = true;
	json_array_foreach (elements, i, element) {
		if (!l->json)
			l->visit(l->userdata, element);
		else if (!show_json(l, element))
			return false;
	}
	return true;
}

static int page(struct ctl *c, const char *base, struct listing *l, char *after, size_t size)
{
	char path[4096];
	json_t *object = NULL;
	int r;

	snprintf(path, sizeof(path), "%s", base);
	request_add(path, sizeof(path), "limit", PAGE);
	if (*after)
		request_add(path, sizeof(path), "after", after);
	r = request_get(c, path, &object);
	if (r != CTL_OK)
		return r;
	snprintf(after, size, "%s", get(object, "next"));
	if (!show(l, json_object_get(object, l->name)))
		r = complain(CTL_FAILED, "no memory");
	json_decref(object);
	return r;
}

int request_list(
	struct ctl *c, const char *path, const char *name, list_visitor visit, void *userdata)
{
	struct listing l = { .name = name, .json = c->json, .visit = visit, .userdata = userdata };
	char after[128] = "";
	int r;

	do
		r = page(c, path, &l, after, sizeof(after));
	while (r == CTL_OK && *after);
	if (l.json && r == CTL_OK)
		printf("%s]}\n", l.count ? "\n" : "");
	return r;
}
