/* SPDX-License-Identifier: MIT */
#include "etag.h"

#include <string.h>

bool etag_listed(const char *list, const char *tag, enum etag_comparison comparison)
{
	size_t len = strlen(tag);

	if (strcmp(list, "*") == 0)
		return true;
	while (*list != '\0') {
		list += strspn(list, " \t,");
		if (comparison == ETAG_WEAK && strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, tag, len) == 0 &&
			(list[len] == '\0' || strchr(" \t,", list[len])))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}
