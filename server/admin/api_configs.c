/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "../changes.h"
#include "../configs.h"
#include "answer.h"
#include "lib/diff.h"
#include "page.h"
#include "read.h"
#include "tag.h"
#include "target.h"
#include "value.h"

static json_t *revision_object(const struct config_record *r)
{
	json_t *hash = r->removal ? json_null() : value_hex(r->hash, sizeof(r->hash));

	return json_pack("{s:s, s:I, s:s, s:s, s:o, s:I, s:o, s:o, s:o}", "name", r->name,
		"revision", (json_int_t)r->revision, "kind", r->removal ? "remove" : "set",
		"selector", r->selector, "sha256", hash, "size", (json_int_t)r->size, "created",
		value_time(r->created), "created_by", value_said(r->created_by), "note",
		value_said_or_null(r->note));
}

static json_t *content_value(const char *content, size_t len)
{
	size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	scoped(freep) char *text = malloc(size);

	if (!text)
		return NULL;
	sodium_bin2base64(
		text, size, (const uint8_t *)content, len, sodium_base64_VARIANT_ORIGINAL);
	return json_string(text);
}

/* With its content. */
static int whole_object(struct store *s, const struct config_record *record, json_t **ret)
{
	scoped(freep) char *content = NULL;
	size_t len = 0;
	int r = record->removal ? 0 : store_config_content(s, record->hash, &content, &len);

	if (r < 0)
		return -EIO;
	*ret = revision_object(record);
	if (*ret && json_object_set_new(*ret, "content",
			    content ? content_value(content, len) : json_null()) < 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return *ret ? 0 : -ENOMEM;
}

/* ---- making revisions */

/* If-Match and If-None-Match are about the newest revision, as api_config_show() tells it. Inside of
 * the transaction: another server may make one. */
static bool newest_permits(struct api_call *c, const char *name)
{
	struct store *s = c->server->store;
	struct config_record newest;
	char etag[TAG_SIZE];
	json_t *object = NULL;
	int r;

	if (!c->request->if_match && !c->request->if_none_match)
		return true;
	r = store_config_get(s, name, 0, &newest);
	if (r == -ENOENT)
		return tag_permits(c, NULL);
	if (r == 0)
		r = whole_object(s, &newest, &object);
	if (r == 0)
		r = tag_of_json(object, etag);
	if (r < 0)
		answer_store_error(c, r, "configuration");
	return r == 0 && tag_permits(c, etag);
}

/* The caller frees. */
static bool read_content(struct api_call *c, char **ret, size_t *ret_len)
{
	json_t *value = json_object_get(c->body, "content");
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	*ret = malloc(CONFIG_CONTENT_MAX + 1);
	if (!*ret) {
		c->error = -ENOMEM;
		return false;
	}
	if (text && sodium_base642bin((unsigned char *)*ret, CONFIG_CONTENT_MAX, text, len, NULL,
			    ret_len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'content' must be base64, of at most %u bytes of content",
		CONFIG_CONTENT_MAX);
	return false;
}

static bool check_name(struct api_call *c, const char *name)
{
	if (name && order_name_ok(name))
		return true;
	answer_refuse(c, 400, "bad-field",
		"'%.100s' is not a name: 1 to 64 of a-z 0-9 . _ - , the first a letter or digit",
		name ? name : "");
	return false;
}

static void push(struct api_call *c, struct config_spec *spec)
{
	struct config_record made;
	int r;

	spec->actor = c->actor;
	if (!answer_may_write(c) || !newest_permits(c, spec->name))
		return;
	r = store_config_push(c->server->store, spec, &made);
	if (r < 0) {
		answer_store_error(c, r == -ENOENT ? -EIO : r, "configuration");
		return;
	}
	changes_tell(c->server, CHANGE_CONFIGS, made.name);
	configs_all_due(c->server);
	answer_json(c, 201, revision_object(&made));
}

void api_config_push(struct api_call *c)
{
	static const char *const fields[] = { "name", "selector", "client", "content", "note",
		NULL };
	scoped(freep) char *content = NULL;
	char selector[SELECTOR_SIZE];
	struct config_spec spec = { .selector = selector, .act = "config.push" };

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_string(c, "name", 1024, &spec.name) || !check_name(c, spec.name) ||
		!read_target(c, true, selector) || !read_string(c, "note", NOTE_SIZE, &spec.note) ||
		!read_content(c, &content, &spec.len))
		return;
	spec.content = content;
	push(c, &spec);
}

/* The revision that the call is about; 0: the newest. */
static bool find(struct api_call *c, uint64_t revision, struct config_record *ret)
{
	int r = store_config_get(c->server->store, c->id, revision, ret);

	if (r == -ENOENT && revision > 0)
		answer_refuse(c, 404, "not-found",
			"there is no configuration '%s' of revision "
			"%llu",
			c->id, (unsigned long long)revision);
	else if (r < 0)
		answer_store_error(c, r, "configuration");
	return r == 0;
}

static bool read_revision(struct api_call *c, uint64_t *ret)
{
	json_t *value = json_object_get(c->body, "revision");
	json_int_t n = json_integer_value(value);

	*ret = (uint64_t)n;
	if (json_is_integer(value) && n >= 1)
		return true;
	answer_refuse(c, 400, "bad-field", "field 'revision' must be a whole number from 1");
	return false;
}

/* An older revision as the newest: its content, for those it was for. */
void api_config_rollback(struct api_call *c)
{
	static const char *const fields[] = { "revision", "note", NULL };
	struct config_spec spec = { .act = "config.rollback" };
	scoped(freep) char *content = NULL;
	struct config_record old;
	uint64_t revision;
	int r = 0;

	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !read_revision(c, &revision) ||
		!read_string(c, "note", NOTE_SIZE, &spec.note) || !find(c, revision, &old))
		return;
	if (!old.removal)
		r = store_config_content(c->server->store, old.hash, &content, &spec.len);
	if (r < 0) {
		answer_store_error(c, -EIO, "configuration");
		return;
	}
	spec.name = old.name;
	spec.selector = old.selector;
	spec.content = content;
	push(c, &spec);
}

