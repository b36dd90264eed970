/* SPDX-License-Identifier: MIT */
/*
 * Which server process holds which machine's connection, where several use one database. A process
 * has a number, never used again, and a row that it keeps alive by counting its beats: others see
 * that the count goes on, by their own clocks, so no clocks are compared. The manner and the errors
 * are store.h's.
 */
#ifndef MUSTER_STORE_PRESENCE_H
#define MUSTER_STORE_PRESENCE_H

#include "store.h"

#define PLACE_SIZE 320

/* Makes the row of a process, in place of a former one of the same place; *ret is its number. */
int store_server_add(struct store *s, const char *place, uint64_t *ret) must_use;
/* -ENOENT: somebody has taken it for dead. */
int store_server_beat(struct store *s, uint64_t server, uint64_t connected) must_use;
/* With all that it holds. */
int store_server_remove(struct store *s, uint64_t server) must_use;

struct server_record {
	uint64_t id, beat, connected;
	const char *place; /* valid during the visit */
};
typedef int (*server_visitor)(void *userdata, const struct server_record *r);
int store_server_each(struct store *s, server_visitor visit, void *userdata) must_use;

/* The machine's connection is that server's, whoever had it; or nobody's, if it was still his. */
int store_presence_set(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t server) must_use;
int store_presence_drop(
	struct store *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t server) must_use;
/* 0: nobody's. */
int store_presence_get(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t *ret_server) must_use;
typedef int (*presence_visitor)(void *userdata, const uint8_t *client, uint64_t server);
/* By the client's id. */
int store_presence_each(struct store *s, presence_visitor visit, void *userdata) must_use;

#endif
