/* SPDX-License-Identifier: MIT */
#include "lost.h"

#include <errno.h>
#include <sodium.h>

#include "dblink.h"
#include "log.h"
#include "presence.h"
#include "server.h"
#include "store/updates.h"
#include "updates.h"

#define SILENT_SECONDS     900  /* not heard of for so long, a machine is lost */
#define UNANSWERED_SECONDS 3600 /* heard of or not: an agent gives up long before */

#define TICK_SECONDS 15u
#define TICK_USEC    (TICK_SECONDS * 1000000u)
#define MORE_USEC    100000u /* while there is more to do */
#define ACCURACY     1000000u

struct lost {
	sd_event_source *timer;
	uint64_t attended, ticked; /* store_now(): since then there has been a tick every few
				      seconds; the last one */
};

/* Nobody is silent before its next HELLO is overdue. */
static uint64_t silence(const struct server *s)
{
	uint64_t idle = config_idle_timeout(&s->config);

	return idle > SILENT_SECONDS ? idle : SILENT_SECONDS;
}

static int give_up_one(struct server *s, const uint8_t id[static CLIENT_ID_SIZE], uint64_t heard)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	char text[CLIENT_ID_TEXT_SIZE], why[96], message[512];
	bool silent;
	int r;

	client = (struct client_record){};
	r = store_client_by_id(s->store, id, &client);
	if (r < 0 && r != -ENOENT)
		return r;
	silent = client.last_hello < heard;
	snprintf(why, sizeof(why), "%s for %llu minutes", silent ? "not heard of" : "no answer",
		(unsigned long long)(silent ? silence(s) : UNANSWERED_SECONDS) / 60);
	r = store_update_lost(s->store, id, why);
	if (r <= 0) /* another process may have done it */
		return r;
	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	snprintf(message, sizeof(message), "%s (%s) was lost while it was updated: %s",
		client.facts.hostname, text, why);
	log_fields(LOG_WARNING, message, "MUSTER_CLIENT", text, NULL);
	updates_tell(s, id);
	return 0;
}

int lost_give_up(struct server *s, uint64_t attended)
{
	uint8_t ids[UPDATE_BATCH][CLIENT_ID_SIZE];
	uint64_t now = store_now(s->store), heard = now - silence(s);
	uint64_t asked = now - UNANSWERED_SECONDS;
	size_t count = 0;
	int r;

	if (attended > heard)
		return 0;
	r = store_update_overdue(s->store, heard, attended > asked ? 0 : asked, ids, &count);
	if (r < 0 || count == 0)
		return r;
	r = turn_enter(s->turn);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = give_up_one(s, ids[i], heard);
	if (r < 0)
		turn_fail(s->turn);
	updates_changed(s);
	return r < 0 ? r : count == UPDATE_BATCH;
}

/* Who was not up to hear them can't say that machines were silent. */
static void attend(struct server *s)
{
	struct lost *l = s->lost;
	uint64_t now = store_now(s->store);

	if (!dblink_up(s) || now < l->ticked || now - l->ticked > 4 * TICK_SECONDS)
		l->attended = now;
	l->ticked = now;
}

static int on_tick(sd_event_source *source, uint64_t at, void *userdata)
{
	struct server *s = userdata;
	int r = 0;

	(void)at;
	attend(s);
	if (dblink_up(s) && presence_leads(s))
		r = lost_give_up(s, s->lost->attended);
	if (r < 0 && r != -ENOTCONN)
		log_err(r, "machines that are lost can't be given up now");
	r = sd_event_source_set_time_relative(source, r > 0 ? MORE_USEC : TICK_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int lost_start(struct server *s)
{
	struct lost *l = calloc(1, sizeof(*l));
	int r = l != NULL ? 0 : -ENOMEM;

	if (r == 0)
		r = sd_event_add_time_relative(
			s->loop, &l->timer, CLOCK_MONOTONIC, TICK_USEC, ACCURACY, on_tick, s);
	if (r < 0) {
		free(l);
		return log_err(r, "cannot look after machines that are updated");
	}
	l->attended = l->ticked = store_now(s->store);
	s->lost = l;
	return 0;
}

void lost_stop(struct server *s)
{
	if (s->lost == NULL)
		return;
	sd_event_source_disable_unref(s->lost->timer);
	free(s->lost);
	s->lost = NULL;
}
