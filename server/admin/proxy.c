/* SPDX-License-Identifier: MIT */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/text.h"

#define VALUE_SIZE 280

/* ---- networks */

/* An address without a port; IPv4 as ::ffff:a.b.c.d. */
static int parse_address(const char *text, struct in6_addr *ret, bool *ret_v4)
{
	*ret = (struct in6_addr){};
	*ret_v4 = inet_pton(AF_INET, text, ret->s6_addr + 12) == 1;
	if (*ret_v4) {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		return 0;
	}
	return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

static bool bit(const struct in6_addr *a, unsigned i)
{
	return a->s6_addr[i / 8] >> (7 - i % 8) & 1;
}

int network_parse(const char *text, struct network *ret)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	uint64_t bits = 0;
	bool v4;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (parse_address(address, &ret->address, &v4) < 0)
		return -EINVAL;
	ret->bits = 128;
	if (text[len]) {
		if (text_number(text + len + 1, 0, v4 ? 32 : 128, &bits) < 0)
			return -EINVAL;
		ret->bits = (uint8_t)(v4 ? bits + 96 : bits);
	}
	for (unsigned i = ret->bits; i < 128; i++)
		if (bit(&ret->address, i))
			return -EINVAL;
	return 0;
}

bool network_has(const struct network *n, const struct source *s)
{
	for (unsigned i = 0; i < n->bits; i++)
		if (bit(&n->address, i) != bit(&s->address, i))
			return false;
	return true;
}

bool proxy_is_listed(const struct config *c, const struct source *s)
{
	static const struct source none;

	for (size_t i = 0; i < c->proxy_count; i++)
		if (network_has(&c->proxies[i], s) && !source_equal(s, &none))
			return true;
	return false;
}

/* ---- lists */

/* Where the last element of text[0..len) starts. It is looked for from the end, which the nearest
 * proxy has written: what comes before it can't hide it, by a quote that never ends. */
static size_t last_start(const char *text, size_t len, bool quotes)
{
	bool quoted = false;

	for (size_t i = len; i > 0; i--) {
		if (quotes && text[i - 1] == '"' && (i < 2 || text[i - 2] != '\\'))
			quoted = !quoted;
		if (text[i - 1] == ',' && !quoted)
			return i;
	}
	return 0;
}

/* Takes the last element off the list. false: it's too long. */
static bool take_last(const char *text, size_t *len, bool quotes, char ret[static VALUE_SIZE])
{
	size_t end = *len, start = last_start(text, end, quotes);

	*len = start > 0 ? start - 1 : 0;
	while (start < end && (text[start] == ' ' || text[start] == '\t'))
		start++;
	while (end > start && (text[end - 1] == ' ' || text[end - 1] == '\t'))
		end--;
	if (end - start >= VALUE_SIZE)
		return false;
	memcpy(ret, text + start, end - start);
	ret[end - start] = '\0';
	return true;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static bool read_source(const char *text, struct source *ret)
{
	char host[HOST_SIZE];
	uint16_t port;
	bool v4;

	if (parse_address(text, &ret->address, &v4) == 0)
		return true;
	if (host_split(text, host, &port) < 0)
		return false;
	if (host[0] != '[')
		return parse_address(host, &ret->address, &v4) == 0;
	host[strlen(host) - 1] = '\0';
	return parse_address(host + 1, &ret->address, &v4) == 0;
}

/* ---- Forwarded */

/* RFC 7239, 4: the parameter's value out of one element, unquoted. false: it isn't there, comes
 * twice, or the element is malformed. */
static bool parameter(const char *element, const char *name, char ret[static VALUE_SIZE])
{
	const char *at = element;
	bool found = false;

	while (*at) {
		size_t name_len = strcspn(at, "=;,\" ");
		bool meant = name_len == strlen(name) && strncasecmp(at, name, name_len) == 0;
		size_t n = 0;
		char value[VALUE_SIZE];

		at += name_len;
		if (*at++ != '=' || (meant && found))
			return false;
		if (*at == '"') {
			for (at++; *at && *at != '"'; at++) {
				at += *at == '\\' && at[1];
				value[n++] = *at;
			}
			if (*at++ != '"')
				return false;
		} else {
			while (*at && !strchr(";,\" ", *at))
				value[n++] = *at++;
		}
		value[n] = '\0';
		if (*at && *at++ != ';')
			return false;
		if (meant)
			memcpy(ret, value, n + 1);
		found |= meant;
	}
	return found;
}

/* ---- judging */

static void walk(const struct config *c, const char *list, bool forwarded, struct source *at)
{
	char element[VALUE_SIZE], value[VALUE_SIZE];
	size_t len = list ? strlen(list) : 0;
	struct source before;

	while (len > 0 && proxy_is_listed(c, at)) {
		if (!take_last(list, &len, forwarded, element))
			return;
		if (forwarded && !parameter(element, "for", value))
			return;
		if (!read_source(forwarded ? value : element, &before))
			return;
		*at = before;
	}
}

/* Of the last element, which the peer itself has written. */
static bool last_said(const char *list, const char *name, char ret[static VALUE_SIZE])
{
	char element[VALUE_SIZE];
	size_t len = list ? strlen(list) : 0;

	if (len == 0 || !take_last(list, &len, name != NULL, element))
		return false;
	if (name)
		return parameter(element, name, ret);
	memcpy(ret, element, strlen(element) + 1);
	return true;
}

void proxy_judge(const struct config *c, const struct source *peer, const struct http_request *q,
	struct approach *ret)
{
	bool forwarded = c->proxy_header == PROXY_FORWARDED;
	const char *hosts = forwarded ? q->forwarded : q->x_forwarded_host;
	const char *protos = forwarded ? q->forwarded : q->x_forwarded_proto;
	char value[VALUE_SIZE];

	*ret = (struct approach){ .source = *peer, .by_proxy = proxy_is_listed(c, peer) };
	snprintf(ret->host, sizeof(ret->host), "%s", q->host ? q->host : "");
	if (!ret->by_proxy)
		return;
	walk(c, forwarded ? q->forwarded : q->x_forwarded_for, forwarded, &ret->source);
	if (last_said(protos, forwarded ? "proto" : NULL, value))
		ret->https = strcasecmp(value, "https") == 0;
	if (last_said(hosts, forwarded ? "host" : NULL, value))
		snprintf(ret->host, sizeof(ret->host), "%s", value);
}
