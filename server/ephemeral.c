/* SPDX-License-Identifier: MIT */
#include "ephemeral.h"

#include <errno.h>
#include <sodium.h>

#include "changes.h"
#include "channels.h"
#include "dialer.h"
#include "log.h"
#include "mesh.h"
#include "updates.h"

#define TICK_USEC ((uint64_t)EPHEMERAL_TICK * 1000000)
#define MORE_USEC 100000u /* while there is more to do */
#define ACCURACY  10000000u

static void log_removal(const struct client_record *client, const char *id)
{
	char message[512];

	snprintf(message, sizeof(message), "%s (%s) is removed: %s", client->facts.hostname, id,
		client->reason);
	log_fields(LOG_NOTICE, message, "MUSTER_CLIENT", id, "MUSTER_STATE", "removed", NULL);
}

static int remove_one(struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct client_order order = { .actor = "server" };
	char text[CLIENT_ID_TEXT_SIZE], reason[64];
	int r = store_client_by_id(s->store, id, &client);

	if (r < 0)
		return r;
	snprintf(reason, sizeof(reason), "ephemeral, and offline for %u s", client.ephemeral);
	order.reason = reason;
	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	r = store_client_change(s->store, text, CLIENT_REMOVE, &order, &client);
	if (r <= 0) /* another process may have done it */
		return r == -ENOENT ? 0 : r;
	log_removal(&client, text);
	mesh_look(s, id);
	channels_tell(s->channels, &client);
	changes_tell_client(s, CHANGE_CLIENTS, id);
	updates_left(s);
	return 0;
}

static int tend(struct server *s, size_t *ret_count)
{
	uint8_t ids[EPHEMERAL_BATCH][CLIENT_ID_SIZE];

	*ret_count = 0;
	if (!store_ephemeral_any(s->store)) {
		s->ephemeral_tended = true;
		return 0;
	}
	int r = turn_enter(s->turn);
	if (r < 0)
		return r;
	r = store_ephemeral_tend(s->store, !s->ephemeral_tended);
	s->ephemeral_tended = s->ephemeral_tended || r == 0;
	if (r == 0)
		r = store_ephemeral_due(s->store, config_idle_timeout(&s->config),
			dialer_longest(&s->config), ids, ret_count);
	for (size_t i = 0; r == 0 && i < *ret_count; i++)
		r = remove_one(s, ids[i]);
	if (r < 0)
		turn_fail(s->turn);
	return r;
}

static int look(sd_event_source *source, struct server *s)
{
	size_t count = 0;
	int r = tend(s, &count);

	if (r < 0)
		log_err(r, "ephemeral machines can't be looked after now");
	r = sd_event_source_set_time_relative(
		source, count == EPHEMERAL_BATCH ? MORE_USEC : TICK_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	return look(source, userdata);
}

/* The first look takes the time away during which nobody was heard. */
int ephemeral_start(struct server *s)
{
	int r = sd_event_add_time_relative(
		s->loop, &s->ephemeral_timer, CLOCK_MONOTONIC, TICK_USEC, ACCURACY, on_tick, s);

	if (r >= 0)
		r = look(s->ephemeral_timer, s);
	return r < 0 ? log_err(r, "cannot set a timer") : 0;
}

void ephemeral_stop(struct server *s)
{
	s->ephemeral_timer = sd_event_source_disable_unref(s->ephemeral_timer);
}
