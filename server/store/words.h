/* SPDX-License-Identifier: MIT */
/* Words that people look for: each must be somewhere, in capital letters (a to z) or not. */
#ifndef MUSTER_STORE_WORDS_H
#define MUSTER_STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_SIZE 129 /* of their text */
#define WORDS_MAX  8

struct words {
	size_t count;
	char text[WORDS_SIZE]; /* in small letters, with a NUL behind each word */
	size_t at[WORDS_MAX];
};

/* text: with blanks between the words; NULL: none. -E2BIG: too long, or too many. */
int words_split(const char *text, struct words *ret) __attribute__((warn_unused_result));

bool words_has(const char *text, const char *word);
/* Each of them in one of the texts. */
bool words_fit(const struct words *w, const char *const *texts, size_t count);

#endif
