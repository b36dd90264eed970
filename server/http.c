/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <llhttp.h>
#include <string.h>
#include <time.h>

#define HEAD_MAX    8192
#define HEADERS_MAX 64
#define ABSENT      SIZE_MAX

/* The headers that somebody reads; none of them may come twice but those that are lists. */
enum known {
	KNOWN_HOST,
	KNOWN_IF_NONE_MATCH,
	KNOWN_RANGE,
	KNOWN_CONTENT_TYPE,
	KNOWN_UPGRADE,
	KNOWN_ACCEPT,
	KNOWN_IF_MATCH,
	KNOWN_IF_RANGE,
	KNOWN_ORIGIN,
	KNOWN_COOKIE,
	KNOWN_AUTHORIZATION,
	KNOWN_IDEMPOTENCY_KEY,
	KNOWN_LAST_EVENT_ID,
	KNOWN_CSRF,
	KNOWN_SEC_FETCH_SITE,
	KNOWN_X_FORWARDED_FOR,
	KNOWN_X_FORWARDED_PROTO,
	KNOWN_X_FORWARDED_HOST,
	KNOWN_FORWARDED,
	KNOWN_WATCHED, /* name by http_parser_watch() */
	KNOWN_TRANSFER_ENCODING,
	KNOWN_EXPECT,
	KNOWN_COUNT
};

#define NO_FIELD SIZE_MAX
static const struct {
	const char *name;
	size_t field; /* in struct http_request */
	bool list;
} known[KNOWN_COUNT] = {
	[KNOWN_HOST] = { "host", offsetof(struct http_request, host), false },
	[KNOWN_IF_NONE_MATCH] = { "if-none-match", offsetof(struct http_request, if_none_match),
		false },
	[KNOWN_RANGE] = { "range", offsetof(struct http_request, range), false },
	[KNOWN_CONTENT_TYPE] = { "content-type", offsetof(struct http_request, content_type),
		false },
	[KNOWN_UPGRADE] = { "upgrade", offsetof(struct http_request, upgrade), false },
	[KNOWN_ACCEPT] = { "accept", offsetof(struct http_request, accept), false },
	[KNOWN_IF_MATCH] = { "if-match", offsetof(struct http_request, if_match), false },
	[KNOWN_IF_RANGE] = { "if-range", offsetof(struct http_request, if_range), false },
	[KNOWN_ORIGIN] = { "origin", offsetof(struct http_request, origin), false },
	[KNOWN_COOKIE] = { "cookie", offsetof(struct http_request, cookie), false },
	[KNOWN_AUTHORIZATION] = { "authorization", offsetof(struct http_request, authorization),
		false },
	[KNOWN_IDEMPOTENCY_KEY] = { "idempotency-key",
		offsetof(struct http_request, idempotency_key), false },
	[KNOWN_LAST_EVENT_ID] = { "last-event-id", offsetof(struct http_request, last_event_id),
		false },
	[KNOWN_CSRF] = { "x-muster-csrf", offsetof(struct http_request, csrf), false },
	[KNOWN_SEC_FETCH_SITE] = { "sec-fetch-site", offsetof(struct http_request, sec_fetch_site),
		false },
	[KNOWN_X_FORWARDED_FOR] = { "x-forwarded-for",
		offsetof(struct http_request, x_forwarded_for), true },
	[KNOWN_X_FORWARDED_PROTO] = { "x-forwarded-proto",
		offsetof(struct http_request, x_forwarded_proto), true },
	[KNOWN_X_FORWARDED_HOST] = { "x-forwarded-host",
		offsetof(struct http_request, x_forwarded_host), true },
	[KNOWN_FORWARDED] = { "forwarded", offsetof(struct http_request, forwarded), true },
	[KNOWN_WATCHED] = { NULL, offsetof(struct http_request, watched), false },
	[KNOWN_TRANSFER_ENCODING] = { "transfer-encoding", NO_FIELD, false },
	[KNOWN_EXPECT] = { "expect", NO_FIELD, false },
};

/*
 * llhttp takes the message apart; what it forgives is refused before it sees it (check_lines) or
 * after (check_headers). Texts lie one behind the other in `text`, each with a NUL, until the
 * request is complete and pointers into it can be made.
 */
