/* SPDX-License-Identifier: MIT */
#include "read.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "lib/text.h"

/* ---- the query */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len characters of "a%3Db+c". false: malformed, a control character, or too long. */
static bool decode(const char *text, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = text[i] == '+' ? ' ' : (unsigned char)text[i];

		if (c == '%') {
			if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return false;
			c = hex(text[i + 1]) * 16 + hex(text[i + 2]);
			i += 2;
		}
		if (n + 1 >= size)
			return false;
		ret[n++] = (char)c;
	}
	ret[n] = '\0';
	return text_printable(ret, n);
}

static bool read_param(
	struct api_call *c, const char *text, size_t len, struct param *params, size_t count)
{
	size_t name_len = strcspn(text, "=&");
	size_t i = 0;

	if (name_len > len)
		name_len = len;
	while (i < count && (strlen(params[i].name) != name_len ||
				    strncmp(params[i].name, text, name_len) != 0))
		i++;
	if (i == count) {
		answer_refuse(c, 400, "unknown-parameter", "there is no parameter '%.*s'",
			(int)(name_len < 64 ? name_len : 64), text);
		return false;
	}
	if (params[i].given) {
		answer_refuse(
			c, 400, "bad-parameter", "parameter '%s' is given twice", params[i].name);
		return false;
	}
	params[i].given = true;
	if (name_len < len)
		name_len++;
	if (decode(text + name_len, len - name_len, params[i].value, sizeof(params[i].value)))
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' is too long or not printable text",
		params[i].name);
	return false;
}

bool read_query(struct api_call *c, struct param *params, size_t count)
{
	const char *at = c->request->query;

	while (*at) {
		size_t len = strcspn(at, "&");

		if (len > 0 && !read_param(c, at, len, params, count))
			return false;
		at += len;
		at += *at == '&';
	}
	return true;
}

bool read_number(struct api_call *c, const struct param *p, uint64_t min, uint64_t max,
	uint64_t fallback, uint64_t *ret)
{
	*ret = fallback;
	if (!p->given || text_number(p->value, min, max, ret) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter '%s' must be a number from %llu to %llu",
		p->name, (unsigned long long)min, (unsigned long long)max);
	return false;
}

/* ---- the body's fields */

bool read_fields(struct api_call *c, const char *const *names)
{
	const char *key;
	json_t *value;

	json_object_foreach (c->body, key, value) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i]) {
			answer_refuse(c, 400, "unknown-field", "there is no field '%.64s'", key);
			return false;
		}
	}
	return true;
}

bool read_string(struct api_call *c, const char *field, size_t size, const char **ret)
{
	json_t *value = json_object_get(c->body, field);

	*ret = NULL;
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value)) {
		answer_refuse(c, 400, "bad-field", "field '%s' must be a string", field);
		return false;
	}
	if (json_string_length(value) >= size) {
		answer_refuse(c, 400, "bad-field", "field '%s' is longer than %zu bytes", field,
			size - 1);
		return false;
	}
	if (!text_printable(json_string_value(value), json_string_length(value))) {
		answer_refuse(c, 400, "bad-field",
			"field '%s' has control characters or other unprintable ones", field);
		return false;
	}
	*ret = json_string_value(value);
	return true;
}

bool read_bool(struct api_call *c, const char *field, bool *ret)
{
	json_t *value = json_object_get(c->body, field);

	*ret = json_is_true(value);
	if (!value || json_is_boolean(value))
		return true;
	answer_refuse(c, 400, "bad-field", "field '%s' must be true or false", field);
	return false;
}

bool read_integer(struct api_call *c, const char *field, uint64_t min, uint64_t max, uint64_t *ret)
{
	json_t *value = json_object_get(c->body, field);
	json_int_t n = json_integer_value(value);

	if (!value || json_is_null(value))
		return true;
	if (json_is_integer(value) && n >= 0 && (uint64_t)n >= min && (uint64_t)n <= max) {
		*ret = (uint64_t)n;
		return true;
	}
	answer_refuse(c, 400, "bad-field", "field '%s' must be a whole number from %llu to %llu",
		field, (unsigned long long)min, (unsigned long long)max);
	return false;
}

bool read_role(struct api_call *c, enum role *ret)
{
	const char *text;

	if (!read_string(c, "role", 32, &text))
		return false;
	if (text && role_parse(text, ret) == 0)
		return true;
	answer_refuse(
		c, 400, "bad-field", "field 'role' must be viewer, operator or administrator");
	return false;
}

static bool refuse_label(struct api_call *c, const char *field, const char *label, int error)
{
	if (error == -EEXIST)
		answer_refuse(c, 400, "bad-field",
			"field '%s': label '%.128s' has a key that is "
			"there already",
			field, label);
	else if (error == -E2BIG)
		answer_refuse(c, 400, "bad-field", "field '%s' has more than %d labels", field,
			LABELS_MAX);
	else
		answer_refuse(c, 400, "bad-field",
			"field '%s': '%.128s' is not a label: KEY or KEY=VALUE, the key of "
			"a-z 0-9 . _ - / and at most 63 characters, the value of A-Z a-z 0-9 "
			". _ - : / @ + and at most 63",
			field, label);
	return false;
}

static int drop(struct labels *l, const char *key)
{
	struct labels one = {};

	if (strchr(key, '=') || labels_add(&one, key) < 0)
		return -EINVAL;
	labels_drop(l, key);
	return 0;
}

static bool each_label(struct api_call *c, const char *field, struct labels *l,
	int (*take)(struct labels *l, const char *label))
{
	json_t *list = json_object_get(c->body, field);
	size_t i;
	json_t *value;

	if (!list || json_is_null(list))
		return true;
	if (!json_is_array(list)) {
		answer_refuse(c, 400, "bad-field", "field '%s' must be a list of strings", field);
		return false;
	}
	json_array_foreach (list, i, value) {
		const char *label = json_string_value(value);
		int r;

		if (!label) {
			answer_refuse(
				c, 400, "bad-field", "field '%s' must be a list of strings", field);
			return false;
		}
		r = take(l, label);
		if (r < 0)
			return refuse_label(c, field, label, r);
	}
	return true;
}

bool read_labels(struct api_call *c, const char *field, struct labels *ret)
{
	*ret = (struct labels){};
	return each_label(c, field, ret, labels_add);
}

bool read_labels_put(struct api_call *c, const char *field, struct labels *l)
{
	return each_label(c, field, l, labels_put);
}

bool read_labels_drop(struct api_call *c, const char *field, struct labels *l)
{
	return each_label(c, field, l, drop);
}
