/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/label.h"

#define KEY_MAX   63
#define VALUE_MAX 63

static const char key_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-/";
static const char value_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-/"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ:@+";

/* The length of the key at the start of text; 0: there is none. */
static size_t key_length(const char *text)
{
	size_t len = strspn(text, key_characters);

	return len <= KEY_MAX && !strchr("._-/", *text) ? len : 0;
}

/* The length of the label (KEY or KEY=VALUE) at the start of text; 0: there is none. */
static size_t label_length(const char *text)
{
	size_t key = key_length(text);
	size_t value;

	if (key == 0 || text[key] != '=')
		return key;
	value = strspn(text + key + 1, value_characters);
	return value <= VALUE_MAX ? key + 1 + value : 0;
}

static const char *find_key(const struct labels *l, const char *key, size_t len)
{
	for (size_t i = 0; i < l->count; i++)
		if (key_length(l->text[i]) == len && memcmp(l->text[i], key, len) == 0)
			return l->text[i];
	return NULL;
}

static int add(struct labels *l, const char *label, size_t len)
{
	char text[LABEL_SIZE] = {};
	size_t at = 0;

	if (find_key(l, label, key_length(label)))
		return -EEXIST;
	if (l->count >= LABELS_MAX)
		return -E2BIG;
	memcpy(text, label, len);
	while (at < l->count && strcmp(l->text[at], text) < 0)
		at++;
	memmove(l->text[at + 1], l->text[at], (l->count - at) * (size_t)LABEL_SIZE);
	memcpy(l->text[at], text, LABEL_SIZE);
	l->count++;
	return 0;
}

int labels_add(struct labels *l, const char *label)
{
	size_t len = label_length(label);

	return len == 0 || label[len] != '\0' ? -EINVAL : add(l, label, len);
}

static bool drop(struct labels *l, const char *key, size_t len)
{
	const char *found = len ? find_key(l, key, len) : NULL;
	size_t at;

	if (!found)
		return false;
	at = (size_t)(found - l->text[0]) / LABEL_SIZE;
	l->count--;
	memmove(l->text[at], l->text[at + 1], (l->count - at) * (size_t)LABEL_SIZE);
	memset(l->text[l->count], 0, LABEL_SIZE);
	return true;
}

bool labels_drop(struct labels *l, const char *key)
{
	size_t len = key_length(key);

	return key[len] == '\0' && drop(l, key, len);
}

int labels_put(struct labels *l, const char *label)
{
	size_t len = label_length(label);

	if (len == 0 || label[len] != '\0')
		return -EINVAL;
	drop(l, label, key_length(label));
	return add(l, label, len);
}

int labels_split(const char *text, struct labels *ret)
{
	struct labels l = {};

	while (*text != '\0') {
		size_t len = label_length(text);
		int r;

		if (len == 0 || (text[len] != ',' && text[len] != '\0'))
			return -EINVAL;
		r = add(&l, text, len);
		if (r < 0)
			return r;
		text += len;
		if (*text == ',' && *++text == '\0')
			return -EINVAL;
	}
	*ret = l;
	return 0;
}

void labels_join(const struct labels *l, char ret[static LABELS_TEXT_SIZE])
{
	char *to = ret;

	*to = '\0';
	for (size_t i = 0; i < l->count; i++) {
		if (i > 0)
			*to++ = ',';
		to = stpcpy(to, l->text[i]);
	}
}

/* One term of a selector. */
struct term {
	const char *key;
	size_t key_len;
	const char *value; /* NULL: none given */
	size_t value_len;
	bool differs; /* != or ! */
};

/* Reads the term at *text and the comma after it, and moves *text behind them. */
static bool next_term(const char **text, struct term *ret)
{
	const char *at = *text;
	bool not = *at == '!';

	*ret = (struct term){ .key = at + not, .key_len = key_length(at + not ), .differs = not };
	if (ret->key_len == 0)
		return false;
	at = ret->key + ret->key_len;
	if (!not &&(*at == '=' || (at[0] == '!' && at[1] == '='))) {
		ret->differs = *at == '!';
		ret->value = at + 1 + ret->differs;
		ret->value_len = strspn(ret->value, value_characters);
		at = ret->value + ret->value_len;
	}
	if (ret->value_len > VALUE_MAX || (*at != ',' && *at != '\0'))
		return false;
	if (*at == ',' && *++at == '\0')
		return false;
	*text = at;
	return true;
}

/* A label (len bytes) without a value has the empty one. */
static bool value_is(const char *label, size_t len, const struct term *t)
{
	size_t before = t->key_len + (len > t->key_len);

	return len - before == t->value_len && memcmp(label + before, t->value, t->value_len) == 0;
}

/* label: of the term's key, or NULL. */
static bool term_holds(const struct term *t, const char *label, size_t len)
{
	return (label && (!t->value || value_is(label, len, t))) != t->differs;
}

int selector_check(const char *selector)
{
	struct term t;

	if (strnlen(selector, SELECTOR_SIZE) >= SELECTOR_SIZE || *selector == '\0')
		return -EINVAL;
	if (strcmp(selector, "*") == 0)
		return 0;
	while (*selector != '\0')
		if (!next_term(&selector, &t))
			return -EINVAL;
	return 0;
}

bool selector_matches(const char *selector, const struct labels *l)
{
	struct term t;

	if (selector_check(selector) < 0)
		return false;
	if (strcmp(selector, "*") == 0)
		return true;
	while (*selector != '\0') {
		const char *label = next_term(&selector, &t) ? find_key(l, t.key, t.key_len) : NULL;

		if (!term_holds(&t, label, label ? strlen(label) : 0))
			return false;
	}
	return true;
}

/* The label of that key in "a=1,b", and its length. */
static const char *find_in_text(const char *labels, const struct term *t, size_t *ret_len)
{
	while (*labels) {
		size_t len = strcspn(labels, ",");

		*ret_len = len;
		if (len >= t->key_len && memcmp(labels, t->key, t->key_len) == 0 &&
			(len == t->key_len || labels[t->key_len] == '='))
			return labels;
		labels += len + (labels[len] == ',');
	}
	return NULL;
}

bool selector_matches_text(const char *selector, const char *labels)
{
	struct term t;

	if (selector_check(selector) < 0)
		return false;
	if (strcmp(selector, "*") == 0)
		return true;
	while (*selector != '\0' && next_term(&selector, &t)) {
		size_t len = 0;
		const char *label = find_in_text(labels, &t, &len);

		if (!term_holds(&t, label, len))
			return false;
	}
	return true;
}