struct http_parser {
	llhttp_t llhttp;
	struct buffer text;
	size_t body_limit;
	size_t body_max; /* of this request */
	const char *watched;
	size_t (*on_head)(void *userdata, const struct http_request *head);
	void *userdata;
	size_t head_used; /* bytes of request line and headers so far */
	size_t url;       /* offsets in text */
	size_t query;
	size_t name; /* of the header under way */
	size_t value;
	size_t values[KNOWN_COUNT];
	size_t body;
	unsigned headers;
	int status;   /* to refuse it with, found inside a callback; 0: none */
	char last;    /* byte of the head, for check_lines() */
	size_t line;  /* bytes of the line so far */
	size_t lines; /* whole ones */
	char tail[8]; /* of the first line: the protocol, for llhttp speaks others too */
	bool head_done;
	bool whole;
	struct http_request request;
};

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

static int on_url(llhttp_t *l, const char *at, size_t len)
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

	if (p->name == ABSENT)
		p->name = p->text.len;
	return keep(p, at, len);
}

/* RFC 9110, 5.6.2. llhttp takes a blank before the colon for a part of the name. */
static bool name_ok(const char *name)
{
	return *name != '\0' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == strlen(name);
}

static int on_header_field_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;

	if (p->name == ABSENT)
		p->name = p->text.len;
	if (keep(p, "", 1) != 0)
		return HPE_USER;
	p->value = p->text.len;
	return name_ok((const char *)p->text.data + p->name) ? 0 : refuse(p, 400);
}

static int on_header_value(llhttp_t *l, const char *at, size_t len)
{
	return keep(l->data, at, len);
}

static bool is_named(const struct http_parser *p, size_t k)
{
	const char *name = k == KNOWN_WATCHED ? p->watched : known[k].name;

	return name != NULL && strcasecmp((const char *)p->text.data + p->name, name) == 0;
}

/* RFC 9110, 5.3: of a list that comes in several lines the order tells; it is written once more, at
 * the end. What that can cost is bounded by the text's limit. */
static int join(struct http_parser *p, size_t k)
{
	size_t former = p->values[k], latter = p->value;

	p->values[k] = p->text.len;
	const size_t parts[] = { former, latter };
	for (size_t i = 0; i < COUNT(parts); i++) {
		size_t len = strlen((const char *)p->text.data + parts[i]);
		if (buffer_reserve(&p->text, len + 2) == NULL)
			return refuse(p, 431);
		memcpy(p->text.data + p->text.len, p->text.data + parts[i], len);
		memcpy(p->text.data + p->text.len + len, ",", 2); /* with its NUL */
		buffer_grew(&p->text, len + 1);
	}
	p->text.data[p->text.len - 1] = '\0';
	return 0;
}

static int take_value(struct http_parser *p, size_t k)
{
	if (p->values[k] == ABSENT)
		p->values[k] = p->value;
	else if (known[k].list)
		return join(p, k);
	else
		return refuse(p, 400);
	return 0;
}

static int on_header_value_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;

	if (keep(p, "", 1) != 0)
		return HPE_USER;
	if (++p->headers > HEADERS_MAX)
		return refuse(p, 431);
	for (size_t k = 0; k < KNOWN_COUNT; k++)
		if (is_named(p, k) && take_value(p, k) != 0)
			return HPE_USER;
	p->name = ABSENT;
	return 0;
}

static bool host_ok(const char *host)
{
	return *host != '\0' &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    ".-_:[]") == strlen(host);
}

