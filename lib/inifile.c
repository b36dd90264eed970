/* SPDX-License-Identifier: MIT */
#include "lib/inifile.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

int inifile_wrong(struct inifile *f, const char *format, ...)
{
	va_list values;
	int used;

	if (f->wrong)
		return -EBADMSG;
	f->wrong = true;
	used = snprintf(f->why, f->why_size, "%s:%u: ", f->path, f->line);
	if (used < 0 || (size_t)used >= f->why_size)
		return -EBADMSG;
	va_start(values, format);
	vsnprintf(f->why + used, f->why_size - (size_t)used, format, values);
	va_end(values);
	return -EBADMSG;
}

static int fail(struct inifile *f, int error)
{
	snprintf(f->why, f->why_size, "cannot read '%s': %s", f->path, strerror(-error));
	return error;
}

static bool is_continued(const char *line)
{
	return (*line == ' ' || *line == '\t') && line[strspn(line, " \t\r\n")] != '\0';
}

/* fgets() for inih, which would take a line that doesn't fit for two, and one with a NUL byte for a
 * shorter one. */
static char *next_line(char *line, int size, void *userdata)
{
	struct inifile *f = userdata;
	size_t len;

	if (f->wrong || !fgets(line, size, f->file))
		return NULL;
	f->line++;
	len = strlen(line);
	f->bytes += len;
	if (f->bytes > INIFILE_MAX)
		inifile_wrong(f, "the file is longer than %d bytes", INIFILE_MAX);
	else if ((len == 0 || line[len - 1] != '\n') && !feof(f->file))
		inifile_wrong(f, "the line is longer than %d bytes or has a NUL byte", size - 2);
	else if (!f->continued && is_continued(line))
		inifile_wrong(f, "the line starts with a blank");
	return f->wrong ? NULL : line;
}

/* For inih, which takes 1 for success. */
static int on_value(void *userdata, const char *section, const char *name, const char *value)
{
	struct inifile *f = userdata;

	if (!f->wrong)
		f->value(f->userdata, section, name, value);
	return 1;
}

int inifile_read(struct inifile *f, const char *path)
{
	scoped(fclosep) FILE *file = fopen(path, "re");
	int line;

	f->path = path;
	f->file = file;
	if (!file)
		return fail(f, -errno);
	line = ini_parse_stream(next_line, f, on_value, f);
	f->file = NULL;
	if (line < 0)
		return fail(f, -ENOMEM);
	if (!f->wrong && ferror(file))
		return fail(f, -EIO);
	if (line > 0 && (!f->wrong || (unsigned)line < f->line)) { /* inih goes on after it */
		f->wrong = false;
		f->line = (unsigned)line;
		inifile_wrong(f, "neither [section], Key=value nor a comment");
	}
	return f->wrong ? -EBADMSG : 0;
}
