/* SPDX-License-Identifier: MIT */
#include "presence.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "channel.h"
#include "channels.h"
#include "log.h"
#include "mesh.h"
#include "server.h"
#include "store/presence.h"
#include "workers.h"

#define PEERS_MAX  256
#define GONE_USEC  100000u /* those that go within it go together */
#define GONE_BATCH 256     /* in one transaction */
#define SIGHT_MS   1000u

struct peer {
	uint64_t id, beat, connected;
	uint64_t heard; /* milliseconds, monotonic: when the beat was seen to go on */
	bool here;      /* a worker of the same supervisor */
	bool first;     /* the first worker of its server */
};

struct seen {
	uint8_t id[CLIENT_ID_SIZE];
};

struct presence {
	struct server *server;
	uint64_t self;
	uint64_t newest; /* the highest number that has been looked at */
	char place[PLACE_SIZE];
	size_t place_len; /* of what all workers have in common */
	struct peer peers[PEERS_MAX];
	size_t count;
	uint64_t looked; /* milliseconds, monotonic: the last time that it could */
	sd_event_source *timer, *gone_timer;
	struct work beat, drop;
	bool beat_queued, drop_queued;
	struct seen *gone;
	size_t gone_count, gone_room;
	struct seen *sight; /* sorted */
	size_t sight_count, sight_room;
	uint64_t sight_at;
};

static uint64_t now_ms(void)
{
	struct timespec t = {};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Room for one more. */
static int grow(struct seen **list, size_t count, size_t *room)
{
	if (count < *room)
		return 0;
	size_t more = *room > 0 ? *room * 2 : 64;
	struct seen *larger = reallocarray(*list, more, sizeof(**list));

	if (larger == NULL)
		return -ENOMEM;
	*list = larger;
	*room = more;
	return 0;
}

/* ---- who there is */

static struct peer *find_peer(struct presence *p, uint64_t id)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->peers[i].id == id)
			return &p->peers[i];
	return NULL;
}

static bool lives(struct presence *p, uint64_t id)
{
	const struct peer *peer = find_peer(p, id);

	if (id == 0 || id == p->self)
		return false;
	if (peer == NULL)
		return id > p->newest; /* has come since the last look */
	return now_ms() - peer->heard < PRESENCE_LEASE_MS;
}

struct census {
	struct presence *p;
	struct peer found[PEERS_MAX];
	size_t count;
};

static int count_peer(void *userdata, const struct server_record *r)
{
	struct census *c = userdata;
	struct presence *p = c->p;
	const struct peer *old = find_peer(p, r->id);
	const char *worker = strrchr(r->place, '#');

	if (r->id > p->newest)
		p->newest = r->id;
	if (r->id == p->self || c->count == PEERS_MAX)
		return 0;
	c->found[c->count++] = (struct peer){ .id = r->id,
		.beat = r->beat,
		.connected = r->connected,
		.heard = old != NULL && old->beat == r->beat ? old->heard : now_ms(),
		.here = strncmp(r->place, p->place, p->place_len) == 0,
		.first = worker != NULL && strcmp(worker, "#0") == 0 };
	return 0;
}

/* While this process could not look, the others may well have beaten: they get that time too. */
static void forgive(struct presence *p, uint64_t now)
{
	if (now - p->looked <= 2 * PRESENCE_BEAT_MS)
		return;
	for (size_t i = 0; i < p->count; i++)
		p->peers[i].heard = now;
}

static int look_around(struct presence *p)
{
	struct census c = { .p = p };
	uint64_t now = now_ms();

	forgive(p, now);
	int r = store_server_each(p->server->store, count_peer, &c);

	if (r < 0)
		return r;
	memcpy(p->peers, c.found, c.count * sizeof(c.found[0]));
	p->count = c.count;
	p->looked = now;
	p->sight_at = 0;
	return 0;
}

void presence_refresh(struct server *s)
{
	if (s->presence != NULL && look_around(s->presence) < 0)
		log_at(LOG_ERR, "cannot look which servers there are");
}