/* The status to refuse the whole head with, or 0. */
static int check_headers(const struct http_parser *p)
{
	const llhttp_t *l = &p->llhttp;
	const char *text = (const char *)p->text.data;

	if (l->http_major != 1 || l->http_minor > 1)
		return 505;
	if (text[p->url] != '/' || strchr(text + p->url, '#') != NULL)
		return 400;
	if (p->values[KNOWN_HOST] == ABSENT ? l->http_minor == 1
					    : !host_ok(text + p->values[KNOWN_HOST]))
		return 400;
	/* A length is wanted beforehand: one way less to misunderstand where a request ends. */
	if (p->values[KNOWN_TRANSFER_ENCODING] != ABSENT)
		return (l->flags & F_CONTENT_LENGTH) != 0 ? 400 : 501;
	if (p->values[KNOWN_EXPECT] != ABSENT)
		return 417;
	return 0;
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

/* Splits the URL at its first '?', which may have become a NUL already. */
static void point(struct http_parser *p)
{
	struct http_request *r = &p->request;
	char *text = (char *)p->text.data;

	r->method = method_of(p->llhttp.method);
	r->path = text + p->url;
	if (p->query == ABSENT) {
		char *mark = strchr(text + p->url, '?');
		p->query = mark != NULL ? (size_t)(mark + 1 - text) : p->url + strlen(r->path);
		if (mark != NULL)
			*mark = '\0';
	}
	r->query = text + p->query;
	for (size_t k = 0; k < KNOWN_COUNT; k++)
		if (known[k].field != NO_FIELD && p->values[k] != ABSENT)
			*(const char **)((char *)r + known[k].field) = text + p->values[k];
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
	return told && p->llhttp.content_length > p->body_max ? 413 : 0;
}

static int on_headers_complete(llhttp_t *l)
{
	struct http_parser *p = l->data;
	int status = check_headers(p);

	p->head_done = true;
	p->body = p->text.len;
	if (status == 0)
		status = begin_body(p);
	return status != 0 ? refuse(p, status) : 0;
}

static int on_body(llhttp_t *l, const char *at, size_t len)
{
	struct http_parser *p = l->data;

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
	.on_url = on_url,
	.on_url_complete = on_url_complete,
	.on_header_field = on_header_field,
	.on_header_field_complete = on_header_field_complete,
	.on_header_value = on_header_value,
	.on_header_value_complete = on_header_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void reset(struct http_parser *p)
{
	buffer_clear(&p->text);
	p->head_used = 0;
	p->url = 0;
	p->query = ABSENT;
	p->name = ABSENT;
	p->value = ABSENT;
	for (size_t k = 0; k < KNOWN_COUNT; k++)
		p->values[k] = ABSENT;
	p->body = 0;
	p->headers = 0;
	p->status = 0;
	p->last = '\0';
	p->line = 0;
	p->lines = 0;
	p->head_done = false;
	p->whole = false;
	p->request = (struct http_request){};
	llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
	p->llhttp.data = p;
}

int http_parser_new(size_t body_limit, struct http_parser **ret)
{
	struct http_parser *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->body_limit = body_limit;
	p->text.limit = 2 * HEAD_MAX + body_limit;
	reset(p);
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

/* One byte of the head, after p->last: is it in order? */
static bool byte_ok(const struct http_parser *p, char c)
{
	bool blank = c == ' ' || c == '\t';

	if ((p->last == '\r') != (c == '\n'))
		return false;
	if (blank && (p->line == 0 || (p->lines == 0 && p->last == ' ')))
		return false;
	if (p->lines == 0 && ((c == '\n' && p->line == 0) || (c & 0x80) != 0))
		return false;
	return !iscntrl((unsigned char)c) || c == '\r' || c == '\n' || c == '\t';
}

static void keep_tail(struct http_parser *p, char c)
{
	memmove(p->tail, p->tail + 1, sizeof(p->tail) - 1);
	p->tail[sizeof(p->tail) - 1] = c;
}

/* Lines end with CR LF and nothing else, hold no control characters and don't start with a blank
 * (obs-fold); the first isn't empty, has single blanks and ends with HTTP/x.y. Returns how many
 * bytes belong to the head and are in order; p->status is set if one is not. */
static size_t check_lines(struct http_parser *p, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!byte_ok(p, data[i])) {
			p->status = 400;
			return i;
		}
		p->last = data[i];
		if (p->last == '\n') {
			if (p->line == 0)
				return i + 1;
			if (p->lines == 0 && memcmp(p->tail, "HTTP/", 5) != 0) {
				p->status = 400;
				return i;
			}
			p->line = 0;
			p->lines++;
		} else if (p->last != '\r') {
			p->line++;
			if (p->lines == 0)
				keep_tail(p, p->last);
		}
	}
	return len;
}

static int status_of(const struct http_parser *p, llhttp_errno_t error)
{
	if (p->status != 0)
		return p->status;
	return error == HPE_INVALID_VERSION ? 505 : 400;
}

static int too_long(const struct http_parser *p)
{
	return p->name == ABSENT && p->headers == 0 && p->value == ABSENT ? -414 : -431;
}

int http_parser_feed(struct http_parser *p, const void *data, size_t len, size_t *ret_used)
{
	*ret_used = 0;
	if (p->whole)
		return 1;
	if (p->status != 0)
		return -p->status;
	while (*ret_used < len) {
		const char *at = (const char *)data + *ret_used;
		size_t part = len - *ret_used;

		if (!p->head_done) {
			if (p->head_used == HEAD_MAX)
				return too_long(p);
			if (part > HEAD_MAX - p->head_used)
				part = HEAD_MAX - p->head_used;
			part = check_lines(p, at, part);
			if (p->status != 0)
				return -p->status;
			p->head_used += part;
		}
		llhttp_errno_t error = llhttp_execute(&p->llhttp, at, part);
		if (error == HPE_OK) {
			*ret_used += part;
			continue;
		}
		if (!p->whole || p->status != 0) {
			p->status = status_of(p, error);
			return -p->status;
		}
		*ret_used += (size_t)(llhttp_get_error_pos(&p->llhttp) - at);
		return 1;
	}
	return 0;
}

void http_parser_watch(struct http_parser *p, const char *name)
{
	p->watched = name;
}

void http_parser_on_head(struct http_parser *p,
	size_t (*limit)(void *userdata, const struct http_request *head), void *userdata)
{
	p->on_head = limit;
	p->userdata = userdata;
}

const struct http_request *http_parser_request(const struct http_parser *p)
{
	return &p->request;
}

void http_parser_next(struct http_parser *p)
{
	reset(p);
}

bool http_header_known(const char *name)
{
	static const char *const others[] = { "connection", "content-length", "set-cookie",
		"user-agent", "referer", "accept-encoding", "accept-language", "x-real-ip",
		"x-forwarded", "via", "date", "dnt", "te", "trailer", "keep-alive", "upgrade",
		"proxy-authorization", "cache-control", "pragma" };

	for (size_t k = 0; k < KNOWN_COUNT; k++)
		if (known[k].name != NULL && strcasecmp(known[k].name, name) == 0)
			return true;
	for (size_t i = 0; i < COUNT(others); i++)
		if (strcasecmp(others[i], name) == 0)
			return true;
	return false;
}

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return "Unknown";
}

