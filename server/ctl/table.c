/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "lib/text.h"

static const char *const paints[] = {
	[PAINT_NONE] = "",
	[PAINT_GOOD] = "\033[32m",
	[PAINT_DIM] = "\033[2m",
	[PAINT_BAD] = "\033[31m",
	[PAINT_BOLD] = "\033[1m",
};

/* Columns on the terminal. The locale's characters are UTF-8 (main.c). */
static size_t width_of(const char *text)
{
	mbstate_t state = {};
	size_t width = 0, n;
	wchar_t wide;

	for (; *text; text += n) {
		n = mbrtowc(&wide, text, strlen(text), &state);
		if (n == 0 || n > strlen(text))
			return width + strlen(text);
		int w = wcwidth(wide);
		width += w > 0 ? (size_t)w : 0;
	}
	return width;
}

/* ---- tables */

static struct cell *next_cell(struct table *t)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct cell *cells = reallocarray(t->cells, room, sizeof(*cells));

		if (!cells)
			return NULL;
		t->cells = cells;
		t->room = room;
	}
	return &t->cells[t->count];
}

void table_add(struct table *t, const char *text, enum paint paint)
{
	struct cell *cell = next_cell(t);
	char *clean = cell ? text_escape(text, strlen(text)) : NULL;

	if (!clean) {
		t->failed = true;
		return;
	}
	*cell = (struct cell){ .text = clean, .width = width_of(clean), .paint = paint };
	t->count++;
}

void table_addf(struct table *t, enum paint paint, const char *format, ...)
{
	scoped(freep)
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		text = NULL;
	if (text)
		table_add(t, text, paint);
	else
		t->failed = true;
}

void table_endp(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	t->cells = NULL;
	t->count = 0;
	t->room = 0;
}

static void put(struct ctl *c, const char *text, enum paint paint)
{
	if (c->color && paint != PAINT_NONE)
		printf("%s%s\033[0m", paints[paint], text);
	else
		fputs(text, stdout);
}

/* The last column isn't padded: no blanks at the ends of lines. */
static void put_cell(struct ctl *c, const char *text, size_t width, enum paint paint, size_t room)
{
	put(c, text, paint);
	if (room > 0)
		printf("%*s", (int)(room - width), "");
	else
		putchar('\n');
}

int table_print(struct ctl *c, struct table *t)
{
	size_t widths[COLUMNS_MAX];

	if (t->failed)
		return complain(CTL_FAILED, "no memory");
	if (t->count == 0)
		return CTL_OK;
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = strlen(t->titles[i]);
	for (size_t i = 0; i < t->count; i++)
		if (t->cells[i].width > widths[i % t->columns])
			widths[i % t->columns] = t->cells[i].width;
	for (size_t i = 0; i < t->columns; i++)
		put_cell(c, t->titles[i], strlen(t->titles[i]), PAINT_BOLD,
			i + 1 < t->columns ? widths[i] + 2 : 0);
	for (size_t i = 0; i < t->count; i++) {
		const struct cell *cell = &t->cells[i];
		size_t column = i % t->columns;

		put_cell(c, cell->text, cell->width, cell->paint,
			column + 1 < t->columns ? widths[column] + 2 : 0);
	}
	table_endp(t);
	return CTL_OK;
}

/* ---- fields */

void field_painted(struct ctl *c, const char *name, const char *text, enum paint paint)
{
	scoped(freep)
	char *clean = text_escape(text, strlen(text));

	if (!clean || !*clean)
		return;
	printf("%-12s ", name);
	put(c, clean, paint);
	putchar('\n');
}

void field(struct ctl *c, const char *name, const char *text)
{
	field_painted(c, name, text, PAINT_NONE);
}

void fieldf(struct ctl *c, const char *name, const char *format, ...)
{
	scoped(freep)
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		field(c, name, text);
}

char *labels_text(json_t *labels)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);
	json_t *label;

	if (!out)
		return NULL;
	json_array_foreach (labels, i, label)
		fprintf(out, "%s%s", i ? " " : "",
			json_string_value(label) ? json_string_value(label) : "");
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- times */

static bool parse(const char *text, time_t *ret)
{
	struct tm tm = {};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!end || *end)
		return false;
	*ret = timegm(&tm);
	return true;
}

/* The largest unit of which there are at least two, rounded. */
static void rounded(int64_t seconds, char ret[static WHEN_SIZE])
{
	static const struct {
		int64_t unit, from;
		const char *name;
	} units[] = {
		{ 86400, 2 * 86400, "d" },
		{ 3600, 2 * 3600, "h" },
		{ 60, 120, "min" },
		{ 1, 0, "s" },
	};
	size_t i = 0;

	while (seconds < units[i].from)
		i++;
	snprintf(ret, WHEN_SIZE, "%lld %s",
		(long long)((seconds + units[i].unit / 2) / units[i].unit), units[i].name);
}

static void relative(time_t then, char ret[static WHEN_SIZE])
{
	int64_t diff = (int64_t)then - (int64_t)time(NULL);
	char text[WHEN_SIZE];

	rounded(diff < 0 ? -diff : diff, text);
	if (diff == 0)
		snprintf(ret, WHEN_SIZE, "now");
	else
		snprintf(ret, WHEN_SIZE, diff < 0 ? "%.40s ago" : "in %.40s", text);
}

const char *when(const char *text, const char *never, char ret[static WHEN_SIZE])
{
	time_t then;

	if (!*text)
		return never;
	if (!parse(text, &then))
		return text;
	relative(then, ret);
	return ret;
}

const char *when_exactly(const char *text, char ret[static WHEN_SIZE])
{
	char about[WHEN_SIZE];
	time_t then;

	if (!parse(text, &then))
		return text;
	relative(then, about);
	snprintf(ret, WHEN_SIZE, "%.10s %.8s UTC (%.15s)", text, text + 11, about);
	return ret;
}

const char *lasting(int64_t s, char ret[static WHEN_SIZE])
{
	if (s >= 86400)
		snprintf(ret, WHEN_SIZE, "%lld d %lld h", (long long)(s / 86400),
			(long long)(s % 86400 / 3600));
	else if (s >= 3600)
		snprintf(ret, WHEN_SIZE, "%lld h %lld min", (long long)(s / 3600),
			(long long)(s % 3600 / 60));
	else if (s >= 60)
		snprintf(ret, WHEN_SIZE, "%lld min", (long long)(s / 60));
	else
		snprintf(ret, WHEN_SIZE, "%lld s", (long long)s);
	return ret;
}
