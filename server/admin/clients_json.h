/* SPDX-License-Identifier: MIT */
/* Clients as JSON: for the routes that list them. */
#ifndef MUSTER_CLIENTS_JSON_H
#define MUSTER_CLIENTS_JSON_H

#include "api.h"

/* What lists have; everything known; the few things that a token's own list shows. NULL: no memory,
 * or the store has failed. */
json_t *client_object(const struct server *s, const struct client_record *client);
json_t *client_whole_object(const struct server *s, const struct client_record *client);
json_t *client_short_object(const struct server *s, const struct client_record *client);

/* Answers with the page of clients that the filter gives: extra's fields, "clients", "next". extra
 * is taken over; NULL: none. A bad filter.after is refused. */
void clients_answer(struct api_call *c, const struct client_filter *filter, json_t *extra,
	json_t *(*object)(const struct server *s, const struct client_record *client));

#endif
