/* SPDX-License-Identifier: MIT */
#include "desired.h"

#include <errno.h>
#include <string.h>

#include "presence.h"
#include "server.h"
#include "store/listening.h"

#define AGAIN_SECONDS 3600 /* after a refusal of the same revision */

const char *config_state_name(enum config_state state)
{
	static const char *const names[] = {
		[CONFIG_NONE] = "none",
		[CONFIG_CURRENT] = "current",
		[CONFIG_PENDING] = "pending",
		[CONFIG_OFFLINE] = "offline",
		[CONFIG_REFUSED] = "refused",
		[CONFIG_AHEAD] = "ahead",
	};

	return names[state];
}

/* A revision that a machine has and the store doesn't know: a store put back from a backup. What
 * the machine has is later than all that could be sent, so it is left alone. */
static int is_foreign(struct store *s, const struct holding *has)
{
	struct config_record known;
	int r = store_config_get(s, has->name, 0, &known);

	if (r == -ENOENT)
		return 0; /* of a name that was never pushed: to be removed */
	return r < 0 ? r : has->revision > known.revision;
}

static int judge(const struct server *s, const struct client_record *client,
	const struct config_record *should, const struct holding *has, struct refusal *refusal)
{
	bool wanted = should != NULL && !should->removal;
	struct listening_record listening;
	int r;

	if (!wanted && has == NULL)
		return CONFIG_NONE;
	if (wanted && has != NULL && has->revision == should->revision &&
		memcmp(has->hash, should->hash, CONFIG_HASH_SIZE) == 0)
		return CONFIG_CURRENT;
	r = has != NULL ? is_foreign(s->store, has) : 0;
	if (r != 0)
		return r < 0 ? r : CONFIG_AHEAD;
	r = store_refusal(s->store, client->id, should != NULL ? should->name : has->name, refusal);
	if (r == 0 && refusal->revision == (should != NULL ? should->revision : has->revision))
		return CONFIG_REFUSED;
	if (r < 0 && r != -ENOENT)
		return r;
	if (presence_connected(s, client->id))
		return CONFIG_PENDING;
	/* One that listens is dialled at once. */
	r = store_listening_get(s->store, client->id, &listening);
	if (r < 0 && r != -ENOENT)
		return r;
	return r == 0 && listening.error[0] == '\0' ? CONFIG_PENDING : CONFIG_OFFLINE;
}

static int take_first(void *userdata, const struct config_record *c)
{
	struct config_standing *s = userdata;

	s->wanted = true;
	s->should = *c;
	return 0;
}

int desired_standing(const struct server *s, const struct client_record *client, const char *name,
	struct config_standing *ret)
{
	struct holdings held;
	const struct holding *has;
	int r = store_held(s->store, client->id, &held);

	*ret = (struct config_standing){};
	if (r == 0)
		r = store_config_wanted(s->store, client, name, take_first, ret);
	if (r < 0)
		return r;
	has = holdings_find(&held, name);
	if (has != NULL)
		ret->has = *has;
	r = judge(s, client, ret->wanted ? &ret->should : NULL, has, &ret->refusal);
	if (r >= 0)
		ret->state = (enum config_state)r;
	return r < 0 ? r : 0;
}

/* ---- the next order */

struct search {
	struct server *server;
	const struct client_record *client;
	struct holdings *held; /* what remains of it has not been looked at */
	struct desired_order *next;
	bool found;
};

/* Is this to be sent now? A refused revision is tried again now and then. */
static int is_due(struct search *f, const struct config_record *should, const struct holding *has)
{
	struct server *s = f->server;
	struct refusal refusal;
	int state = judge(s, f->client, should, has, &refusal);

	if (state == CONFIG_REFUSED)
		return refusal.time + AGAIN_SECONDS <= store_now(s->store);
	return state < 0 ? state : state == CONFIG_PENDING || state == CONFIG_OFFLINE;
}

static int look(void *userdata, const struct config_record *should)
{
	struct search *f = userdata;
	const struct holding *has = holdings_find(f->held, should->name);
	int r = is_due(f, should, has);

	holdings_drop(f->held, should->name);
	if (r <= 0)
		return r;
	f->next->config = *should;
	f->next->remove = should->removal;
	f->found = true;
	return 1;
}

/* What it holds and nothing is meant for it any more: removed, at the revision that it has. */
static int look_at_rest(struct search *f)
{
	for (size_t i = 0; i < f->held->count && !f->found; i++) {
		const struct holding *has = &f->held->of[i];
		int r = is_due(f, NULL, has);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		memcpy(f->next->config.name, has->name, sizeof(f->next->config.name));
		f->next->config.revision = has->revision;
		f->next->remove = true;
		f->found = true;
	}
	return 0;
}

int desired_next(struct server *s, const struct client_record *client, struct desired_order *ret)
{
	static struct holdings held, rest; /* large, and used nowhere beyond this call */
	struct search f = { .server = s, .client = client, .held = &rest, .next = ret };
	const struct holding *has;
	int r = store_held(s->store, client->id, &held);

	*ret = (struct desired_order){};
	if (r < 0)
		return r;
	rest = held;
	r = store_config_wanted(s->store, client, "", look, &f);
	if (r == 0)
		r = look_at_rest(&f);
	if (r < 0 || !f.found)
		return r < 0 ? r : 0;
	has = holdings_find(&held, ret->config.name);
	if (has != NULL)
		ret->has = *has;
	return 1;
}
