/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

#define HOST_MAX 253 /* characters of a host name */

/* What stands before the last colon. false: it's too long. */
static bool host_of(const char *text, const char *colon, char *ret, size_t size)
{
	size_t len = (size_t)(colon - text);

	if (len >= size)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

/* An IPv6 address in brackets. */
static bool parse_v6(const char *host, struct in6_addr *ret)
{
	char inside[INET6_ADDRSTRLEN];
	size_t len = strlen(host);

	return len > 2 && len - 2 < sizeof(inside) && host[0] == '[' && host[len - 1] == ']' &&
	       host_of(host + 1, host + len - 1, inside, sizeof(inside)) &&
	       inet_pton(AF_INET6, inside, ret) == 1;
}

int address_parse(const char *text, struct listen_address *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2] = "[::]";
	uint64_t port;

	if (text_number(colon != NULL ? colon + 1 : text, 0, 65535, &port) < 0)
		return -EINVAL;
	if (colon != NULL && !host_of(text, colon, host, sizeof(host)))
		return -EINVAL;
	v6.sin6_port = v4.sin_port = htons((uint16_t)port);
	*ret = (struct listen_address){};
	if (parse_v6(host, &v6.sin6_addr)) {
		memcpy(&ret->address, &v6, sizeof(v6));
		ret->len = sizeof(v6);
	} else if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		memcpy(&ret->address, &v4, sizeof(v4));
		ret->len = sizeof(v4);
	}
	return ret->len > 0 ? 0 : -EINVAL;
}

bool address_same(const struct listen_address *a, const struct listen_address *b)
{
	return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
}

bool address_name_ok(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-.";
	const char *colon = strrchr(name, ':');
	char host[HOST_MAX + 1];
	struct in6_addr v6;
	uint64_t port;

	if (colon == NULL || text_number(colon + 1, 1, 65535, &port) < 0 ||
		!host_of(name, colon, host, sizeof(host)))
		return false;
	if (host[0] == '[')
		return parse_v6(host, &v6);
	return host[0] != '\0' && host[strspn(host, letters)] == '\0' && host[0] != '-' &&
	       host[0] != '.';
}

int address_listen(const struct listen_address *a, int backlog, int *ret_fd)
{
	static const int one = 1, zero = 0;
	scoped(closep) int fd =
		socket(a->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&a->address, a->len) < 0 || listen(fd, backlog) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

uint16_t address_of_socket(int fd, char ret[static ADDRESS_TEXT_SIZE])
{
	struct sockaddr_storage own = {};
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&own;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&own;
	socklen_t len = sizeof(own);
	char host[INET6_ADDRSTRLEN] = "?";
	bool six;

	(void)getsockname(fd, (struct sockaddr *)&own, &len);
	six = own.ss_family == AF_INET6;
	uint16_t port = ntohs(six ? v6->sin6_port : v4->sin_port);
	if (six)
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	snprintf(ret, ADDRESS_TEXT_SIZE, six ? "[%s]:%u" : "%s:%u", host, port);
	return port;
}
