/* SPDX-License-Identifier: MIT */
/* The proxy that the environment names for a server, by curl's rules (curl(1), "ENVIRONMENT"). */
#ifndef MUSTER_ENROL_PROXY_H
#define MUSTER_ENROL_PROXY_H

#include <stdbool.h>

/* NULL: none. The text is the environment's. */
const char *proxy_from_environment(const char *server);

/* Whether a no_proxy list names the host: "*", the host itself, or a domain that it lies in. */
bool proxy_is_excepted(const char *list, const char *server);

/* Whether it can be used and written down: printable ASCII without blanks, at most PROXY_MAX long.
 * An empty one means no proxy. */
#define PROXY_MAX 180
bool proxy_is_valid(const char *proxy);

#endif
