/* SPDX-License-Identifier: MIT */
/* The lists of entity tags that requests bring along (RFC 9110, 8.8.3, 13.1.1 and 13.1.2). */
#ifndef MUSTER_ETAG_H
#define MUSTER_ETAG_H

#include <stdbool.h>

enum etag_comparison {
	ETAG_STRONG, /* If-Match: a weak one in the list is none */
	ETAG_WEAK,   /* If-None-Match: it is as good as a strong one */
};

/* Is the tag, in quotes, in the list, or is that "*"? */
bool etag_listed(const char *list, const char *tag, enum etag_comparison comparison);

#endif
