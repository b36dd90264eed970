/* SPDX-License-Identifier: MIT */
/*
 * The clients that a search has found: their places while it goes on, step by step, and the page that
 * is made of them in the end.
 */
#ifndef MUSTER_FOUND_H
#define MUSTER_FOUND_H

#include "../store/search.h"
#include "page.h"

struct found {
	size_t limit; /* at most PAGE_MAX */
	size_t count;
	bool more; /* there is one beyond the limit */
	struct client_place places[PAGE_MAX];
};

/* What a client_sighting is to return: 0: go on; 1: there are more than fit. */
int found_add(struct found *f, const struct client_place *place);

/* Answers with that name (of a list) and "next". add: puts a client into the page, as page_add(), or returns an
 * error of the store's; those are left out that have been removed since they were found. */
void found_answer(struct api_call *c, const struct found *f, const char *name,
	int (*add)(struct api_call *c, const struct client_record *client, struct page *page));

/* The parameter "after": a place, as "next" has said it; the beginning if it isn't given. false: it
 * is none, and has been refused. */
bool read_place(struct api_call *c, const struct param *p, struct client_place *ret) must_use;

#endif
