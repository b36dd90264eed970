/* SPDX-License-Identifier: MIT */
#include "http_parser.h"

#include <errno.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "http_fields.h"
#include "http_lines.h"

#define HEAD_MAX 8192

/*
 * llhttp takes the message apart; what it forgives is refused before it sees it (http_lines.h) or
 * after (check_head). Texts lie one behind the other in `text`, each with a NUL, until the request
 * is complete and pointers into it can be made. The URL comes first: an offset of 0 is no other's.
 */
struct http_parser {
	llhttp_t llhttp;
	size_t body_limit;
	size_t (*on_head)(void *userdata, const struct http_request *head);
	void *userdata;

	/* of the request under way */
	struct buffer text;
	struct http_lines lines;
	size_t head_used; /* bytes of request line and headers so far */
	size_t query;     /* offsets in text; 0: not known yet */
	size_t name;      /* of the header under way; 0: there is none */
	size_t value;
	size_t body;
	size_t body_max;
	struct http_fields fields;
	int status; /* to refuse it with; 0: none */
	bool head_done;
	bool expects; /* to be told to send the body */
	bool whole;
	struct http_request request;
};

/* ---- llhttp's callbacks; what isn't 0 ends its work */

static int refuse(struct http_parser *p, int status)
{
	if (p->status == 0)
		p->status = status;
	return HPE_USER;
}

static int keep(struct http_parser *p, const char *at, size_t len)
{
	return buffer_append(&p->text, at, len) < 0 ? refuse(p, 500) : 0;
}

/* Of the URL and of a header's value. */
static int on_text(llhttp_t *l, const char *at, size_t len)
{
	return keep(l->data, at, len);
}

static int on_url_complete(llhttp_t *l)
{
	return keep(l->data, "", 1);
}

static int on_header_field(llhttp_t *l, const char *at, size_t len)
{
	struct http_parser *p = l->data;

	if (p->name == 0)
		p->name = p->text.len;
	return keep(p, at, len);
}

static int on_header_field_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;

	if (p->name == 0)
		p->name = p->text.len;
	if (keep(p, "", 1) != 0)
		return HPE_USER;
	p->value = p->text.len;
	return http_field_name_ok((const char *)p->text.data + p->name) ? 0 : refuse(p, 400);
}

static int on_header_value_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;

	if (keep(p, "", 1) != 0)
		return HPE_USER;
	int status = http_fields_take(&p->fields, &p->text, p->name, p->value);
	p->name = 0;
	return status != 0 ? refuse(p, status) : 0;
}

static bool host_ok(const char *host)
{
	return *host != '\0' &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    ".-_:[]") == strlen(host);
}

/* The status to refuse the whole head with, or 0. */
static int check_head(const struct http_parser *p)
{
	const llhttp_t *l = &p->llhttp;
	const char *url = (const char *)p->text.data;
	const char *host = http_fields_value(&p->fields, &p->text, HTTP_FIELD_HOST);

	if (l->http_major != 1 || l->http_minor > 1)
		return 505;
	if (*url != '/' || strchr(url, '#') != NULL)
		return 400;
	if (host == NULL ? l->http_minor == 1 : !host_ok(host))
		return 400;
	/* A length is wanted beforehand: one way less to misunderstand where a request ends. */
	if (http_fields_value(&p->fields, &p->text, HTTP_FIELD_TRANSFER_ENCODING) != NULL)
		return (l->flags & F_CONTENT_LENGTH) != 0 ? 400 : 501;
	const char *expect = http_fields_value(&p->fields, &p->text, HTTP_FIELD_EXPECT);
	return expect != NULL && strcasecmp(expect, "100-continue") != 0 ? 417 : 0;
}

static enum http_method method_of(uint8_t method)
{
	switch (method) {
	case HTTP_GET:
		return HTTP_METHOD_GET;
	case HTTP_HEAD:
		return HTTP_METHOD_HEAD;
	case HTTP_POST:
		return HTTP_METHOD_POST;
	case HTTP_DELETE:
		return HTTP_METHOD_DELETE;
	case HTTP_PUT:
		return HTTP_METHOD_PUT;
	case HTTP_PATCH:
		return HTTP_METHOD_PATCH;
	default: /* llhttp knows some forty */
		return HTTP_METHOD_OTHER;
	}
}

/* Once for the head and once for the whole, for the text may have moved in between. The URL is
 * split at its first '?', which is a NUL the second time. */
static void point(struct http_parser *p)
{
	struct http_request *r = &p->request;
	char *url = (char *)p->text.data;

	if (p->query == 0) {
		size_t len = strcspn(url, "?");
		p->query = url[len] == '?' ? len + 1 : len;
		url[len] = '\0';
	}
	r->method = method_of(p->llhttp.method);
	r->path = url;
	r->query = url + p->query;
	http_fields_point(&p->fields, &p->text, r);
}

