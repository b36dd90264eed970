/* SPDX-License-Identifier: MIT */
#include "filters.h"

#include <string.h>
#include <time.h>

#include "answer.h"
#include "read.h"

bool read_words(struct api_call *c, const struct param *p, char ret[static WORDS_SIZE])
{
	struct words words;

	snprintf(ret, WORDS_SIZE, "%.*s", WORDS_SIZE - 1, p->value);
	if (words_split(p->value, &words) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter '%s' may have %d words, and %d bytes in all", p->name, WORDS_MAX,
		WORDS_SIZE - 1);
	return false;
}

bool read_time(struct api_call *c, const struct param *p, uint64_t *ret)
{
	struct tm tm = {};
	const char *end = p->given ? strptime(p->value, "%Y-%m-%dT%H:%M:%SZ", &tm) : "";
	int day = tm.tm_mday;
	time_t at = p->given && end ? timegm(&tm) : 0;

	*ret = (uint64_t)at;
	/* timegm() makes March of the 30th of February */
	if (end && *end == '\0' && at >= 0 && (!p->given || tm.tm_mday == day))
		return true;
	answer_refuse(c, 400, "bad-parameter",
		"parameter '%s' must be a time as 2026-11-22T01:02:03Z", p->name);
	return false;
}

bool read_newest(struct api_call *c, const struct param *p, bool *ret)
{
	*ret = strcmp(p->value, "newest") == 0;
	if (!p->given || *ret || strcmp(p->value, "oldest") == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' must be oldest or newest", p->name);
	return false;
}

bool goes_with_order(struct api_call *c, bool newest, const struct param *oldest_only,
	const struct param *newest_only, size_t count)
{
	const struct param *wrong = newest && oldest_only->given ? oldest_only : NULL;

	for (size_t i = 0; !newest && !wrong && i < count; i++)
		if (newest_only[i].given)
			wrong = &newest_only[i];
	if (!wrong)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' %s order=newest", wrong->name,
		newest ? "can't be given with" : "needs");
	return false;
}
