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

void table_row(struct table *t, const char *key)
{
	free(t->key);
	t->key = strdup(key);
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
	cell->key = give(t->key);
	t->count++;
}

void table_addf(struct table *t, enum paint paint, const char *format, ...)
{
	scoped(freep) char *text = NULL;
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
	for (size_t i = 0; i < t->count; i++) {
		free(t->cells[i].text);
		free(t->cells[i].key);
	}
	free(t->cells);
	free(t->key);
	t->key = NULL;
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

static int by_key(const void *a, const void *b)
{
	const struct cell *left = a, *right = b;

	int r = left->key && right->key ? strcmp(left->key, right->key) : 0;

	return r != 0 ? r : strcmp(left->text, right->text);
}

/* No blanks at the ends of lines: those before a cell are written with it. */
static void print_row(
	struct ctl *c, const struct table *t, const struct cell *row, const size_t *widths)
{
	size_t blanks = 0;

	for (size_t i = 0; i < t->columns; i++) {
		if (row[i].width > 0) {
			printf("%*s", (int)blanks, "");
			put(c, row[i].text, row[i].paint);
			blanks = 0;
		}
		blanks += widths[i] + 2 - row[i].width;
	}
	putchar('\n');
}

static void print_titles(struct ctl *c, const struct table *t, const size_t *widths)
{
	struct cell row[COLUMNS_MAX];

	for (size_t i = 0; i < t->columns; i++)
		row[i] = (struct cell){
			.text = (char *)(uintptr_t)t->titles[i],
			.width = strlen(t->titles[i]),
			.paint = PAINT_BOLD,
		};
	print_row(c, t, row, widths);
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
	if (t->cells[0].key)
		qsort(t->cells, t->count / t->columns, t->columns * sizeof(*t->cells), by_key);
	print_titles(c, t, widths);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		print_row(c, t, t->cells + i, widths);
	table_endp(t);
	return CTL_OK;
}

/* ---- fields */

void field_painted(struct ctl *c, const char *name, const char *text, enum paint paint)
{
	scoped(freep) char *clean = text_escape(text, strlen(text));

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
	scoped(freep) char *text = NULL;
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
