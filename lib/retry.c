/* SPDX-License-Identifier: MIT */
#include "lib/retry.h"

#include "lib/secret.h"

#define LOSS_TIMES 6 /* a lost connection's first pause: up to so many times the base */

/* Uniformly, both included; the remainder's bias is far below what anybody could see. */
static uint64_t between(uint64_t low, uint64_t high)
{
	uint64_t random;

	if (high <= low)
		return high;
	random_bytes(&random, sizeof random);
	return low + random % (high - low + 1);
}

static void swap(uint8_t *a, uint8_t *b)
{
	uint8_t t = *a;

	*a = *b;
	*b = t;
}

/* The first n of the order, every order of them as likely as the others (Fisher and Yates). */
static void shuffle(struct retry *r, size_t n)
{
	for (size_t i = n; i > 1; i--)
		swap(&r->order[i - 1], &r->order[between(0, i - 1)]);
}

void retry_begin(struct retry *r, size_t count, uint64_t base_ms, uint64_t cap_ms)
{
	*r = (struct retry){ .backoff = { base_ms, cap_ms, 0 }, .count = (uint8_t)count };
	for (uint8_t i = 0; i < r->count; i++)
		r->order[i] = i;
	shuffle(r, r->count);
}

size_t retry_place(const struct retry *r)
{
	return r->order[r->at];
}

/* No more than the cap, whatever a machine's administrator has made of that. */
static uint64_t pause_of(const struct retry *r, uint64_t low, uint64_t high)
{
	uint64_t cap = r->backoff.cap_ms;

	return between(low < cap ? low : cap, high < cap ? high : cap);
}

static uint64_t after_loss(struct retry *r)
{
	uint64_t base = r->backoff.base_ms;

	backoff_reset(&r->backoff);
	swap(&r->order[r->at], &r->order[r->count - 1]);
	shuffle(r, r->count - 1u);
	r->at = 0;
	return r->count > 1 ? pause_of(r, base, LOSS_TIMES * base) : backoff_next(&r->backoff);
}

uint64_t retry_after(struct retry *r, enum retry_end end)
{
	uint64_t base = r->backoff.base_ms;

	if (end == RETRY_LOST)
		return after_loss(r);
	r->at = (uint8_t)((r->at + 1) % r->count);
	if (r->at == 0)
		return backoff_next(&r->backoff);
	return end == RETRY_BROKEN ? pause_of(r, base, LOSS_TIMES * base)
				   : pause_of(r, base / 4, base + base / 4);
}

bool retry_is_round(const struct retry *r, enum retry_end end)
{
	return end == RETRY_FAILED && r->at == 0;
}
