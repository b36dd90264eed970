/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/servers.h"

/* One question to all addresses: what came of those that didn't serve. */
struct round {
	size_t tried;
	bool wrong_key; /* at one of them */
	struct contact_error error;
	char why[sizeof((struct enrol *)0)->tried / 2];
};

static void use(struct enrol *e, size_t at)
{
	e->at = at;
	e->options.server = e->options.servers.at[at];
	e->uplink.server = e->options.server;
}

void servers_use(struct enrol *e, const struct addresses *servers)
{
	if (servers != &e->options.servers)
		e->options.servers = *servers;
	use(e, 0);
}

/* Whether it is about the address. What a server says of this machine, or of too many questions, all
 * of them would. */
static bool may_differ(const struct uplink_error *e)
{
	return contact_is_away(e) ||
	       (e->failure == UPLINK_HTTP && e->status != 403 && e->status != 429);
}

static void note(struct round *n, const struct contact_error *error)
{
	size_t used = strlen(n->why);

	(void)snprintf(
		n->why + used, sizeof n->why - used, "%s%s", used ? "; " : "", error->uplink.text);
	if (n->tried++ == 0 || (!contact_may_retry(&n->error) && contact_may_retry(error)))
		n->error = *error;
	n->wrong_key |= error->uplink.failure == UPLINK_PIN;
}

/* The names first: of many long reasons the last might not fit. */
static void tell_none(struct enrol *e, const struct round *n)
{
	const struct addresses *all = &e->options.servers;
	size_t used = 0;

	if (all->count == 1)
		return;
	for (size_t i = 0; i < all->count && used < sizeof e->tried; i++)
		used += (size_t)snprintf(e->tried + used, sizeof e->tried - used, "%s%s",
			i ? ", " : "none of these serves: ", all->at[i]);
	if (used < sizeof e->tried)
		(void)snprintf(e->tried + used, sizeof e->tried - used, "; %s", n->why);
	e->tried_wrong_key = n->wrong_key;
}

/* After an attempt: whether another address is to be tried, which then is in use. */
static bool go_on(struct enrol *e, struct round *n, int r, const struct contact_error *error)
{
	size_t count = e->options.servers.count;

	if (r == 0 || error->r == -EREMOTEIO || !may_differ(&error->uplink)) {
		if (n->tried > 0 && r == 0)
			report_warn(&e->report, "server", "%s; going on with %s", n->why,
				e->options.server);
		return false;
	}
	note(n, error);
	use(e, (e->at + 1) % count);
	if (n->tried < count && !enrol_cancel)
		return true;
	if (!enrol_cancel)
		tell_none(e, n);
	return false;
}

static void begin(struct enrol *e)
{
	e->tried[0] = '\0';
	e->tried_wrong_key = false;
}

int servers_open(struct enrol *e, const uint8_t *id)
{
	struct round n = {};
	int r;

	begin(e);
	do
		r = contact_open(&e->contact, &e->uplink, e->identity, e->options.server_key, id);
	while (go_on(e, &n, r, &e->contact.error));
	if (*e->tried) {
		e->contact.error = n.error;
		r = n.error.r;
	}
	return r;
}

int servers_download(struct enrol *e, const char *path, int fd, uint64_t limit,
	uplink_progress progress, void *userdata, struct uplink_error *ret_error)
{
	struct round n = {};
	struct contact_error error;
	int r;

	begin(e);
	do {
		error = (struct contact_error){};
		r = error.r = uplink_download(
			&e->uplink, path, fd, limit, progress, userdata, &error.uplink);
	} while (go_on(e, &n, r, &error));
	*ret_error = *e->tried ? n.error.uplink : error.uplink;
	return r;
}
