/* SPDX-License-Identifier: MIT */
/*
 * Looking through all clients for what no index can answer: words anywhere in a name, a label
 * selector, who is connected. One narrow index (client_find) has what is looked at, so 50,000
 * machines are a few megabytes to pass by; and a look goes on from a place, so that nobody has to
 * take it in one piece. The manner and the errors are store.h's.
 */
#ifndef MUSTER_STORE_SEARCH_H
#define MUSTER_STORE_SEARCH_H

#include "store.h"
#include "words.h"

enum client_sort {
	SORT_HOSTNAME, /* the quickest: the narrow index */
	SORT_ENROLLED,
	SORT_SEEN, /* the last HELLO */
};
#define CLIENT_SORTS 3

struct client_search {
	enum client_sort sort;
	bool descending;
	int state;            /* enum client_state, or -1: all */
	const char *selector; /* NULL: all; one that selector_check() takes */
	/* NULL: all. Words, each of which must be somewhere in the hostname, the address, the
	 * labels or the id, in capital letters or not. */
	const char *text;
};

/* Where a look has come to; all zero at the start. */
struct client_place {
	bool started;
	uint8_t id[CLIENT_ID_SIZE];
	char key[65]; /* what the client is ordered by; a number as decimal digits */
};

/* Valid during the visit. */
struct client_sight {
	const struct client_place *place; /* has its id */
	const char *labels;               /* "a=1,b" */
	enum client_state state;
};
typedef int (*client_sighting)(void *userdata, const struct client_sight *c);

/* Visits those that fit among the next so many rows. 1: there may be more rows; 0: these were the
 * last. A visitor's stop (not 0) is returned, and the place is then that client. -E2BIG: a text of
 * more words, or longer, than there may be; -EINVAL: no place of this order. */
int store_client_search(struct store *s, const struct client_search *q, struct client_place *place,
	uint32_t rows, client_sighting visit, void *userdata) must_use;

/* How many enrolled in each of count spans of so many seconds, the first from that time on. */
int store_client_enrolments(
	struct store *s, uint64_t from, uint64_t span, size_t count, uint64_t *ret) must_use;

/* A few of those in that state. */
int store_client_some(struct store *s, enum client_state state, uint32_t limit,
	client_visitor visit, void *userdata) must_use;
/* How many have an alarm about clones. */
int store_client_clones(struct store *s, uint64_t *ret) must_use;
/* Of those enrolled who has not been heard of since then: how many, and those that were heard of
 * last. */
int store_client_unseen(struct store *s, uint64_t since, uint32_t limit, client_visitor visit,
	void *userdata, uint64_t *ret_count) must_use;

#endif
