/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "enrol/proxy.h"
#include "lib/base.h"

#define SEPARATORS ", \t"

/* The host of "host:port" or "[v6]:port". */
static const char *host_of(const char *server, size_t *ret_len)
{
	if (*server == '[') {
		*ret_len = strcspn(server + 1, "]");
		return server + 1;
	}
	*ret_len = strcspn(server, ":");
	return server;
}

static bool names(const char *entry, size_t len, const char *host, size_t host_len)
{
	if (len == 1 && *entry == '*')
		return true;
	if (len > 0 && *entry == '.') {
		entry++;
		len--;
	}
	if (len == 0 || len > host_len || strncasecmp(host + host_len - len, entry, len) != 0)
		return false;
	return len == host_len || host[host_len - len - 1] == '.';
}

bool proxy_is_excepted(const char *list, const char *server)
{
	size_t host_len;
	const char *host = host_of(server, &host_len);

	while (*list) {
		size_t len = strcspn(list, SEPARATORS);

		if (names(list, len, host, host_len))
			return true;
		list += len;
		list += strspn(list, SEPARATORS);
	}
	return false;
}

static const char *first_set(const char *const names_of[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(names_of[i]);

		if (value && *value)
			return value;
	}
	return NULL;
}

const char *proxy_from_environment(const char *server)
{
	static const char *const proxies[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
		"ALL_PROXY" };
	static const char *const exceptions[] = { "no_proxy", "NO_PROXY" };
	const char *proxy = first_set(proxies, COUNT(proxies));
	const char *list = first_set(exceptions, COUNT(exceptions));

	if (!proxy || (list && proxy_is_excepted(list, server)))
		return NULL;
	return proxy;
}

bool proxy_is_valid(const char *proxy)
{
	size_t len = 0;

	for (; proxy[len]; len++)
		if (proxy[len] <= ' ' || proxy[len] > '~')
			return false;
	return len <= PROXY_MAX;
}
