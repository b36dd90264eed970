/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "../dblink.h"
#include "../download.h"
#include "../http_answer.h"
#include "lib/text.h"
#include "repeat.h"
#include "tag.h"

/* ---- answers */

static void failed(struct api_call *c, int error)
{
	if (error < 0 && c->error == 0)
		c->error = error;
}

static bool is_read(const struct api_call *c)
{
	return c->request->method == HTTP_METHOD_GET || c->request->method == HTTP_METHOD_HEAD;
}

/* What is read has an ETag, and isn't sent to who has it already. */
static void reply_with(struct api_call *c, int status, const char *type, const void *text,
	size_t len, const char *headers)
{
	const char *known = c->request->if_none_match;
	char all[512], etag[TAG_SIZE] = "";
	bool had = false;
	int r;

	if (status == 200 && is_read(c)) {
		tag_of(text, len, etag);
		had = known && etag_listed(known, etag);
	}
	snprintf(all, sizeof(all), "Cache-Control: no-store\r\n%s%s%s%s", *etag ? "ETag: " : "",
		etag, *etag ? "\r\n" : "", headers);
	r = http_answer_head(
		c->out, had ? 304 : status, had ? NULL : type, len, c->request->keep_alive, all);
	sodium_memzero(all, sizeof(all)); /* may have a cookie */
	if (r == 0 && !had)
		r = buffer_append(c->out, text, len);
	failed(c, r);
}

static void reply(struct api_call *c, int status, const char *type, const void *text, size_t len)
{
	reply_with(c, status, type, text, len, "");
}

void answer_nothing(struct api_call *c, const char *headers)
{
	reply_with(c, 204, NULL, "", 0, headers);
}

void answer_json(struct api_call *c, int status, json_t *object)
{
	answer_json_with(c, status, object, "");
}

void answer_json_with(struct api_call *c, int status, json_t *object, const char *headers)
{
	scoped(freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	bool kept = text && repeat_keep(c, status, object, text);

	json_decref(object);
	if (!text) {
		failed(c, -ENOMEM);
		return;
	}
	if (kept)
		reply_with(c, status, "application/json", text, strlen(text), headers);
	sodium_memzero(text, strlen(text)); /* may be a new token */
}

void answer_text(struct api_call *c, const char *content_type, const struct buffer *text)
{
	reply(c, 200, content_type, text->data, text->len);
}

void answer_refuse(struct api_call *c, int status, const char *code, const char *format, ...)
{
	scoped(freep) char *detail = NULL;
	scoped(freep) char *clean = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&detail, format, args);
	va_end(args);
	if (len < 0)
		detail = NULL;
	clean = detail ? text_escape(detail, strlen(detail)) : NULL;
	if (!clean) {
		failed(c, -ENOMEM);
		return;
	}
	failed(c, http_answer_problem(c->out, status, code, clean, c->request->keep_alive, NULL));
}

void answer_login_first(struct api_call *c)
{
	failed(c, http_answer_problem(c->out, 401, "not-logged-in",
			  "log in, or show a valid API token", c->request->keep_alive,
			  "WWW-Authenticate: Bearer realm=\"muster\"\r\n"));
}

void answer_store_error(struct api_call *c, int error, const char *what)
{
	if (error == -ENOENT)
		answer_refuse(c, 404, "not-found", "there is no %s '%s'", what, c->id);
	else if (error == -ENOTUNIQ)
		answer_refuse(c, 409, "ambiguous", "'%s' fits more than one %s", c->id, what);
	else if (error == -ENOTCONN || !dblink_up(c->server)) {
		turn_fail(c->server->turn);
		answer_refuse(c, 503, "store-unavailable",
			"the database can't be reached now; nothing was changed; try again later");
	} else {
		turn_fail(c->server->turn);
		answer_refuse(c, 503, "store-failed",
			"the database failed; nothing was changed; see the server's log");
	}
}

bool answer_may_write(struct api_call *c)
{
	int r = turn_enter(c->server->turn);

	if (r < 0)
		answer_store_error(c, r, "");
	return r >= 0;
}

