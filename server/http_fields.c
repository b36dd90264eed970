/* SPDX-License-Identifier: MIT */
#include "http_fields.h"

#include <string.h>

#define NO_MEMBER SIZE_MAX

#define MEMBER(name) offsetof(struct http_request, name)
static const struct {
	const char *name;
	size_t member; /* of struct http_request */
	bool list;
} fields[HTTP_FIELD_COUNT] = {
	[HTTP_FIELD_HOST] = { "host", MEMBER(host), false },
	[HTTP_FIELD_IF_NONE_MATCH] = { "if-none-match", MEMBER(if_none_match), false },
	[HTTP_FIELD_RANGE] = { "range", MEMBER(range), false },
	[HTTP_FIELD_CONTENT_TYPE] = { "content-type", MEMBER(content_type), false },
	[HTTP_FIELD_UPGRADE] = { "upgrade", MEMBER(upgrade), false },
	[HTTP_FIELD_ACCEPT] = { "accept", MEMBER(accept), false },
	[HTTP_FIELD_IF_MATCH] = { "if-match", MEMBER(if_match), false },
	[HTTP_FIELD_IF_RANGE] = { "if-range", MEMBER(if_range), false },
	[HTTP_FIELD_ORIGIN] = { "origin", MEMBER(origin), false },
	[HTTP_FIELD_COOKIE] = { "cookie", MEMBER(cookie), false },
	[HTTP_FIELD_AUTHORIZATION] = { "authorization", MEMBER(authorization), false },
	[HTTP_FIELD_IDEMPOTENCY_KEY] = { "idempotency-key", MEMBER(idempotency_key), false },
	[HTTP_FIELD_LAST_EVENT_ID] = { "last-event-id", MEMBER(last_event_id), false },
	[HTTP_FIELD_CSRF] = { "x-muster-csrf", MEMBER(csrf), false },
	[HTTP_FIELD_SEC_FETCH_SITE] = { "sec-fetch-site", MEMBER(sec_fetch_site), false },
	[HTTP_FIELD_X_FORWARDED_FOR] = { "x-forwarded-for", MEMBER(x_forwarded_for), true },
	[HTTP_FIELD_X_FORWARDED_PROTO] = { "x-forwarded-proto", MEMBER(x_forwarded_proto), true },
	[HTTP_FIELD_X_FORWARDED_HOST] = { "x-forwarded-host", MEMBER(x_forwarded_host), true },
	[HTTP_FIELD_FORWARDED] = { "forwarded", MEMBER(forwarded), true },
	[HTTP_FIELD_WATCHED] = { NULL, MEMBER(watched), false },
	[HTTP_FIELD_TRANSFER_ENCODING] = { "transfer-encoding", NO_MEMBER, false },
	[HTTP_FIELD_EXPECT] = { "expect", NO_MEMBER, false },
};

bool http_field_name_ok(const char *name)
{
	return *name != '\0' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == strlen(name);
}

static bool is_named(const struct http_fields *f, size_t k, const char *name)
{
	const char *wanted = k == HTTP_FIELD_WATCHED ? f->watched : fields[k].name;

	return wanted != NULL && strcasecmp(name, wanted) == 0;
}

/* The order of a list's lines tells, and other fields may lie between them: so far it is written once
 * more, at the end of the text. What that can cost is bounded by the text's limit. */
static int join(struct buffer *text, size_t former, size_t latter, size_t *ret)
{
	const size_t parts[] = { former, latter };
	size_t joined = text->len;

	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t len = strlen((const char *)text->data + parts[i]);
		if (buffer_reserve(text, len + 1) == NULL)
			return 431;
		memcpy(text->data + text->len, text->data + parts[i], len);
		text->data[text->len + len] = ',';
		buffer_grew(text, len + 1);
	}
	text->data[text->len - 1] = '\0';
	*ret = joined;
	return 0;
}

int http_fields_take(struct http_fields *f, struct buffer *text, size_t name, size_t value)
{
	if (++f->lines > HTTP_FIELDS_MAX)
		return 431;
	for (size_t k = 0; k < HTTP_FIELD_COUNT; k++) {
		if (!is_named(f, k, (const char *)text->data + name))
			continue;
		if (f->at[k] == 0) {
			f->at[k] = value;
			continue;
		}
		int status = fields[k].list ? join(text, f->at[k], value, &f->at[k]) : 400;
		if (status != 0)
			return status;
	}
	return 0;
}

const char *http_fields_value(
	const struct http_fields *f, const struct buffer *text, enum http_field field)
{
	return f->at[field] != 0 ? (const char *)text->data + f->at[field] : NULL;
}

void http_fields_point(
	const struct http_fields *f, const struct buffer *text, struct http_request *r)
{
	for (enum http_field k = 0; k < HTTP_FIELD_COUNT; k++)
		if (fields[k].member != NO_MEMBER)
			*(const char **)((char *)r + fields[k].member) =
				http_fields_value(f, text, k);
}

bool http_field_taken(const char *name)
{
	static const char *const others[] = { "connection", "content-length", "set-cookie",
		"user-agent", "referer", "accept-encoding", "accept-language", "x-real-ip",
		"x-forwarded", "via", "date", "dnt", "te", "trailer", "keep-alive",
		"proxy-authorization", "cache-control", "pragma" };

	for (size_t k = 0; k < HTTP_FIELD_COUNT; k++)
		if (fields[k].name != NULL && strcasecmp(fields[k].name, name) == 0)
			return true;
	for (size_t i = 0; i < COUNT(others); i++)
		if (strcasecmp(others[i], name) == 0)
			return true;
	return false;
}
