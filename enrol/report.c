/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "enrol/report.h"
#include "lib/text.h"

#define BAR_WIDTH 24

enum mark { MARK_DONE, MARK_FAILED, MARK_NOTE };

static const struct {
	const char *utf8, *ascii, *colour;
} marks[] = {
	[MARK_DONE] = { "✓", "ok    ", "\033[32m" },
	[MARK_FAILED] = { "✗", "failed", "\033[31m" },
	[MARK_NOTE] = { "!", "note  ", "\033[33m" },
};

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* By the environment alone: setlocale() of a static program would read the machine's locale files,
 * which may be of another C library. */
static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (is_set(names[i])) {
			const char *value = getenv(names[i]);

			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
		}
	return false;
}

void report_setup(struct report *r, bool json, bool quiet)
{
	const char *terminal = getenv("TERM");
	bool plain = is_set("NO_COLOR") || !terminal || strcmp(terminal, "dumb") == 0;

	*r = (struct report){ .json = json, .quiet = quiet, .utf8 = locale_is_utf8() };
	r->colour_out = !json && !plain && isatty(STDOUT_FILENO);
	r->colour_err = !json && !plain && isatty(STDERR_FILENO);
	r->bar = !json && !quiet && terminal && strcmp(terminal, "dumb") != 0 &&
		 isatty(STDOUT_FILENO);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void report_json_string(FILE *out, const char *text)
{
	scoped(freep) char *escaped = text_escape(text, strlen(text));

	fputc('"', out);
	for (const char *c = escaped ? escaped : ""; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
}

static void field(const char *name, const char *value)
{
	printf(",\"%s\":", name);
	report_json_string(stdout, value);
}

static void json_line(const char *step, const char *state, const char *detail)
{
	fputs("{\"step\":", stdout);
	report_json_string(stdout, step);
	field("state", state);
	if (detail)
		field("detail", detail);
	fputs("}\n", stdout);
}

static void clear_bar(struct report *r)
{
	if (r->bar_shown)
		fputs("\r\033[K", stdout);
	r->bar_shown = false;
}

static void person_line(struct report *r, enum mark mark, const char *what, const char *detail)
{
	FILE *out = mark == MARK_DONE ? stdout : stderr;
	bool colour = mark == MARK_DONE ? r->colour_out : r->colour_err;
	scoped(freep) char *escaped = text_escape(detail, strlen(detail));

	clear_bar(r);
	fflush(stdout);
	fprintf(out, "%s%s%s %-10s %s\n", colour ? marks[mark].colour : "",
		r->utf8 ? marks[mark].utf8 : marks[mark].ascii, colour ? "\033[0m" : "", what,
		escaped ? escaped : "");
}

static void tell(
	struct report *r, enum mark mark, const char *step, const char *state, const char *detail)
{
	if (r->json)
		json_line(step, state, detail);
	else if (mark != MARK_DONE || !r->quiet)
		person_line(r, mark, step, detail);
}

#define FORMAT(ret)                                                                                \
	do {                                                                                       \
		va_list args_;                                                                     \
		va_start(args_, format);                                                           \
		vsnprintf((ret), sizeof(ret), format, args_);                                      \
		va_end(args_);                                                                     \
	} while (0)

void report_begin(struct report *r, const char *step)
{
	r->step = step;
	r->percent = 0;
	if (r->json)
		json_line(step, "begin", NULL);
}

void report_done(struct report *r, const char *format, ...)
{
	char detail[REPORT_DETAIL_SIZE];

	FORMAT(detail);
	tell(r, MARK_DONE, r->step, "done", detail);
}

int report_failed(struct report *r, int code, const char *format, ...)
{
	FORMAT(r->failure);
	tell(r, MARK_FAILED, r->step, "failed", r->failure);
	return code;
}

void report_warn(struct report *r, const char *what, const char *format, ...)
{
	char detail[REPORT_DETAIL_SIZE];

	FORMAT(detail);
	tell(r, MARK_NOTE, what, "warning", detail);
}

void report_undone(struct report *r, const char *step, const char *format, ...)
{
	char detail[REPORT_DETAIL_SIZE];

	FORMAT(detail);
	if (r->json)
		json_line(step, "undone", detail);
	else if (!r->quiet)
		person_line(r, MARK_NOTE, "undone", detail);
}

void report_would(struct report *r, const char *format, ...)
{
	char detail[REPORT_DETAIL_SIZE];

	FORMAT(detail);
	tell(r, MARK_DONE, "would", "would", detail);
}

void report_progress(struct report *r, uint64_t done, uint64_t total)
{
	char size[REPORT_AMOUNT_SIZE];
	unsigned percent = total ? (unsigned)(done * 100 / total) : 0;

	if (!r->bar || total == 0 || done > total || (r->bar_shown && percent == r->percent))
		return;
	r->bar_shown = true;
	r->percent = percent;
	printf("\r  %-10s ", r->step);
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		fputs(i * 100 < percent * BAR_WIDTH ? (r->utf8 ? "━" : "#") : " ", stdout);
	printf(" %3u %% of %s", percent, report_bytes(total, size));
	fflush(stdout);
}

static void result_line(const char *result, int code, const char *client,
	const struct labels *labels, const char *version)
{
	fputs("{\"result\":", stdout);
	report_json_string(stdout, result);
	if (client)
		field("client", client);
	if (labels) {
		fputs(",\"labels\":[", stdout);
		for (unsigned i = 0; i < labels->count; i++) {
			if (i > 0)
				fputc(',', stdout);
			report_json_string(stdout, labels->text[i]);
		}
		fputc(']', stdout);
	}
	if (version)
		field("version", version);
	printf(",\"exit\":%d}\n", code);
}

void report_result(struct report *r, const char *result, int code, const char *client,
	const struct labels *labels)
{
	if (r->json && code != EXIT_OK && *r->failure) {
		fputs("{\"result\":", stdout);
		report_json_string(stdout, result);
		field("step", r->step ? r->step : "");
		field("detail", r->failure);
		if (client)
			field("client", client);
		printf(",\"exit\":%d}\n", code);
	} else if (r->json) {
		result_line(result, code, client, labels, r->version);
	}
	fflush(stdout);
}

const char *report_bytes(uint64_t bytes, char ret[static REPORT_AMOUNT_SIZE])
{
	if (bytes < 1000)
		snprintf(ret, REPORT_AMOUNT_SIZE, "%" PRIu64 " bytes", bytes);
	else if (bytes < 1000 * 1000)
		snprintf(ret, REPORT_AMOUNT_SIZE, "%.1f kB", (double)bytes / 1000);
	else
		snprintf(ret, REPORT_AMOUNT_SIZE, "%.1f MB", (double)bytes / 1000000);
	return ret;
}

const char *report_duration(uint64_t seconds, char ret[static REPORT_AMOUNT_SIZE])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
	size_t i = 0;

	/* "47 hours" says more than "1 day". */
	while (i + 1 < COUNT(units) && seconds < 2 * units[i].seconds)
		i++;
	uint64_t count = seconds / units[i].seconds;

	snprintf(ret, REPORT_AMOUNT_SIZE, "%" PRIu64 " %s%s", count, units[i].name,
		count == 1 ? "" : "s");
	return ret;
}
