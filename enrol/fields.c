/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "enrol/fields.h"
#include "lib/text.h"

#define BLANKS " \t\r"

/* The value's start, with its length in *ret_len, if this line is of that name; otherwise NULL. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret_len)
{
	const char *end = line + len;
	size_t name_len = strlen(name);

	while (line < end && strchr(BLANKS, *line))
		line++;
	if ((size_t)(end - line) < name_len || memcmp(line, name, name_len) != 0)
		return NULL;
	line += name_len;
	while (line < end && strchr(BLANKS, *line))
		line++;
	if (line == end || *line++ != '=')
		return NULL;
	while (line < end && strchr(BLANKS, *line))
		line++;
	while (end > line && strchr(BLANKS, end[-1]))
		end--;
	*ret_len = (size_t)(end - line);
	return line;
}

void fields_text(const char *text, const char *name, char *ret, size_t size)
{
	ret[0] = '\0';
	while (*text) {
		size_t line_len = strcspn(text, "\n"), len;
		const char *value = value_of(text, line_len, name, &len);

		if (value) {
			if (len < size) {
				memcpy(ret, value, len);
				ret[len] = '\0';
			}
			return;
		}
		text += line_len + (text[line_len] == '\n');
	}
}

void fields_joined(const char *text, const char *name, char separator, char *ret, size_t size)
{
	size_t used = 0, len;

	ret[0] = '\0';
	while (*text) {
		size_t line_len = strcspn(text, "\n");
		const char *value = value_of(text, line_len, name, &len);

		if (value && used + len + 2 <= size) {
			if (used > 0)
				ret[used++] = separator;
			memcpy(ret + used, value, len);
			used += len;
			ret[used] = '\0';
		}
		text += line_len + (text[line_len] == '\n');
	}
}

uint64_t fields_number(const char *text, const char *name)
{
	char digits[21];
	uint64_t number = 0;

	fields_text(text, name, digits, sizeof digits);
	if (text_number(digits, 0, UINT64_MAX, &number) < 0)
		return 0;
	return number;
}
