/* SPDX-License-Identifier: MIT */
/*
 * What proxies say of a request, and what of it is believed: of a peer that TrustedProxy= doesn't
 * list, nothing. Of one that it lists, the last entry; and as long as that names a listed proxy
 * again, the one before it: the rightmost address that isn't listed is the client's. What is
 * malformed ends the walk. ProxyHeader= says which headers the proxies write: the others may have
 * come from anybody, and are not looked at.
 *
 * X-Forwarded-For, -Proto and -Host: lists by commas. Forwarded: RFC 7239.
 */
#ifndef MUSTER_PROXY_H
#define MUSTER_PROXY_H

#include "../http_request.h"
#include "../source.h"
#include "hosts.h"

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". -EINVAL: none, or bits beyond the mask. */
int network_parse(const char *text, struct network *ret) must_use;
bool network_has(const struct network *n, const struct source *s);

/* TrustedProxy= has it. Who is not there by IP is none. */
bool proxy_is_listed(const struct config *c, const struct source *s);

/* How a request came here, as far as it is believed. */
struct approach {
	struct source source; /* the client's address */
	bool by_proxy;        /* the peer is a listed proxy */
	bool https;           /* its first stretch was */
	char host[280];       /* as the browser was asked for it, "" if that isn't told */
};

void proxy_judge(const struct config *c, const struct source *peer, const struct http_request *q,
	struct approach *ret);

#endif
