/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "answer.h"
#include "clients_json.h"
#include "expires.h"
#include "lib/token.h"
#include "page.h"
#include "read.h"
#include "value.h"

#define LIFE_DEFAULT "24h"

static json_t *token_object(const struct token_record *t)
{
	json_t *uses = t->uses == UNLIMITED_USES ? json_null() : json_integer(t->uses);

	return json_pack("{s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "id",
		t->id, "state", token_state_name(t->state), "labels", value_labels(&t->labels),
		"uses", uses, "used", (json_int_t)t->used, "expires", value_time(t->expires),
		"created", value_time(t->created), "created_by", value_said(t->created_by), "note",
		value_said_or_null(t->note), "revoked", value_time(t->revoked), "approve",
		t->approve, "ephemeral", value_seconds(t->ephemeral));
}

/* ---- making one */

static bool read_uses(struct api_call *c, uint32_t *ret)
{
	json_t *value = json_object_get(c->body, "uses");
	json_int_t n = json_integer_value(value);

	*ret = value ? UNLIMITED_USES : 1;
	if (!value || json_is_null(value))
		return true;
	*ret = (uint32_t)n;
	if (json_is_integer(value) && n >= 1 && n < UNLIMITED_USES)
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'uses' must be a whole number from 1 to 4294967294, or null for unlimited");
	return false;
}

static bool read_ephemeral(struct api_call *c, uint32_t *ret)
{
	json_t *value = json_object_get(c->body, "ephemeral");
	json_int_t n = json_integer_value(value);

	*ret = 0;
	if (!value || json_is_null(value))
		return true;
	*ret = (uint32_t)n;
	if (json_is_integer(value) && n >= EPHEMERAL_MIN && n <= EPHEMERAL_MAX)
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'ephemeral' must be a whole number of seconds from %u to %u, or null",
		EPHEMERAL_MIN, EPHEMERAL_MAX);
	return false;
}

void api_token_create(struct api_call *c)
{
	static const char *const fields[] = { "labels", "uses", "expires", "note", "approve",
		"ephemeral", NULL };
	struct token_spec spec = { .actor = c->actor };
	struct token_record record;
	uint8_t token[TOKEN_SIZE];
	char text[TOKEN_TEXT_SIZE];
	json_t *object;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_labels(c, "labels", &spec.labels) || !read_uses(c, &spec.uses) ||
		!read_expires(c, LIFE_DEFAULT, &spec.expires) ||
		!read_string(c, "note", NOTE_SIZE, &spec.note) ||
		!read_bool(c, "approve", &spec.approve) || !read_ephemeral(c, &spec.ephemeral) ||
		!answer_may_write(c))
		return;
	r = store_token_create(c->server->store, &spec, token, &record);
	if (r < 0) {
		answer_store_error(c, r == -ENOENT ? -EIO : r, "token");
		return;
	}
	changes_tell(c->server, CHANGE_TOKENS, record.id);
	token_format(token, text);
	c->secret = true;
	object = token_object(&record);
	if (object)
		json_object_set_new(object, "token", json_string(text));
	answer_json(c, 201, object);
	sodium_memzero(token, sizeof(token));
	sodium_memzero(text, sizeof(text));
}

/* ---- the others */

static int list_one(void *userdata, const struct token_record *t)
{
	return listing_add(userdata, token_object(t), "%s", t->id);
}

/* What is asked for by name: one of two words, or nothing. */
static bool read_word(struct api_call *c, const struct param *p, const char *word, bool *ret)
{
	*ret = p->given;
	if (!p->given || strcmp(p->value, word) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' can only be '%s'", p->name, word);
	return false;
}

void api_token_list(struct api_call *c)
{
	enum { AFTER, LIMIT, ORDER, STATE };
	struct param params[] = { [AFTER] = { .name = "after" },
		[LIMIT] = { .name = "limit" },
		[ORDER] = { .name = "order" },
		[STATE] = { .name = "state" } };
	struct store *s = c->server->store;
	bool newest, live;
	struct listing l;
	int r;

	if (!read_query(c, params, COUNT(params)) || !listing_begin(c, &params[LIMIT], &l) ||
		!read_word(c, &params[ORDER], "newest", &newest) ||
		!read_word(c, &params[STATE], "live", &live))
		return;
	if (live && !newest) {
		answer_refuse(c, 400, "bad-parameter", "'state' is only for order=newest");
		return;
	}
	r = newest ? store_token_newest(
			     s, params[AFTER].value, live, listing_rows(&l), list_one, &l)
		   : store_token_each(s, params[AFTER].value, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "tokens", "token");
}

void api_token_show(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct token_record t;
	struct client_filter filter = { .state = -1 };
	uint64_t limit;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[1], 1, PAGE_MAX, PAGE_MAX, &limit))
		return;
	r = store_token_get(c->server->store, c->id, &t);
	if (r < 0) {
		answer_store_error(c, r, "token");
		return;
	}
	filter.token = t.id;
	filter.after = params[0].given ? params[0].value : NULL;
	filter.limit = (uint32_t)limit;
	clients_answer(c, &filter, token_object(&t), client_short_object);
}

void api_token_revoke(struct api_call *c)
{
	static const char *const fields[] = { NULL };
	struct token_record t;
	int r;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !answer_may_write(c))
		return;
	r = store_token_revoke(c->server->store, c->id, c->actor, &t);
	if (r < 0) {
		answer_store_error(c, r, "token");
		return;
	}
	changes_tell(c->server, CHANGE_TOKENS, t.id);
	answer_json(c, 200, token_object(&t));
}
