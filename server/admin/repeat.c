/* SPDX-License-Identifier: MIT */
#include "repeat.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../http_answer.h"
#include "answer.h"

/* A quoted string, as the draft of the header has it, or without the quotes, as most send it. */
static bool key_ok(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < len; i++)
		if (key[i] < 0x21 || key[i] > 0x7e)
			return false;
	return len > 0 && len < REPEAT_KEY_SIZE;
}

/* Whoever has got hold of the store and its keys could try passwords by such a hash a million times
 * as fast as by the one of Argon2id: of a password it says only that there was one. */
static char *body_without_password(const struct api_call *c)
{
	json_t *body = json_copy(c->body);
	char *text = NULL;

	if (body && json_object_set_new(body, "password", json_true()) == 0)
		text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

static int hash_request(struct api_call *c)
{
	const struct http_request *q = c->request;
	bool has_password = json_is_string(json_object_get(c->body, "password"));
	scoped(freep) char *without = has_password ? body_without_password(c) : NULL;
	const struct repeat_part parts[] = {
		{ q->path, strlen(q->path) },
		{ q->query, strlen(q->query) },
		{ without ? without : q->body, without ? strlen(without) : q->body_len },
	};

	if (has_password && !without)
		return -ENOMEM;
	store_repeat_hash(c->server->store, parts, COUNT(parts), c->repeat_hash);
	return 0;
}

/* Where what was made is: below where it was asked for. */
static void tell_place(struct api_call *c, const char *id)
{
	scoped(freep) char *header = NULL;
	scoped(freep) char *detail = NULL;
	int r;

	if (asprintf(&header, "Location: %s/%s\r\n", c->request->path, id) < 0)
		header = NULL;
	if (asprintf(&detail,
		    "this was done already and made %s; its secret was told then and isn't kept",
		    id) < 0)
		detail = NULL;
	r = header && detail ? http_answer_problem(c->out, 409, "already-done", detail,
				       c->request->keep_alive, header)
			     : -ENOMEM;
	if (r < 0)
		c->error = r;
}

static void tell_again(struct api_call *c, const struct repeat_record *r, struct buffer *answer)
{
	int error;

	if (sodium_memcmp(r->hash, c->repeat_hash, sizeof(r->hash)) != 0) {
		answer_refuse(c, 422, "key-reused",
			"this Idempotency-Key came with another request before");
		return;
	}
	if (r->secret) {
		error = buffer_append(answer, "", 1);
		if (error < 0)
			c->error = error;
		else
			tell_place(c, (const char *)answer->data);
		return;
	}
	error = http_answer_head(c->out, r->status, "application/json", answer->len,
		c->request->keep_alive,
		"Cache-Control: no-store\r\nIdempotency-Replayed: true\r\n");
	if (error == 0)
		error = buffer_append(c->out, answer->data, answer->len);
	if (error < 0)
		c->error = error;
}

bool repeat_begin(struct api_call *c)
{
	const char *key = c->request->idempotency_key;
	struct repeat_record before;
	struct buffer answer = {};
	int r;

	if (!key)
		return true;
	if (!key_ok(key)) {
		answer_refuse(c, 400, "bad-request",
			"an Idempotency-Key is 1 to %d printable characters without blanks",
			REPEAT_KEY_SIZE - 1);
		return false;
	}
	r = hash_request(c);
	if (r < 0) {
		c->error = r;
		return false;
	}
	r = store_repeat_get(c->server->store, c->actor, key, &before, &answer);
	c->repeats = r == -ENOENT;
	if (r == 0)
		tell_again(c, &before, &answer);
	else if (r != -ENOENT)
		answer_store_error(c, r, "");
	buffer_clear(&answer);
	return c->repeats;
}

bool repeat_is_first(struct api_call *c)
{
	return !c->repeats || repeat_begin(c);
}

bool repeat_keep(struct api_call *c, int status, json_t *object, const char *text)
{
	struct repeat_record rec = { .status = status, .secret = c->secret };
	const char *kept = rec.secret ? json_string_value(json_object_get(object, "id")) : text;
	int r;

	if (!c->repeats || status < 200 || status > 299)
		return true;
	c->repeats = false;
	memcpy(rec.hash, c->repeat_hash, sizeof(rec.hash));
	r = kept ? store_repeat_add(
			   c->server->store, c->actor, c->request->idempotency_key, &rec, kept)
		 : -EINVAL;
	if (r == 0)
		return true;
	turn_fail(c->server->turn);
	if (r == -E2BIG)
		answer_refuse(c, 429, "too-many",
			"more than %d Idempotency-Keys within a day: ask without one", REPEATS_MAX);
	else
		answer_store_error(c, -EIO, "");
	return false;
}
