/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#define LINE_MAX_SIZE 1024
#define BURST         20
#define REPEAT        (6 * 3600) /* seconds, then the same failure is said again */
#define REFILL        180        /* seconds for one line more: at most 500 lines a day */

__attribute__((format(printf, 2, 0))) static void put(
	int priority, const char *format, va_list values)
{
	char line[LINE_MAX_SIZE];

	(void)vsnprintf(line, sizeof line, format, values);
	/* A journal that doesn't take the line can't be told of that either. */
	if (getenv("JOURNAL_STREAM"))
		(void)fprintf(stderr, "<%d>%s\n", priority, line);
	else
		(void)fprintf(stderr, "muster-agent: %s\n", line);
}

void log_say(int priority, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	put(priority, format, values);
	va_end(values);
}

int log_err(int error, const char *format, ...)
{
	char what[LINE_MAX_SIZE];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(what, sizeof what, format, values);
	va_end(values);
	log_say(LOG_ERR, "%s: %s", what, strerror(-error));
	return error;
}

/* One more line if the bucket allows it now. */
static bool allowed(void)
{
	static unsigned lines = BURST;
	static time_t filled;
	struct timespec now;
	time_t more;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* can't fail with this clock */
	more = (now.tv_sec - filled) / REFILL;
	filled += more * REFILL;
	lines = more > BURST - (time_t)lines ? BURST : lines + (unsigned)more;
	if (lines == 0)
		return false;
	lines--;
	return true;
}

void log_seldom(int priority, const char *format, ...)
{
	static unsigned long left_out;
	va_list values;

	if (!allowed()) {
		left_out++;
		return;
	}
	if (left_out > 0)
		log_say(LOG_NOTICE, "(%lu lines left out)", left_out);
	left_out = 0;
	va_start(values, format);
	put(priority, format, values);
	va_end(values);
}

static bool same_but_numbers(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	while (*a && *b) {
		size_t m = strspn(a, digits), n = strspn(b, digits);

		if ((m == 0) != (n == 0) || (m == 0 && *a != *b))
			return false;
		a += m ? m : 1;
		b += n ? n : 1;
	}
	return *a == *b;
}

void log_repeated(struct log_repeat *last, int priority, const char *text)
{
	time_t now = time(NULL);
	bool same = same_but_numbers(text, last->text);

	if (same && now >= last->said && now - last->said < REPEAT)
		return;
	log_seldom(priority, "%s%s", same ? "still: " : "", text);
	(void)snprintf(last->text, sizeof last->text, "%s", text);
	last->said = now;
}
