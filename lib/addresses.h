/* SPDX-License-Identifier: MIT */
/*
 * Where a machine reaches its server: one address, or those of several servers that share a database
 * and its keys, so that each is as good as the others. In a text they stand beside each other with
 * blanks between: muster-agent.conf(5) and muster-server.conf(5).
 */
#ifndef MUSTER_ADDRESSES_H
#define MUSTER_ADDRESSES_H

#include <stdbool.h>

#include "base.h"

#define ADDRESSES_MAX       8
#define ADDRESSES_ONE_SIZE  264 /* a DNS name of 253, brackets, colon, port, NUL */
#define ADDRESSES_TEXT_SIZE (ADDRESSES_MAX * ADDRESSES_ONE_SIZE)

struct addresses {
	size_t count;
	char at[ADDRESSES_MAX][ADDRESSES_ONE_SIZE]; /* each passes uplink_check_server() */
};

/* Appends the addresses of a text, of which there must be one at least. -EINVAL: one isn't
 * HOST:PORT; -EEXIST: one is there already, whatever the case of its letters; -E2BIG: they are more
 * than ADDRESSES_MAX. On failure *a is as it was. */
int addresses_add(struct addresses *a, const char *text) must_use;

/* Whether the address is one of them; whether both have the same ones, in whatever order. */
bool addresses_has(const struct addresses *a, const char *address);
bool addresses_equal(const struct addresses *a, const struct addresses *b);

/* All of them, each once, with a blank between. */
void addresses_join(const struct addresses *a, char ret[static ADDRESSES_TEXT_SIZE]);

#endif
