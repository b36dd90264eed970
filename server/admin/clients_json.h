/* SPDX-License-Identifier: MIT */
/* Clients as JSON: for the routes that list them. */
#ifndef MUSTER_CLIENTS_JSON_H
#define MUSTER_CLIENTS_JSON_H

#include "../store/search.h"
#include "read.h"

/* What lists have; everything known; the few things that a token's own list shows. NULL: no memory,
 * or the store has failed. */
json_t *client_object(const struct server *s, const struct client_record *client);
json_t *client_whole_object(const struct server *s, const struct client_record *client);
json_t *client_short_object(const struct server *s, const struct client_record *client);

/* How it is with each configuration that it has or should have; *ret is the caller's. */
int client_configs(const struct server *s, const struct client_record *client, json_t **ret)
	must_use;
/* api_listening.c: where it is dialled, JSON's null if it isn't; NULL: no memory, or the store failed. */
json_t *listening_object(const struct server *s, const struct client_record *client);
bool client_listens(const struct server *s, const struct client_record *client);

/* Answers with the page of clients that the filter gives: extra's fields, "clients", "next". extra
 * is taken over; NULL: none. A bad filter.after is refused. */
void clients_answer(struct api_call *c, const struct client_filter *filter, json_t *extra,
	json_t *(*object)(const struct server *s, const struct client_record *client));

/* ---- what is looked for, by parameters of a request */

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

#endif
