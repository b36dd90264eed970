/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "lib/text.h"

#define FIELDS_MAX 8
#define TEXT_MAX   2048

static struct {
	const char *program;
	int max_priority;
	bool journal;
} out = { "muster-server", LOG_INFO, false };

/* systemd.exec(5), JOURNAL_STREAM: stderr is the journal if it is that very file. */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program, int max_priority)
{
	out.program = program;
	out.max_priority = max_priority;
	out.journal = stderr_is_journal();
}

/* One field "NAME=value" of allocated memory; the value escaped. */
static char *field(const char *name, const char *value)
{
	scoped(freep) char *escaped = text_escape(value, strlen(value));
	char *text;

	if (escaped == NULL || asprintf(&text, "%s=%s", name, escaped) < 0)
		return NULL;
	return text;
}

static void send_to_journal(struct iovec *fields, size_t count)
{
	if (sd_journal_sendv(fields, (int)count) < 0)
		fprintf(stderr, "%s\n", (const char *)fields[0].iov_base + strlen("MESSAGE="));
}

static void send_fields(int priority, const char *message, const char *const *names_and_values)
{
	char level[] = "PRIORITY=6";
	char identifier[64];
	struct iovec fields[FIELDS_MAX + 3];
	size_t count = 0, own;

	char *text = field("MESSAGE", message);
	if (text == NULL)
		return;
	if (!out.journal) {
		fprintf(stderr, "%s: %s\n", out.program, text + strlen("MESSAGE="));
		free(text);
		return;
	}
	fields[count++] = (struct iovec){ text, strlen(text) };
	for (; names_and_values[0] != NULL && count <= FIELDS_MAX; names_and_values += 2) {
		text = field(names_and_values[0], names_and_values[1]);
		if (text != NULL)
			fields[count++] = (struct iovec){ text, strlen(text) };
	}
	own = count;
	level[sizeof(level) - 2] = (char)('0' + priority);
	snprintf(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER=%s", out.program);
	fields[count++] = (struct iovec){ level, strlen(level) };
	fields[count++] = (struct iovec){ identifier, strlen(identifier) };
	send_to_journal(fields, count);
	for (size_t i = 0; i < own; i++)
		free(fields[i].iov_base);
}

void log_fields(int priority, const char *message, ...)
{
	const char *list[2 * FIELDS_MAX + 1];
	size_t n = 0;
	va_list arguments;

	if (priority > out.max_priority)
		return;
	va_start(arguments, message);
	for (const char *p; n < 2 * FIELDS_MAX && (p = va_arg(arguments, const char *)) != NULL;)
		list[n++] = p;
	va_end(arguments);
	list[n & ~(size_t)1] = NULL;
	send_fields(priority, message, list);
}

__attribute__((format(printf, 2, 0))) static void log_text(
	int priority, const char *format, va_list arguments)
{
	static const char *const none[] = { NULL };
	char text[TEXT_MAX];

	if (priority > out.max_priority)
		return;
	vsnprintf(text, sizeof(text), format, arguments);
	send_fields(priority, text, none);
}

void log_at(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_text(priority, format, arguments);
	va_end(arguments);
}

int log_errno(int priority, int error, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_at(priority, "%s: %s", text, strerror(error < 0 ? -error : error));
	return error;
}

void log_limited(struct log_rate *rate, int priority, const char *format, ...)
{
	struct timespec now;
	va_list arguments;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (rate->since == 0 || (uint64_t)now.tv_sec >= rate->since + 60) {
		if (rate->untold > 0)
			log_at(priority, "(%u more of the following kind were not logged)",
				rate->untold);
		*rate = (struct log_rate){ .since = (uint64_t)now.tv_sec };
	}
	if (rate->told >= LOG_LIMITED) {
		rate->untold++;
		return;
	}
	rate->told++;
	va_start(arguments, format);
	log_text(priority, format, arguments);
	va_end(arguments);
}
