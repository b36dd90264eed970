/* SPDX-License-Identifier: MIT */
#include "lib/addresses.h"

#include <errno.h>
#include <string.h>

#include "lib/line.h"

#define BLANKS " \t"

_Static_assert(ADDRESSES_ONE_SIZE == LINE_SERVER_SIZE, "one address fits into one line");

bool addresses_has(const struct addresses *a, const char *address)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcasecmp(address, a->at[i]) == 0)
			return true;
	return false;
}

bool addresses_equal(const struct addresses *a, const struct addresses *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!addresses_has(b, a->at[i]))
			return false;
	return a->count == b->count;
}

static int add_one(struct addresses *a, const char *word, size_t len)
{
	char one[ADDRESSES_ONE_SIZE];

	if (len >= sizeof one)
		return -EINVAL;
	memcpy(one, word, len);
	one[len] = '\0';
	if (uplink_check_server(one) < 0)
		return -EINVAL;
	if (addresses_has(a, one))
		return -EEXIST;
	if (a->count == ADDRESSES_MAX)
		return -E2BIG;
	memcpy(a->at[a->count++], one, len + 1);
	return 0;
}

int addresses_add(struct addresses *a, const char *text)
{
	size_t before = a->count;
	int r = text[strspn(text, BLANKS)] ? 0 : -EINVAL;

	for (text += strspn(text, BLANKS); *text && r == 0; text += strspn(text, BLANKS)) {
		size_t len = strcspn(text, BLANKS);

		r = add_one(a, text, len);
		text += len;
	}
	if (r < 0)
		a->count = before;
	return r;
}

void addresses_join(const struct addresses *a, char ret[static ADDRESSES_TEXT_SIZE])
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < a->count; i++)
		used += (size_t)snprintf(
			ret + used, ADDRESSES_TEXT_SIZE - used, "%s%s", i > 0 ? " " : "", a->at[i]);
}