/* How large the body may be is known by now; what has no length has no body. */
static int begin_body(struct http_parser *p)
{
	size_t most = p->body_limit;

	if (p->on_head != NULL) {
		point(p);
		most = p->on_head(p->userdata, &p->request);
	}
	p->body_max = most < p->body_limit ? most : p->body_limit;
	bool told = (p->llhttp.flags & F_CONTENT_LENGTH) != 0;
	if (told && p->llhttp.content_length > p->body_max)
		return 413;
	p->expects = told && p->llhttp.content_length > 0 && p->llhttp.http_minor == 1 &&
		     http_fields_value(&p->fields, &p->text, HTTP_FIELD_EXPECT) != NULL;
	return 0;
}

static int on_headers_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;
	int status = check_head(p);

	p->head_done = true;
	p->body = p->text.len;
	if (status == 0)
		status = begin_body(p);
	return status != 0 ? refuse(p, status) : 0;
}

static int on_body(llhttp_t *l, const char *at, size_t len)
{
	struct http_parser *p = l->data;

	p->expects = false; /* it has come by itself */
	if (p->text.len - p->body + len > p->body_max)
		return refuse(p, 413);
	return keep(p, at, len);
}

static int on_message_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;
	struct http_request *r = &p->request;

	p->whole = true;
	if (keep(p, "", 1) != 0)
		return HPE_USER;
	point(p);
	r->body = (const char *)p->text.data + p->body;
	r->body_len = p->text.len - 1 - p->body;
	r->keep_alive = l->http_minor == 1 && llhttp_should_keep_alive(l) != 0;
	r->upgrades = l->upgrade != 0 && r->upgrade != NULL;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_text,
	.on_url_complete = on_url_complete,
	.on_header_field = on_header_field,
	.on_header_field_complete = on_header_field_complete,
	.on_header_value = on_text,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ---- the parser */

int http_parser_new(size_t body_limit, struct http_parser **ret)
{
	struct http_parser *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->body_limit = body_limit;
	p->text.limit = 2 * HEAD_MAX + body_limit;
	http_parser_next(p);
	*ret = p;
	return 0;
}

struct http_parser *http_parser_free(struct http_parser *p)
{
	if (p != NULL)
		buffer_clear(&p->text);
	free(p);
	return NULL;
}

void http_parser_watch(struct http_parser *p, const char *name)
{
	p->fields.watched = name;
}

void http_parser_on_head(struct http_parser *p,
	size_t (*limit)(void *userdata, const struct http_request *head), void *userdata)
{
	p->on_head = limit;
	p->userdata = userdata;
}

void http_parser_next(struct http_parser *p)
{
	buffer_clear(&p->text);
	*p = (struct http_parser){
		.body_limit = p->body_limit,
		.on_head = p->on_head,
		.userdata = p->userdata,
		.text = p->text,
		.fields.watched = p->fields.watched,
	};
	llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
	p->llhttp.data = p;
}

bool http_parser_expects(struct http_parser *p)
{
	bool expects = p->expects;

	p->expects = false;
	return expects;
}

const struct http_request *http_parser_request(const struct http_parser *p)
{
	return &p->request;
}

/* What there is of the head within len bytes, if it is in order and not too long. */
static int admit_head(struct http_parser *p, const char *at, size_t len, size_t *ret)
{
	bool has_fields = p->name != 0 || p->fields.lines > 0;
	size_t room = HEAD_MAX - p->head_used;

	if (room == 0)
		return has_fields ? 431 : 414;
	if (http_lines_check(&p->lines, at, len < room ? len : room, ret) < 0)
		return 400;
	p->head_used += *ret;
	return 0;
}

static int status_of(const struct http_parser *p, llhttp_errno_t error)
{
	if (p->status != 0)
		return p->status;
	return error == HPE_INVALID_VERSION ? 505 : 400;
}

int http_parser_feed(struct http_parser *p, const void *data, size_t len, size_t *ret_used)
{
	*ret_used = 0;
	while (!p->whole && p->status == 0 && *ret_used < len) {
		const char *at = (const char *)data + *ret_used;
		size_t part = len - *ret_used;

		if (!p->head_done)
			p->status = admit_head(p, at, part, &part);
		if (p->status != 0)
			break;
		llhttp_errno_t error = llhttp_execute(&p->llhttp, at, part);
		if (p->whole && p->status == 0)
			part = (size_t)(llhttp_get_error_pos(&p->llhttp) - at);
		else if (error != HPE_OK)
			p->status = status_of(p, error);
		*ret_used += part;
	}
	if (p->status != 0)
		return -p->status;
	return p->whole ? 1 : 0;
}
