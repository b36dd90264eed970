/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <errno.h>
#include <string.h>

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

int words_split(const char *text, struct words *ret)
{
	size_t len = text ? strlen(text) : 0;

	*ret = (struct words){};
	if (len >= sizeof(ret->text))
		return -E2BIG;
	for (size_t i = 0; i < len; i++) {
		ret->text[i] = text[i] == ' ' ? '\0' : small(text[i]);
		if (text[i] == ' ' || (i > 0 && text[i - 1] != ' '))
			continue;
		if (ret->count == WORDS_MAX)
			return -E2BIG;
		ret->at[ret->count++] = i;
	}
	return 0;
}

bool words_has(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && small(text[i]) == word[i])
			i++;
		if (!word[i])
			return true;
	}
	return false;
}

bool words_fit(const struct words *w, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < w->count; i++) {
		size_t t = 0;

		while (t < count && !words_has(texts[t], w->text + w->at[i]))
			t++;
		if (t == count)
			return false;
	}
	return true;
}
