/* SPDX-License-Identifier: MIT */
/*
 * Where a peer comes from: its address for people, its network for limits. What one party can have
 * for the asking counts as one source: an IPv4 address, the /64 of an IPv6 address.
 */
#ifndef MUSTER_SOURCE_H
#define MUSTER_SOURCE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "store/store.h"

struct source {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
};

/* Of any family but IPv4 and IPv6: all zero. */
struct source source_of(const struct sockaddr_storage *peer);
void source_text(const struct source *s, char ret[static ADDRESS_SIZE]);

/* The address of one machine: neither of none nor of many. */
bool source_is_one(const struct source *s);
/* May the server connect there because somebody came from there? Not to itself, nor to what
 * has another meaning elsewhere. */
bool source_may_be_dialled(const struct source *s);

/* The whole IPv4 address; of IPv6 the first 64 bits, the rest zero. */
struct source source_network(const struct source *s);
bool source_equal(const struct source *a, const struct source *b);

/* Siphash under a key of this process: nobody outside can aim at one slot of a table. */
uint64_t source_hash(const struct source *s);

/* How many connections each network has. */
struct crowd;
int crowd_new(struct crowd **ret) must_use;
struct crowd *crowd_free(struct crowd *c);

/* Counts one more. -EUSERS: the network has limit of them already; -ENOMEM. */
int crowd_enter(struct crowd *c, const struct source *network, uint32_t limit) must_use;
void crowd_leave(struct crowd *c, const struct source *network);

#endif
