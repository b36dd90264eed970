/* SPDX-License-Identifier: MIT */
#include "hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/text.h"

static bool is_name(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";

	return *host && *host != '.' && *host != '-' && strspn(host, letters) == strlen(host);
}

static bool is_literal(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	size_t len = strlen(host);

	if (len < 4 || len - 2 >= sizeof(address) || host[0] != '[' || host[len - 1] != ']')
		return false;
	memcpy(address, host + 1, len - 2);
	address[len - 2] = '\0';
	return inet_pton(AF_INET6, address, &v6) == 1;
}

int host_split(const char *text, char ret[static HOST_SIZE], uint16_t *ret_port)
{
	const char *end = *text == '[' ? strchr(text, ']') : NULL;
	size_t len = end ? (size_t)(end + 1 - text) : strcspn(text, ":");
	uint64_t port = 0;

	if (len == 0 || len >= HOST_SIZE)
		return -EINVAL;
	if (text[len] && (text[len] != ':' || text_number(text + len + 1, 1, 65535, &port) < 0))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)tolower((unsigned char)text[i]);
	if (ret[len - 1] == '.')
		len--;
	ret[len] = '\0';
	*ret_port = (uint16_t)port;
	return is_name(ret) || is_literal(ret) ? 0 : -EINVAL;
}

static bool is_listed(const struct config *c, const char *host)
{
	char name[HOST_SIZE];
	uint16_t port;

	for (size_t i = 0; i < c->host_count; i++)
		if (strcmp(c->hosts[i], host) == 0)
			return true;
	for (size_t i = 0; c->host_count == 0 && i < c->names.count; i++)
		if (host_split(c->names.at[i], name, &port) == 0 && strcmp(name, host) == 0)
			return true;
	return false;
}

/* The address in it; zeros: it is a name. */
static struct source literal(const char *host)
{
	struct sockaddr_storage address = {};
	struct listen_address a;
	char text[HOST_SIZE + 8];

	snprintf(text, sizeof(text), "%s:1", host);
	if (address_parse(text, &a) == 0)
		address = a.address;
	return source_of(&address);
}

static bool is_set(const struct source *s)
{
	static const struct source none;

	return !source_equal(s, &none);
}

static bool is_loopback(const struct source *s)
{
	return IN6_IS_ADDR_LOOPBACK(&s->address) ||
	       (IN6_IS_ADDR_V4MAPPED(&s->address) && s->address.s6_addr[12] == 127);
}

bool host_accepted(const struct config *c, const struct source *local, const char *text)
{
	struct source address;
	char host[HOST_SIZE];
	uint16_t port;

	if (!text || host_split(text, host, &port) < 0)
		return false;
	if (is_listed(c, host))
		return true;
	if (strcmp(host, "localhost") == 0)
		return is_loopback(local);
	address = literal(host);
	return is_set(&address) && source_equal(&address, local);
}
