/* SPDX-License-Identifier: MIT */
#include "expires.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "lib/text.h"
#include "read.h"

#define LIFE_MAX (100ull * 365 * 86400)

/* The offset after the time of RFC 3339: "Z", "+01:00". */
static int parse_offset(const char *text, int64_t *ret)
{
	unsigned hours, minutes;
	char sign;
	int end = 0;

	*ret = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if (sscanf(text, "%c%2u:%2u%n", &sign, &hours, &minutes, &end) != 3 || end != 6 ||
		text[end] || hours > 23 || minutes > 59 || (sign != '+' && sign != '-'))
		return -EINVAL;
	*ret = (sign == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	return 0;
}

/* RFC 3339, the seconds may be left out. */
static int parse_date(const char *text, uint64_t *ret)
{
	struct tm tm = {};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M", &tm);
	const char *seconds = rest && *rest == ':' ? strptime(rest, ":%S", &tm) : rest;
	int day = tm.tm_mday;
	int64_t offset, at;

	if (!seconds || parse_offset(seconds, &offset) < 0)
		return -EINVAL;
	at = timegm(&tm) - offset;
	if (at < 0 || tm.tm_mday != day) /* timegm() makes March of the 30th of February */
		return -EINVAL;
	*ret = (uint64_t)at;
	return 0;
}

bool read_expires(struct api_call *c, const char *fallback, uint64_t *ret)
{
	uint64_t now = store_now(c->server->store), life;
	const char *text;

	if (!read_string(c, "expires", 64, &text))
		return false;
	if (!text)
		text = fallback;
	*ret = 0;
	if (strcmp(text, "never") == 0)
		return true;
	if (text_duration(text, &life) == 0)
		*ret = now + life;
	else if (parse_date(text, ret) < 0) {
		answer_refuse(c, 400, "bad-field",
			"field 'expires': '%s' is not a duration (90s, 15m, 24h, 7d, 2w), a time "
			"(2027-01-01T00:00Z) or never",
			text);
		return false;
	}
	if (*ret > now && *ret <= now + LIFE_MAX)
		return true;
	answer_refuse(c, 400, "bad-field", "field 'expires': '%s' is %s", text,
		*ret <= now ? "in the past" : "more than 100 years away");
	return false;
}
