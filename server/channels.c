/* SPDX-License-Identifier: MIT */
#include "channels.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "changes.h"
#include "channel.h"
#include "configs.h"
#include "enrol.h"
#include "lib/secret.h"
#include "presence.h"
#include "resets.h"
#include "server.h"
#include "updates.h"
#include "workers.h"

#define SLOTS 16384u

struct channels {
	uint8_t key[crypto_shorthash_KEYBYTES];
	size_t count;
	struct channel *slots[SLOTS];
};

int channels_new(struct channels **ret)
{
	struct channels *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	random_bytes(all->key, sizeof(all->key));
	*ret = all;
	return 0;
}

struct channels *channels_free(struct channels *all)
{
	free(all);
	return NULL;
}

static size_t slot_of(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t value;

	crypto_shorthash(hash, id, CLIENT_ID_SIZE, all->key);
	memcpy(&value, hash, sizeof(value));
	return value % SLOTS;
}

/* The first of the client's channels from c on. */
static struct channel *of_client(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE])
{
	while (c != NULL && memcmp(c->id, id, CLIENT_ID_SIZE) != 0)
		c = c->next;
	return c;
}

static struct channel *connected_of(
	const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channel *c = of_client(all->slots[slot_of(all, id)], id);

	while (c != NULL && !c->connected)
		c = of_client(c->next, id);
	return c;
}

void channels_enter(struct channel *c, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channels *all = c->server->channels;
	struct channel **slot = &all->slots[slot_of(all, id)];

	if (c->listed)
		return;
	memcpy(c->id, id, CLIENT_ID_SIZE);
	c->next = *slot;
	*slot = c;
	c->listed = true;
}

void channels_leave(struct channel *c)
{
	struct channels *all = c->server->channels;

	if (!c->listed)
		return;
	struct channel **at = &all->slots[slot_of(all, c->id)];
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->listed = false;
	if (!c->connected)
		return;
	board_connected(c->server, --all->count);
	c->connected = false;
	presence_gone(c->server, c->id);
	changes_tell_client(c->server, CHANGE_STATUS, c->id);
}

bool channels_connected(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	return connected_of(all, id) != NULL;
}

size_t channels_count(const struct channels *all)
{
	return all->count;
}

void channels_each(
	struct channels *all, void (*visit)(void *userdata, struct channel *c), void *userdata)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct channel *c = all->slots[i]; c != NULL; c = c->next)
			visit(userdata, c);
}

static void end_replaced(struct channel *c)
{
	configs_forget(c);
	updates_forget(c);
	channels_leave(c);
	stream_end(c->stream);
}

void channels_end_other(struct channel *c)
{
	struct channel *other = connected_of(c->server->channels, c->id);

	if (other != NULL && other != c)
		end_replaced(other);
}

void channels_take_over(struct channel *c)
{
	if (c->connected)
		return;
	channels_end_other(c);
	c->connected = true;
	board_connected(c->server, ++c->server->channels->count);
	changes_tell_client(c->server, CHANGE_STATUS, c->id);
}

/* ---- what a machine is told outside of its channel's own events */

/* May end it. */
static void due(struct channel *c)
{
	configs_due(c);
	updates_due(c);
	if (resets_due(c) < 0)
		stream_end(c->stream);
	else
		channel_hold(c);
}

/* Nobody who has lost his standing keeps the connection, not even by reading nothing. */
static void tell(struct channel *c, const struct client_record *client)
{
	int r = c->standing == STANDING_PENDING && client->state == CLIENT_ENROLLED
			? enrol_approved(c, client)
			: channel_state(c, client->state, client->reason);

	if (r < 0) {
		stream_end(c->stream);
		return;
	}
	if (channel_ends_with(client->state)) {
		channel_finish(c);
		stream_hurry(c->stream);
		channel_hold(c); /* may end it */
	} else {
		due(c);
	}
}

void channels_due(struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct channel *c = connected_of(all, id);

	if (c != NULL)
		due(c);
}

void channels_tell(struct channels *all, const struct client_record *client)
{
	struct channel *c = of_client(all->slots[slot_of(all, client->id)], client->id), *next;

	for (; c != NULL; c = next) {
		next = of_client(c->next, client->id);
		tell(c, client);
	}
}

bool channels_has(const struct channels *all, const uint8_t id[static CLIENT_ID_SIZE])
{
	return of_client(all->slots[slot_of(all, id)], id) != NULL;
}

/* Has it to be told what the client is by now? */
static bool is_news(const struct channel *c, const struct client_record *client)
{
	if (c->standing == STANDING_PENDING && client->state != CLIENT_PENDING)
		return true;
	return channel_ends_with(client->state) ||
	       c->suspended != (client->state == CLIENT_SUSPENDED);
}

void channels_look(struct channels *all, const struct client_record *client, bool elsewhere)
{
	struct channel *c = of_client(all->slots[slot_of(all, client->id)], client->id), *next;

	for (; c != NULL; c = next) {
		next = of_client(c->next, client->id);
		if (c->connected && elsewhere)
			end_replaced(c);
		else if (is_news(c, client))
			tell(c, client);
		else
			due(c);
	}
}
