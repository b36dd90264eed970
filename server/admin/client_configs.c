/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "../desired.h"
#include "clients_json.h"
#include "value.h"

struct collect {
	const struct server *server;
	const struct client_record *client;
	json_t *list;
	struct holdings held; /* what is not told of yet */
};

static int add(struct collect *l, const char *name)
{
	struct config_standing s;
	bool refused, wanted;
	int r = desired_standing(l->server, l->client, name, &s);

	if (r < 0 || (s.state == CONFIG_NONE && !s.wanted))
		return r;
	refused = s.state == CONFIG_REFUSED;
	wanted = s.wanted && !s.should.removal;
	r = json_array_append_new(l->list,
		json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "state",
			config_state_name(s.state), "should",
			wanted ? json_integer((json_int_t)s.should.revision) : json_null(), "has",
			s.has.revision ? json_integer((json_int_t)s.has.revision) : json_null(),
			"code", refused ? json_integer(s.refusal.code) : json_null(), "reason",
			refused ? json_string(nack_name(s.refusal.code)) : json_null(), "text",
			refused ? value_said(s.refusal.text) : json_null(), "refused",
			value_time(refused ? s.refusal.time : 0)));
	return r < 0 ? -ENOMEM : 0;
}

static int add_wanted(void *userdata, const struct config_record *c)
{
	struct collect *l = userdata;

	holdings_drop(&l->held, c->name);
	return add(l, c->name);
}

int client_configs(const struct server *s, const struct client_record *client, json_t **ret)
{
	struct collect l = { .server = s, .client = client, .list = json_array() };
	int r = l.list ? store_held(s->store, client->id, &l.held) : -ENOMEM;

	if (r == 0)
		r = store_config_wanted(s->store, client, "", add_wanted, &l);
	for (size_t i = 0; r == 0 && i < l.held.count; i++)
		r = add(&l, l.held.of[i].name);
	if (r < 0) {
		json_decref(l.list);
		return r;
	}
	*ret = l.list;
	return 0;
}