/* From those of a selector, or from everybody. */
void api_config_remove(struct api_call *c)
{
	static const char *const fields[] = { "selector", "client", "note", NULL };
	char selector[SELECTOR_SIZE], name[API_ID_SIZE];
	struct config_spec spec = { .act = "config.remove" };
	struct config_record newest;

	snprintf(name, sizeof(name), "%s", c->id);
	if (!read_query(c, NULL, 0) || !read_fields(c, fields) || !find(c, 0, &newest) ||
		!read_target(c, false, selector) || !read_string(c, "note", NOTE_SIZE, &spec.note))
		return;
	spec.name = name;
	spec.selector = *selector ? selector : "*";
	push(c, &spec);
}

/* ---- showing them */

static int list_one(void *userdata, const struct config_record *r)
{
	return listing_add(userdata, revision_object(r), "%s", r->name);
}

void api_config_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct listing l;
	int r;

	if (!read_query(c, params, COUNT(params)) || !listing_begin(c, &params[1], &l))
		return;
	r = store_config_each(c->server->store, params[0].value, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "configs", "configuration");
}

static int list_revision(void *userdata, const struct config_record *r)
{
	return listing_add(userdata, revision_object(r), "%" PRIu64, r->revision);
}

void api_config_history(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" } };
	struct config_record newest;
	struct listing l;
	uint64_t before;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[0], 1, INT64_MAX, 0, &before) ||
		!listing_begin(c, &params[1], &l) || !find(c, 0, &newest))
		return;
	r = store_config_history(
		c->server->store, c->id, before, listing_rows(&l), list_revision, &l);
	listing_answer(c, &l, r, "revisions", "configuration");
}

void api_config_show(struct api_call *c)
{
	struct param params[] = { { .name = "revision" } };
	struct config_record record;
	json_t *object = NULL;
	uint64_t revision;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[0], 1, INT64_MAX, 0, &revision) ||
		!find(c, revision, &record))
		return;
	r = whole_object(c->server->store, &record, &object);
	if (r == -EIO)
		answer_store_error(c, r, "configuration");
	else
		answer_json(c, 200, object);
}

/* ---- what one changed */

/* Of a removal: nothing. */
static int content_of(
	struct api_call *c, const struct config_record *r, char **ret, size_t *ret_len)
{
	*ret_len = 0;
	if (!r->removal)
		return store_config_content(c->server->store, r->hash, ret, ret_len);
	*ret = strdup("");
	return *ret ? 0 : -ENOMEM;
}

static int differ(struct api_call *c, const struct config_record *old,
	const struct config_record *new, struct buffer *text)
{
	scoped(freep) char *a = NULL;
	scoped(freep) char *b = NULL;
	char names[2][CONFIG_NAME_SIZE + 24];
	size_t a_len, b_len;
	int r = content_of(c, old, &a, &a_len);

	if (r == 0)
		r = content_of(c, new, &b, &b_len);
	if (r < 0)
		return r;
	snprintf(names[0], sizeof(names[0]), "%s@%llu", old->name,
		(unsigned long long)old->revision);
	snprintf(names[1], sizeof(names[1]), "%s@%llu", new->name,
		(unsigned long long)new->revision);
	text->limit = API_ANSWER_MAX;
	return diff_unified(a, a_len, b, b_len, names[0], names[1], text);
}

/* Without revisions: what the newest changed. */
void api_config_diff(struct api_call *c)
{
	struct param params[] = { { .name = "from" }, { .name = "to" } };
	struct config_record old, new;
	struct buffer text = {};
	uint64_t from, to;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[0], 1, INT64_MAX, 0, &from) ||
		!read_number(c, &params[1], 1, INT64_MAX, 0, &to) || !find(c, to, &new) ||
		!find(c, from ? from : new.revision - (new.revision > 1), &old))
		return;
	if (!from && new.revision == 1) {
		answer_refuse(c, 409, "only-one", "there is only one revision of '%s'", c->id);
		return;
	}
	r = differ(c, &old, &new, &text);
	if (r < 0)
		answer_store_error(c, -EIO, "configuration");
	else
		answer_text(c, "text/x-diff; charset=utf-8", &text);
	buffer_clear(&text);
}
