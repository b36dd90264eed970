/* SPDX-License-Identifier: MIT */
#include "lib/upgrade.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/packet.h"

#define STATUS_START "HTTP/1.1 "
#define PROBLEM      "application/problem+json"
#define TCHAR        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* A run of bytes inside the answer. */
struct piece {
	const char *at;
	size_t len;
};

/* What of the headers matters. */
struct head {
	unsigned upgrades; /* Upgrade: headers that name the protocol */
	unsigned foreign;  /* ... that name anything else */
	bool connection;   /* Connection: has the option "upgrade" */
	bool framed;       /* a Transfer-Encoding: such a body isn't read */
	bool problem;      /* the body is a problem+json */
	unsigned lengths;  /* Content-Length headers */
	size_t body;       /* the last one's value, at most UPGRADE_BODY_MAX + 1 */
};

int upgrade_request(const char *server, struct buffer *out)
{
	return buffer_printf(out,
		"GET /v1/channel HTTP/1.1\r\n"
		"Host: %s\r\n"
		"User-Agent: muster/" MUSTER_VERSION "\r\n"
		"Connection: Upgrade\r\n"
		"Upgrade: " PACKET_PROTOCOL "\r\n"
		"\r\n",
		server);
}

static bool is(struct piece p, const char *word)
{
	return p.len == strlen(word) && strncasecmp(p.at, word, p.len) == 0;
}

static struct piece trim(struct piece p)
{
	while (p.len > 0 && (*p.at == ' ' || *p.at == '\t'))
		p = (struct piece){ p.at + 1, p.len - 1 };
	while (p.len > 0 && (p.at[p.len - 1] == ' ' || p.at[p.len - 1] == '\t'))
		p.len--;
	return p;
}

/* Does a comma-separated list have that element? */
static bool has(struct piece list, const char *word)
{
	while (list.len > 0) {
		const char *comma = memchr(list.at, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.at) : list.len;

		if (is(trim((struct piece){ list.at, n }), word))
			return true;
		n += comma != NULL;
		list = (struct piece){ list.at + n, list.len - n };
	}
	return false;
}

/* Decimal digits only; what is above max is max + 1. */
static int number(struct piece p, size_t max, size_t *ret)
{
	size_t value = 0;

	if (p.len == 0)
		return -EBADMSG;
	for (size_t i = 0; i < p.len; i++) {
		if (p.at[i] < '0' || p.at[i] > '9')
			return -EBADMSG;
		value = value > max ? value : value * 10 + (size_t)(p.at[i] - '0');
	}
	*ret = value > max ? max + 1 : value;
	return 0;
}

static int read_header(struct head *h, struct piece name, struct piece value)
{
	if (is(name, "upgrade")) {
		h->upgrades += is(value, PACKET_PROTOCOL);
		h->foreign += !is(value, PACKET_PROTOCOL);
	} else if (is(name, "connection")) {
		h->connection |= has(value, "upgrade");
	} else if (is(name, "transfer-encoding")) {
		h->framed = true;
	} else if (is(name, "content-type")) {
		const char *semicolon = memchr(value.at, ';', value.len);

		if (semicolon)
			value.len = (size_t)(semicolon - value.at);
		h->problem = is(trim(value), PROBLEM);
	} else if (is(name, "content-length")) {
		h->lengths++;
		return number(value, UPGRADE_BODY_MAX, &h->body);
	}
	return 0;
}

/* The next line without its CRLF, taken off p. Only printable ASCII, tabs and bytes of UTF-8 may be
 * in it: a lone CR or LF, or a NUL, is what one end reads differently from the other. */
static int take_line(struct piece *p, struct piece *ret)
{
	size_t n = 0;

	while (n < p->len && p->at[n] != '\r') {
		unsigned char c = (unsigned char)p->at[n++];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return -EBADMSG;
	}
	if (n + 2 > p->len || p->at[n + 1] != '\n')
		return -EBADMSG;
	*ret = (struct piece){ p->at, n };
	*p = (struct piece){ p->at + n + 2, p->len - n - 2 };
	return 0;
}

static int read_status(struct piece line, unsigned *ret)
{
	const size_t start = strlen(STATUS_START);
	size_t status;

	if (line.len < start + 3 || memcmp(line.at, STATUS_START, start) != 0)
		return -EBADMSG;
	if (number((struct piece){ line.at + start, 3 }, 999, &status) < 0)
		return -EBADMSG;
	if (line.len > start + 3 && line.at[start + 3] != ' ')
		return -EBADMSG;
	*ret = (unsigned)status;
	return 0;
}