static void http_date(char ret[static 32])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(ret, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

int http_answer_head(struct buffer *out, int status, const char *content_type, uint64_t length,
	bool keep_alive, const char *headers)
{
	char date[32];

	http_date(date);
	/* RFC 9110, 8.6: 204 has no length. */
	if (status == 204)
		return buffer_printf(out, "HTTP/1.1 204 %s\r\nDate: %s\r\nConnection: %s\r\n%s\r\n",
			http_status_text(status), date, keep_alive ? "keep-alive" : "close",
			headers != NULL ? headers : "");
	return buffer_printf(out,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n%s%s%s"
		"Content-Length: %llu\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
		status, http_status_text(status), date, keep_alive ? "keep-alive" : "close",
		content_type != NULL ? "Content-Type: " : "",
		content_type != NULL ? content_type : "", content_type != NULL ? "\r\n" : "",
		(unsigned long long)length, headers != NULL ? headers : "");
}

/* As a JSON string's inside: what is written here is the server's own text, but may quote. */
static int json_append(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		int r;

		if (c == '"' || c == '\\')
			r = buffer_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			r = buffer_printf(out, "\\u%04x", c);
		else
			r = buffer_append(out, text, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int http_answer_problem(struct buffer *out, int status, const char *code, const char *detail,
	bool keep_alive, const char *headers)
{
	struct buffer body = {};
	int r = buffer_printf(&body,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
		"\"detail\":\"",
		http_status_text(status), status, code);

	if (r >= 0)
		r = json_append(&body, detail);
	if (r >= 0)
		r = buffer_append(&body, "\"}\n", 3);
	if (r >= 0)
		r = http_answer_head(
			out, status, "application/problem+json", body.len, keep_alive, headers);
	if (r >= 0)
		r = buffer_append(out, body.data, body.len);
	buffer_clear(&body);
	return r;
}
