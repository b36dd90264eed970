/* SPDX-License-Identifier: MIT */
#include "value.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/text.h"

json_t *value_time(uint64_t at)
{
	char text[32];
	time_t t = (time_t)at;
	struct tm tm;

	/* 9999-12-31T23:59:59Z is the last that RFC 3339 can say. */
	if (at == 0 || at > 253402300799u || !gmtime_r(&t, &tm) ||
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

json_t *value_seconds(uint32_t n)
{
	return n > 0 ? json_integer(n) : json_null();
}

json_t *value_said(const char *text)
{
	scoped(freep) char *clean = text_escape(text, strlen(text));

	return clean ? json_string(clean) : NULL;
}

json_t *value_said_or_null(const char *text)
{
	return *text ? value_said(text) : json_null();
}

json_t *value_hex(const uint8_t *data, size_t len)
{
	char text[2 * 65 + 1];

	if (2 * len + 1 > sizeof(text))
		return NULL;
	return json_string(sodium_bin2hex(text, sizeof(text), data, len));
}

json_t *value_labels(const struct labels *l)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < l->count; i++) {
		if (json_array_append_new(list, json_string(l->text[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