/* head ends with the empty line. */
static int read_head(struct piece head, unsigned *ret_status, struct head *ret)
{
	struct head h = {};
	struct piece line;
	int r = take_line(&head, &line);

	if (r < 0 || read_status(line, ret_status) < 0)
		return -EBADMSG;
	for (;;) {
		if (take_line(&head, &line) < 0)
			return -EBADMSG;
		if (line.len == 0)
			break;
		const char *colon = memchr(line.at, ':', line.len);
		size_t n = colon ? (size_t)(colon - line.at) : 0;

		for (size_t i = 0; i < n; i++)
			if (!strchr(TCHAR, line.at[i]))
				return -EBADMSG;
		if (n == 0) /* no name, or a folded line */
			return -EBADMSG;
		struct piece value = trim((struct piece){ colon + 1, line.len - n - 1 });

		if (read_header(&h, (struct piece){ line.at, n }, value) < 0)
			return -EBADMSG;
	}
	*ret = h;
	return h.lengths > 1 ? -EBADMSG : 0;
}

/* Copies the inside of a JSON string, at (behind its opening quote) to end; anything but printable
 * ASCII becomes '?'. Where it ends (at the closing quote), or NULL if it doesn't. */
static const char *json_string(const char *at, const char *end, char *ret, size_t size)
{
	size_t used = 0;

	for (; at < end && *at != '"'; at++) {
		char c = *at;

		if (c == '\\') {
			if (++at == end)
				return NULL;
			c = strchr("\"\\/", *at) ? *at : *at == 'n' || *at == 't' ? ' ' : '?';
			if (*at == 'u')
				at += end - at > 4 ? 4 : end - at - 1;
		}
		if (used + 1 < size)
			ret[used++] = c >= ' ' && c <= '~' ? c : '?';
	}
	ret[used] = '\0';
	return at < end ? at : NULL;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at) && *at != '\0')
		at++;
	return at;
}

/* The strings "code" and "detail" of a JSON object's own members, not of what is inside them. */
static void read_problem(struct piece body, struct upgrade_answer *ret)
{
	const char *end = body.at + body.len;
	int depth = 0;

	for (const char *at = body.at; at < end; at++) {
		char name[16], *into = NULL;
		size_t size = 0;

		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		if (*at != '"')
			continue;
		at = json_string(at + 1, end, name, sizeof name);
		if (!at)
			return;
		const char *value = skip_blanks(at + 1, end);

		if (depth != 1 || value == end || *value != ':')
			continue;
		value = skip_blanks(value + 1, end);
		if (value == end || *value != '"')
			continue;
		if (strcmp(name, "code") == 0)
			into = ret->code, size = sizeof ret->code;
		else if (strcmp(name, "detail") == 0)
			into = ret->detail, size = sizeof ret->detail;
		else
			into = name, size = sizeof name;
		at = json_string(value + 1, end, into, size);
		if (!at)
			return;
	}
}

/* A refusal: its body only if it is one we can read whole. */
static int take_refusal(const char *data, size_t len, size_t head, bool closed,
	const struct head *h, struct upgrade_answer *a)
{
	bool readable = h->problem && !h->framed && h->lengths == 1 && h->body <= UPGRADE_BODY_MAX;

	a->len = head;
	if (!readable)
		return 1;
	if (len - head < h->body)
		return closed ? 1 : 0;
	a->len = head + h->body;
	read_problem((struct piece){ data + head, h->body }, a);
	return 1;
}

int upgrade_answer(const void *data, size_t len, bool closed, struct upgrade_answer *ret)
{
	const size_t start = strlen(STATUS_START);
	struct upgrade_answer a = {};
	struct head h;
	size_t most = len < UPGRADE_HEAD_MAX ? len : UPGRADE_HEAD_MAX;
	const char *end;

	if (len == 0)
		return closed ? -EBADMSG : 0;
	end = memmem(data, most, "\r\n\r\n", 4);
	if (memcmp(data, STATUS_START, len < start ? len : start) != 0)
		return -EBADMSG;
	if (!end)
		return len >= UPGRADE_HEAD_MAX ? -EMSGSIZE : closed ? -EBADMSG : 0;
	a.len = (size_t)(end + 4 - (const char *)data);
	if (read_head((struct piece){ data, a.len }, &a.status, &h) < 0)
		return -EBADMSG;
	if (a.status == 101) {
		if (h.upgrades != 1 || h.foreign || !h.connection || h.framed || h.lengths)
			return -EBADMSG;
	} else {
		if (a.status < 200 || a.status > 599)
			return -EBADMSG;
		int r = take_refusal(data, len, a.len, closed, &h, &a);

		if (r <= 0)
			return r;
	}
	*ret = a;
	return 1;
}
