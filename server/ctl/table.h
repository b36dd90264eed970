/* SPDX-License-Identifier: MIT */
/*
 * Output for people: tables, lists of fields, times. Every text is escaped (text.h) before it
 * reaches the terminal, and counted as wide as a terminal shows it.
 */
#ifndef MUSTER_TABLE_H
#define MUSTER_TABLE_H

#include "ctl.h"

#define COLUMNS_MAX 12

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_DIM, PAINT_BAD, PAINT_BOLD };

struct cell {
	char *text; /* escaped; owned */
	size_t width;
	enum paint paint;
	char *key; /* of a row's first cell: what rows are ordered by, or NULL; owned */
};

struct table {
	const char *const *titles;
	size_t columns;
	struct cell *cells; /* row after row */
	size_t count, room;
	char *key;   /* of the row that starts next */
	bool failed; /* no memory */
};

/* Starts a row: what it is ordered by. Rows without it stay in the order in which they came. */
void table_row(struct table *t, const char *key);
/* Appends the row's next cell. */
void table_add(struct table *t, const char *text, enum paint paint);
void table_addf(struct table *t, enum paint paint, const char *format, ...) printf_like(3);
/* Prints and empties it; without rows prints nothing. An exit code. */
int table_print(struct ctl *c, struct table *t);
void table_endp(struct table *t);

/* "Name      text", nothing if the text is empty. */
void field(struct ctl *c, const char *name, const char *text);
void field_painted(struct ctl *c, const char *name, const char *text, enum paint paint);
void fieldf(struct ctl *c, const char *name, const char *format, ...) printf_like(3);

/* Labels of an array, with blanks between them. Caller frees; NULL: no memory. */
char *labels_text(json_t *labels);

/* ---- times: RFC 3339 strings of the API */

#define WHEN_SIZE 48
/* "2 min ago", "in 23 h", "never" for "". */
const char *when(const char *time, const char *never, char ret[static WHEN_SIZE]);
/* "2026-11-22 01:02:03 UTC (2 min ago)"; "" for "". */
const char *when_exactly(const char *time, char ret[static WHEN_SIZE]);
/* "3 d 4 h", "5 min". */
const char *lasting(int64_t seconds, char ret[static WHEN_SIZE]);

#endif
