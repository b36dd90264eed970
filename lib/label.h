/* SPDX-License-Identifier: MIT */
/*
 * Labels and selectors. A label is KEY or KEY=VALUE; a key is 1..63 of a-z 0-9 . _ - / starting
 * with a letter or digit, a value 0..63 of A-Z a-z 0-9 . _ - : / @ +. A machine has at most
 * LABELS_MAX, one a key. In a selector a label without a value has the empty value.
 *
 * A selector is a comma-separated list of terms that must all hold: KEY (has it, whatever its
 * value), KEY=VALUE, KEY!=VALUE (absent counts as different), !KEY; or * for every machine.
 */
#ifndef MUSTER_LABEL_H
#define MUSTER_LABEL_H

#include <stdbool.h>

#include "base.h"

#define LABEL_SIZE    128 /* with the NUL */
#define LABELS_MAX    32
#define SELECTOR_SIZE 1024

struct labels {
	uint8_t count;
	char text[LABELS_MAX][LABEL_SIZE]; /* sorted by strcmp(), no key twice */
};

/* Adds one label. -EINVAL: malformed; -EEXIST: that key is there already; -E2BIG: LABELS_MAX
 * reached. */
int labels_add(struct labels *l, const char *label) must_use;

/* The same in the place of the label of that key, if there is one. */
int labels_put(struct labels *l, const char *label) must_use;
/* Takes the label of that key out. false: there is none. */
bool labels_drop(struct labels *l, const char *key);

/* From and to "a=1,b": the stored and shown form. split: as labels_add(). join: ret has room for
 * every label. */
#define LABELS_TEXT_SIZE (LABELS_MAX * LABEL_SIZE)
int labels_split(const char *text, struct labels *ret) must_use;
void labels_join(const struct labels *l, char ret[static LABELS_TEXT_SIZE]);

/* -EINVAL: malformed. */
int selector_check(const char *selector) must_use;
bool selector_matches(const char *selector, const struct labels *l);
/* The same of labels_join()'s form as it is, without taking it apart: for many at once. */
bool selector_matches_text(const char *selector, const char *labels);

#endif
