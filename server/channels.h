/* SPDX-License-Identifier: MIT */
/*
 * The channels whose client is known, found by its id, and what their machines are told when a
 * client changes outside of its channel's own events. A client may have several channels; connected
 * is the one, at most, whose HELLO has been taken last.
 */
#ifndef MUSTER_CHANNELS_H
#define MUSTER_CHANNELS_H

#include <stdbool.h>

#include "store/store.h"

struct channel;
struct channels;

int channels_new(struct channels **ret) must_use;
struct channels *channels_free(struct channels *all); /* of no channel any more */

bool channels_connected(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE]);
size_t channels_count(const struct channels *all); /* the connected */
/* Has the client any, connected or not? */
bool channels_has(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE]);
/* Visits every one, connected or not; none may end meanwhile. */
void channels_each(
	struct channels *all, void (*visit)(void *userdata, struct channel *c), void *userdata);

/* The channel is that client's; nothing if it has a client already. */
void channels_enter(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE]);
/* The client is connected by this channel from now on; by which it was, that ends. */
void channels_take_over(struct channel *c);
/* Ends the client's connected channel, if that is another than c. */
void channels_end_other(struct channel *c);
/* It is none of them any more: what was connected by it is not. May be called twice. */
void channels_leave(struct channel *c);

/* There may be something for the client now: configurations, a restart, an update. */
void channels_due(struct channels *all, const uint8_t id[static CLIENT_ID_SIZE]);
/* An administrator has changed the client: all its channels are told (STATE) with the turn's
 * commit; if it is no client any more they take nothing more and end within a second. */
void channels_tell(struct channels *all, const struct client_record *client);
/* Another process has changed the client, as far as it is known: its channels here are told if they
 * don't know it yet. elsewhere: it is connected there by now, so what was connected here ends. */
void channels_look(struct channels *all, const struct client_record *client, bool elsewhere);

#endif
