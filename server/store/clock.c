/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "clock.h"

static uint64_t seconds(clockid_t id)
{
	struct timespec now;

	/* Neither clock can fail on Linux; 0 counts as "not set". */
	if (clock_gettime(id, &now) < 0 || now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec;
}

static uint64_t wall(void)
{
	return seconds(CLOCK_REALTIME);
}

static uint64_t elapsed(void)
{
	return seconds(CLOCK_BOOTTIME);
}

const struct clock_source clock_system = { .wall = wall, .elapsed = elapsed };

void clock_start(struct clock *c, const struct clock_source *source, uint64_t mark)
{
	*c = (struct clock){ .source = source, .last = mark, .saved = mark };
}

uint64_t clock_now(struct clock *c)
{
	uint64_t now = c->source->wall();
	uint64_t value;

	if (now >= c->last) {
		c->behind = false;
		return c->last = now;
	}
	if (!c->behind) {
		c->behind = true;
		c->anchor = c->last;
		c->anchor_elapsed = c->source->elapsed();
	}
	value = c->anchor + (c->source->elapsed() - c->anchor_elapsed) / 2;
	if (value > c->last)
		c->last = value;
	return c->last;
}

/* While it is behind, half speed goes on from there. */
void clock_advance(struct clock *c, uint64_t mark)
{
	if (mark <= c->last)
		return;
	c->last = mark;
	c->behind = false;
}

bool clock_is_set_back(struct clock *c, uint64_t *ret_wall)
{
	uint64_t now = c->source->wall();

	*ret_wall = now;
	return now >= CLOCK_FLOOR && clock_now(c) > now + CLOCK_SETBACK;
}

void clock_follow(struct clock *c, uint64_t to)
{
	c->last = to;
	c->behind = false;
}
