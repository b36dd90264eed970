/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include "../dblink.h"
#include "../etag.h"
#include "../http_answer.h"
#include "lib/text.h"
#include "repeat.h"
#include "tag.h"

void answer_failed(struct api_call *c, int error)
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
		had = known && etag_listed(known, etag, ETAG_WEAK);
	}
	snprintf(all, sizeof(all), "Cache-Control: no-store\r\n%s%s%s%s", *etag ? "ETag: " : "",
		etag, *etag ? "\r\n" : "", headers);
	r = http_answer_head(
		c->out, had ? 304 : status, had ? NULL : type, len, c->request->keep_alive, all);
	sodium_memzero(all, sizeof(all)); /* may have a cookie */
	if (r == 0 && !had)
		r = buffer_append(c->out, text, len);
	answer_failed(c, r);
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
		answer_failed(c, -ENOMEM);
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
	scoped(freep) char *clean = NULL;
	va_list args;

	va_start(args, format);
	clean = text_vescape(format, args);
	va_end(args);
	if (!clean) {
		answer_failed(c, -ENOMEM);
		return;
	}
	answer_failed(
		c, http_answer_problem(c->out, status, code, clean, c->request->keep_alive, NULL));
}

void answer_login_first(struct api_call *c)
{
	answer_failed(c, http_answer_problem(c->out, 401, "not-logged-in",
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
