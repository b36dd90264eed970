/* SPDX-License-Identifier: MIT */
/* Clients looked for and counted: through all of them, in steps that hold nobody up. */
#ifndef MUSTER_CLIENTS_SEARCH_H
#define MUSTER_CLIENTS_SEARCH_H

#include "../store/search.h"
#include "read.h"

/* The filters that every listing and count of clients knows. */
struct client_wish {
	char selector[API_SELECTOR_SIZE]; /* "": all; within the scope of who asks */
	char text[WORDS_SIZE];            /* "": all */
	int state;                        /* or -1 */
	int connected;                    /* 1, 0, or -1: whether or not */
};
enum { WISH_LABEL, WISH_STATE, WISH_TEXT, WISH_CONNECTED, WISHES };
#define WISH_PARAMS                                                                                \
	[WISH_LABEL] = { .name = "label" }, [WISH_STATE] = { .name = "state" },                    \
	[WISH_TEXT] = { .name = "q" }, [WISH_CONNECTED] = { .name = "connected" }

/* params: these four first. false: refused. */
bool read_wish(struct api_call *c, const struct param *params, struct client_wish *ret);

/* Looks through all clients in steps and answers with a page of "clients" and "next". sort: as the
 * parameter says it, "" is by hostname; after: a place, as "next" said it, or "". */
void clients_search(struct api_call *c, const struct client_wish *wish, const struct param *sort,
	const struct param *after, uint64_t limit);

/* The same with a "count". */
void clients_count(struct api_call *c, const struct client_wish *wish);

#endif