/* In a transaction: those that have been dead for long, with what they held. */
static int bury(struct presence *p)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->count; i++)
		if (now_ms() - p->peers[i].heard >= 3 * PRESENCE_LEASE_MS)
			r = store_server_remove(p->server->store, p->peers[i].id);
	return r;
}

static int add_self(struct presence *p)
{
	int r = store_server_add(p->server->store, p->place, &p->self);

	mesh_peers(p->server);
	return r;
}

static void on_beat(struct work *w, int error)
{
	struct presence *p = (struct presence *)((char *)w - offsetof(struct presence, beat));
	struct server *s = p->server;
	int r = error;

	p->beat_queued = false;
	if (r == 0)
		r = store_server_beat(s->store, p->self, channels_count(s->channels));
	if (r == -ENOENT) /* taken for dead: its machines' next HELLOs write it down again */
		r = add_self(p);
	if (r == 0)
		r = look_around(p);
	if (r == 0)
		r = bury(p);
	if (r < 0 && error == 0)
		turn_fail(s->turn);
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata)
{
	struct presence *p = userdata;

	if (!p->beat_queued) {
		p->beat_queued = true;
		turn_queue(p->server->turn, &p->beat);
	}
	int r = sd_event_source_set_time(source, at + PRESENCE_BEAT_MS * 1000u);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- who holds whom */

uint64_t presence_self(const struct server *s)
{
	return s->presence != NULL ? s->presence->self : 0;
}

int presence_elsewhere(struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	uint64_t holder = 0;

	if (s->presence == NULL)
		return 0;
	int r = store_presence_get(s->store, id, &holder);
	return r < 0 ? r : lives(s->presence, holder);
}

int presence_hold(struct channel *c)
{
	struct presence *p = c->server->presence;
	uint64_t holder = 0;
	int r;

	if (p == NULL)
		return 0;
	r = store_presence_get(c->server->store, c->id, &holder);
	if (r < 0 || holder == p->self)
		return r;
	if (c->connected && lives(p, holder))
		return 1;
	r = store_presence_set(c->server->store, c->id, p->self);
	if (r == 0 && lives(p, holder))
		mesh_look(c->server, c->id);
	return r;
}

/* What can't be noted is seen as connected until its process beats no more, or it comes back. */
void presence_gone(struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct presence *p = s->presence;

	if (p == NULL || grow(&p->gone, p->gone_count, &p->gone_room) < 0)
		return;
	memcpy(p->gone[p->gone_count++].id, id, CLIENT_ID_SIZE);
	if (p->gone_count > 1 || p->drop_queued)
		return;
	if (sd_event_source_set_time_relative(p->gone_timer, GONE_USEC) < 0 ||
		sd_event_source_set_enabled(p->gone_timer, SD_EVENT_ONESHOT) < 0)
		log_at(LOG_ERR, "cannot set the timer of connections that have ended");
}

static int on_gone(sd_event_source *source, uint64_t at, void *userdata)
{
	struct presence *p = userdata;

	(void)source;
	(void)at;
	if (!p->drop_queued && p->gone_count > 0) {
		p->drop_queued = true;
		turn_queue(p->server->turn, &p->drop);
	}
	return 0;
}

static void on_drop(struct work *w, int error)
{
	struct presence *p = (struct presence *)((char *)w - offsetof(struct presence, drop));
	struct server *s = p->server;
	int r = error;

	p->drop_queued = false;
	for (size_t i = 0; r == 0 && i < GONE_BATCH && p->gone_count > 0; i++) {
		const uint8_t *id = p->gone[--p->gone_count].id;

		if (!channels_connected(s->channels, id)) /* it may have come back */
			r = store_presence_drop(s->store, id, p->self);
	}
	if (r < 0 && error == 0)
		turn_fail(s->turn);
	if (p->gone_count > 0)
		(void)sd_event_source_set_time_relative(p->gone_timer, GONE_USEC);
	(void)sd_event_source_set_enabled(
		p->gone_timer, p->gone_count > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* ---- for listings */

bool presence_connected(const struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	uint64_t holder = 0;

	if (channels_connected(s->channels, id))
		return true;
	return s->presence != NULL && store_presence_get(s->store, id, &holder) == 0 &&
	       lives(s->presence, holder);
}

static int see(void *userdata, const uint8_t *client, uint64_t server)
{
	struct presence *p = userdata;

	if (!lives(p, server))
		return 0;
	int r = grow(&p->sight, p->sight_count, &p->sight_room);
	if (r == 0)
		memcpy(p->sight[p->sight_count++].id, client, CLIENT_ID_SIZE);
	return r;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, CLIENT_ID_SIZE);
}

bool presence_sight(const struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct presence *p = s->presence;

	if (channels_connected(s->channels, id))
		return true;
	if (p == NULL)
		return false;
	if (p->sight_at == 0 || now_ms() - p->sight_at > SIGHT_MS) {
		p->sight_count = 0;
		if (store_presence_each(s->store, see, p) < 0)
			log_at(LOG_ERR, "cannot look who is connected to other servers");
		p->sight_at = now_ms();
	}
	return p->sight_count > 0 &&
	       bsearch(id, p->sight, p->sight_count, sizeof(*p->sight), compare) != NULL;
}

size_t presence_count(const struct server *s)
{
	struct presence *p = s->presence;
	size_t all = s->board != NULL ? board_all_connected(s) : channels_count(s->channels);

	for (size_t i = 0; p != NULL && i < p->count; i++)
		if (!p->peers[i].here && lives(p, p->peers[i].id))
			all += p->peers[i].connected;
	return all;
}

bool presence_leads(const struct server *s)
{
	struct presence *p = s->presence;

	for (size_t i = 0; p != NULL && i < p->count; i++)
		if (p->peers[i].first && p->peers[i].id < p->self && lives(p, p->peers[i].id))
			return false;
	return true;
}

/* ---- start and stop */

static void name_place(struct presence *p)
{
	const struct server *s = p->server;
	char host[65] = "?";

	(void)gethostname(host, sizeof(host) - 1);
	int len = snprintf(p->place, sizeof(p->place), "%s:%.200s#", host, s->config.state);

	p->place_len = (size_t)len;
	snprintf(p->place + len, sizeof(p->place) - (size_t)len, "%u", s->worker);
}

static int register_self(struct presence *p)
{
	int r = turn_enter(p->server->turn);

	if (r == 0)
		r = add_self(p);
	return r < 0 ? r : look_around(p);
}

int presence_start(struct server *s)
{
	struct presence *p;

	if (!turn_is_shared(s->turn))
		return 0;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->server = s;
	p->beat.run = on_beat;
	p->drop.run = on_drop;
	s->presence = p;
	name_place(p);
	int r = register_self(p);
	if (r >= 0)
		r = sd_event_add_time_relative(s->loop, &p->timer, CLOCK_MONOTONIC,
			PRESENCE_BEAT_MS * 1000u, 0, on_timer, p);
	if (r >= 0)
		r = sd_event_add_time(s->loop, &p->gone_timer, CLOCK_MONOTONIC, 0, 0, on_gone, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->gone_timer, SD_EVENT_OFF);
	return r < 0 ? log_err(r, "cannot tell the other servers of this one") : 0;
}

/* In the last turn. Whoever ends otherwise counts as dead soon. */
void presence_leave(struct server *s)
{
	struct presence *p = s->presence;

	if (p == NULL || p->self == 0)
		return;
	mesh_peers(s);
	if (turn_enter(s->turn) < 0 || store_server_remove(s->store, p->self) < 0)
		log_warning("cannot tell the other servers that this one stops");
}

void presence_stop(struct server *s)
{
	struct presence *p = s->presence;

	if (p == NULL)
		return;
	s->presence = NULL;
	sd_event_source_disable_unref(p->timer);
	sd_event_source_disable_unref(p->gone_timer);
	turn_unqueue(s->turn, &p->beat);
	turn_unqueue(s->turn, &p->drop);
	free(p->gone);
	free(p->sight);
	free(p);
}
