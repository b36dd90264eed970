/* SPDX-License-Identifier: MIT */
/*
 * The pages that a listing comes in: as many objects as were asked for or as fit, and a cursor, from
 * which the next page goes on; muster-api(7), "Long lists".
 */
#ifndef MUSTER_PAGE_H
#define MUSTER_PAGE_H

#include "read.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000
#define PAGE_BYTES   (1u << 20) /* a page ends early when its text is longer */

struct page {
	struct buffer text; /* objects with commas between them */
	size_t count;
	int error;
};

/* Takes the object over. 0; 1: the page is full, this was the last; negative: no memory. */
int page_add(struct page *p, json_t *object) must_use;
/* {"NAME":[...],"next":NEXT}; next "" is null. extra: fields before these, taken over, or NULL. */
void page_answer(
	struct api_call *c, struct page *p, json_t *extra, const char *name, const char *next);
void page_endp(struct page *p);

/* ---- rows as the store gives them, in the order of a cursor of theirs */

#define CURSOR_SIZE 72 /* a name, an id, a number */

struct listing {
	struct page page;
	size_t limit; /* rows */
	bool more;    /* there is one beyond the page */
	char last[CURSOR_SIZE];
};

/* Begins one of as many rows as the parameter "limit" says. false: it has been refused. */
bool listing_begin(struct api_call *c, const struct param *limit, struct listing *ret) must_use;

/* How many rows to ask the store for: one more, to know whether there is more. */
uint32_t listing_rows(const struct listing *l);

/* Takes the object of a row, and the row's cursor as format says. What a visitor of the store's is to
 * return: 0: go on; 1: enough; negative: no memory. */
int listing_add(struct listing *l, json_t *object, const char *format, ...) must_use printf_like(3);

/* Answers with {"NAME":[...],"next":CURSOR}, or, r being a negative error of the store's, as
 * answer_store_error(); ends the listing. */
void listing_answer(
	struct api_call *c, struct listing *l, int r, const char *name, const char *what);

#endif