/* ---- the query */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len characters of "a%3Db+c". false: malformed, a control character, or too long. */
static bool decode(const char *text, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = text[i] == '+' ? ' ' : (unsigned char)text[i];

		if (c == '%') {
			if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return false;
			c = hex(text[i + 1]) * 16 + hex(text[i + 2]);
			i += 2;
		}
		if (n + 1 >= size)
			return false;
		ret[n++] = (char)c;
	}
	ret[n] = '\0';
	return text_printable(ret, n);
}

static bool read_param(
	struct api_call *c, const char *text, size_t len, struct param *params, size_t count)
{
	size_t name_len = strcspn(text, "=&");
	size_t i = 0;

	if (name_len > len)
		name_len = len;
	while (i < count && (strlen(params[i].name) != name_len ||
				    strncmp(params[i].name, text, name_len) != 0))
		i++;
	if (i == count) {
		answer_refuse(c, 400, "unknown-parameter", "there is no parameter '%.*s'",
			(int)(name_len < 64 ? name_len : 64), text);
		return false;
	}
	if (params[i].given) {
		answer_refuse(
			c, 400, "bad-parameter", "parameter '%s' is given twice", params[i].name);
		return false;
	}
	params[i].given = true;
	if (name_len < len)
		name_len++;
	if (decode(text + name_len, len - name_len, params[i].value, sizeof(params[i].value)))
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' is too long or not printable text",
		params[i].name);
	return false;
}

bool read_query(struct api_call *c, struct param *params, size_t count)
{
	const char *at = c->request->query;

	while (*at) {
		size_t len = strcspn(at, "&");

		if (len > 0 && !read_param(c, at, len, params, count))
			return false;
		at += len;
		at += *at == '&';
	}
	return true;
}

bool read_number(struct api_call *c, const struct param *p, uint64_t min, uint64_t max,
	uint64_t fallback, uint64_t *ret)
{
	*ret = fallback;
	if (!p->given || text_number(p->value, min, max, ret) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' must be a number from %llu to %llu",
		p->name, (unsigned long long)min, (unsigned long long)max);
	return false;
}

/* ---- the body's fields */

bool read_fields(struct api_call *c, const char *const *names)
{
	const char *key;
	json_t *value;

	json_object_foreach (c->body, key, value) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i]) {
			answer_refuse(c, 400, "unknown-field", "there is no field '%.64s'", key);
			return false;
		}
	}
	return true;
}

bool read_string(struct api_call *c, const char *field, size_t size, const char **ret)
{
	json_t *value = json_object_get(c->body, field);

	*ret = NULL;
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value)) {
		answer_refuse(c, 400, "bad-field", "field '%s' must be a string", field);
		return false;
	}
	if (json_string_length(value) >= size) {
		answer_refuse(c, 400, "bad-field", "field '%s' is longer than %zu bytes", field,
			size - 1);
		return false;
	}
	if (!text_printable(json_string_value(value), json_string_length(value))) {
		answer_refuse(c, 400, "bad-field",
			"field '%s' has control characters or other unprintable ones", field);
		return false;
	}
	*ret = json_string_value(value);
	return true;
}

bool read_bool(struct api_call *c, const char *field, bool *ret)
{
	json_t *value = json_object_get(c->body, field);

	*ret = json_is_true(value);
	if (!value || json_is_boolean(value))
		return true;
	answer_refuse(c, 400, "bad-field", "field '%s' must be true or false", field);
	return false;
}

static bool refuse_label(struct api_call *c, const char *field, const char *label, int error)
{
	if (error == -EEXIST)
		answer_refuse(c, 400, "bad-field",
			"field '%s': label '%.128s' has a key that is "
			"there already",
			field, label);
	else if (error == -E2BIG)
		answer_refuse(c, 400, "bad-field", "field '%s' has more than %d labels", field,
			LABELS_MAX);
	else
		answer_refuse(c, 400, "bad-field",
			"field '%s': '%.128s' is not a label: KEY or KEY=VALUE, the key of "
			"a-z 0-9 . _ - / and at most 63 characters, the value of A-Z a-z 0-9 "
			". _ - : / @ + and at most 63",
			field, label);
	return false;
}

static int drop(struct labels *l, const char *key)
{
	struct labels one = {};

	if (strchr(key, '=') || labels_add(&one, key) < 0)
		return -EINVAL;
	labels_drop(l, key);
	return 0;
}

