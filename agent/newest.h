/* SPDX-License-Identifier: MIT */
/*
 * Which order of each name is the newest that was carried out here (muster-protocol(7), "Numbers of
 * orders"), in files that only root may read or write: so that nobody who has kept an older one,
 * which the server did sign for this machine, can have that carried out again.
 *
 * It is written down before anything is done about the order. Whoever is killed in between has done
 * nothing that the same order, given once more, doesn't do; an older one is refused already.
 */
#ifndef MUSTER_AGENT_NEWEST_H
#define MUSTER_AGENT_NEWEST_H

#include "lib/order.h"
#include "lib/session.h"

#define GIVER_SIZE 32

struct newest {
	uint64_t number;
	uint8_t hash[CONFIG_HASH_SIZE]; /* of the content; of a removal zeros */
	uint8_t giver[GIVER_SIZE];      /* newest_giver() */
};

/* Which server gives orders to which client. A machine that has enrolled anew is another one: what
 * was signed for the former isn't for it, and their numbers have nothing to do with each other. */
void newest_giver(const uint8_t server_key[static PUBLIC_KEY_SIZE],
	const uint8_t client[static CLIENT_ID_SIZE], uint8_t ret[static GIVER_SIZE]);

/* FOLDER/.order-NAME: no configuration's name begins with a dot. */
#define NEWEST_PREFIX ".order-"

/* The order is about to be carried out, and is the newest of its name from now on, durably. Given
 * again, it still is. folder: nobody else's.
 * -ESTALE: it is older than the newest, or another one of the same number; *ret_last: that number;
 * nothing has changed. Else it isn't known whether it is, or can't be written down: -EBADMSG: the
 * file is damaged. */
int newest_take(const char *folder, const char *name, const struct newest *order,
	uint64_t *ret_last) must_use;

#endif
