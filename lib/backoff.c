/* SPDX-License-Identifier: MIT */
#include "lib/backoff.h"
#include "lib/secret.h"

/* base * 2^attempt * 3, or the cap where that is less; no overflow on the way. */
static uint64_t upper(const struct backoff *b)
{
	uint64_t top = b->base_ms;

	for (unsigned i = 0; i < b->attempt && top < b->cap_ms; i++)
		top = top > UINT64_MAX / 2 ? UINT64_MAX : top * 2;
	if (top > b->cap_ms / 3)
		return b->cap_ms;
	return top * 3;
}

uint64_t backoff_next(struct backoff *b)
{
	uint64_t top = upper(b);
	uint64_t low = b->base_ms < top ? b->base_ms : top;
	uint64_t random;

	random_bytes(&random, sizeof random);
	if (b->attempt < UINT32_MAX)
		b->attempt++;
	/* The remainder's bias is below 2^-20 for any cap of less than a century. */
	return top - low == UINT64_MAX ? random : low + random % (top - low + 1);
}

void backoff_reset(struct backoff *b)
{
	b->attempt = 0;
}