static bool each_label(struct api_call *c, const char *field, struct labels *l,
	int (*take)(struct labels *l, const char *label))
{
	json_t *list = json_object_get(c->body, field);
	size_t i;
	json_t *value;

	if (!list || json_is_null(list))
		return true;
	if (!json_is_array(list)) {
		answer_refuse(c, 400, "bad-field", "field '%s' must be a list of strings", field);
		return false;
	}
	json_array_foreach (list, i, value) {
		const char *label = json_string_value(value);
		int r;

		if (!label) {
			answer_refuse(
				c, 400, "bad-field", "field '%s' must be a list of strings", field);
			return false;
		}
		r = take(l, label);
		if (r < 0)
			return refuse_label(c, field, label, r);
	}
	return true;
}

bool read_labels(struct api_call *c, const char *field, struct labels *ret)
{
	*ret = (struct labels){};
	return each_label(c, field, ret, labels_add);
}

bool read_labels_put(struct api_call *c, const char *field, struct labels *l)
{
	return each_label(c, field, l, labels_put);
}

bool read_labels_drop(struct api_call *c, const char *field, struct labels *l)
{
	return each_label(c, field, l, drop);
}

/* ---- values */

json_t *value_time(uint64_t at)
{
	char text[32];
	time_t t = (time_t)at;
	struct tm tm;

	/* 9999-12-31T23:59:59Z is the last that RFC 3339 can say. */
	if (at == 0 || at > 253402300799u || !gmtime_r(&t, &tm) ||
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

json_t *value_seconds(uint32_t n)
{
	return n > 0 ? json_integer(n) : json_null();
}

json_t *value_said(const char *text)
{
	scoped(freep) char *clean = text_escape(text, strlen(text));

	return clean ? json_string(clean) : NULL;
}

json_t *value_said_or_null(const char *text)
{
	return *text ? value_said(text) : json_null();
}

json_t *value_hex(const uint8_t *data, size_t len)
{
	char text[2 * 65 + 1];

	if (2 * len + 1 > sizeof(text))
		return NULL;
	return json_string(sodium_bin2hex(text, sizeof(text), data, len));
}

json_t *value_labels(const struct labels *l)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < l->count; i++) {
		if (json_array_append_new(list, json_string(l->text[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* ---- lists */

int page_add(struct page *p, json_t *object)
{
	scoped(freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int r = text ? 0 : -ENOMEM;

	json_decref(object);
	p->text.limit = PAGE_BYTES + (1u << 16);
	if (r == 0 && p->count > 0)
		r = buffer_append(&p->text, ",", 1);
	if (r == 0)
		r = buffer_append(&p->text, text, strlen(text));
	if (r < 0) {
		p->error = r;
		return r;
	}
	p->count++;
	return p->text.len >= PAGE_BYTES;
}

void page_endp(struct page *p)
{
	buffer_clear(&p->text);
}

/* The object's text without its closing brace, or "{"; ends where a field may follow. */
static int open_object(struct buffer *out, json_t *extra)
{
	scoped(freep) char *text = extra ? json_dumps(extra, JSON_COMPACT) : NULL;

	if (extra && !text)
		return -ENOMEM;
	if (!extra || strcmp(text, "{}") == 0)
		return buffer_append(out, "{", 1);
	text[strlen(text) - 1] = ',';
	return buffer_append(out, text, strlen(text));
}

void page_answer(
	struct api_call *c, struct page *p, json_t *extra, const char *name, const char *next)
{
	struct buffer all = { .limit = API_ANSWER_MAX };
	int r = p->error ? p->error : open_object(&all, extra);

	json_decref(extra);
	if (r == 0)
		r = buffer_printf(&all, "\"%s\":[", name);
	if (r == 0)
		r = buffer_append(&all, p->text.data, p->text.len);
	if (r == 0) /* cursors are ids and numbers: nothing to escape */
		r = *next ? buffer_printf(&all, "],\"next\":\"%s\"}", next)
			  : buffer_printf(&all, "],\"next\":null}");
	if (r == 0)
		reply(c, 200, "application/json", all.data, all.len);
	failed(c, r);
	buffer_clear(&all);
}
