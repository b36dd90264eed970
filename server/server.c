/* SPDX-License-Identifier: MIT */
/* The order of start and stop. */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "admin/access.h"
#include "admin/control.h"
#include "admin/dashboard.h"
#include "admin/events.h"
#include "admin/monitor.h"
#include "agent.h"
#include "beats.h"
#include "changes.h"
#include "channels.h"
#include "configs.h"
#include "dblink.h"
#include "dialer.h"
#include "enrol.h"
#include "ephemeral.h"
#include "guesses.h"
#include "listener.h"
#include "log.h"
#include "lost.h"
#include "mesh.h"
#include "messages.h"
#include "outlet.h"
#include "poller.h"
#include "presence.h"
#include "stream.h"
#include "tls.h"
#include "updates.h"
#include "webhooks.h"
#include "workers.h"

/* A step of the start; each logs its own failure, but for those that lack memory only. */
typedef int (*step)(struct server *s);

static int take_steps(struct server *s, const step *steps, size_t count)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++)
		r = steps[i](s);
	return r;
}

static int make_loop(struct server *s)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return log_err(-errno, "cannot block signals");
	int r = sd_event_default(&s->loop);
	return r < 0 ? log_err(r, "cannot make the event loop") : 0;
}

static int keys_failed(int error)
{
	if (error != -EKEYREJECTED)
		return log_err(error, "cannot use the database");
	log_at(LOG_ERR,
		"the database belongs to a server with other keys, and its machines know those: "
		"copy identity.key, tls.pem, token.key, release.key and release.pub from the state "
		"folder of that server");
	return error;
}

static int open_store(struct server *s)
{
	const struct config *c = &s->config;
	struct db_place place = { .location = c->store,
		.password_file = *c->store_password_file ? c->store_password_file : NULL };
	char path[PATH_MAX];
	bool file = c->store[0] == '\0';

	int r = keys_load(c->state, &s->keys);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", c->state, DATABASE_NAME);
	if (file)
		place.location = path;
	r = store_open(&place, s->keys.token_key, &s->store);
	if (r == -EPROTONOSUPPORT)
		log_at(LOG_ERR, "the database was made by a later version of muster");
	else if (r < 0)
		log_err(r, "cannot use the database%s%s", file ? " " : "", file ? path : "");
	if (r < 0)
		return r;
	if (!file && (r = store_claim(s->store, identity_public(s->keys.identity))) < 0)
		return keys_failed(r);
	if (!file && (r = keys_claimed(c->state)) < 0)
		return r;
	s->started = store_now(s->store);
	r = turn_new(s->loop, s->store, &s->turn);
	if (r >= 0 && (!file || s->board != NULL)) /* with other processes */
		turn_share(s->turn);
	return r;
}

static int load_release(struct server *s)
{
	return release_load(&s->config, &s->keys, s->started, &s->release);
}

/* What all connections share. */
static int make_ground(struct server *s)
{
	int r = tls_context_new(&s->keys.tls, &s->tls);

	if (r >= 0)
		r = deadlines_new(s->loop, stream_expired, &s->deadlines);
	if (r >= 0)
		r = poller_new(s->loop, stream_ready, &s->poller);
	if (r >= 0)
		r = beats_new(s->loop, agent_beat, &s->beats);
	if (r >= 0 && turn_is_shared(s->turn))
		beats_share(s->beats, s->turn);
	return r < 0 ? r : channels_new(&s->channels);
}

static int limit_guesses(struct server *s)
{
	guesses_limit(s->guesses, s->config.wrong_tokens_per_source, s->config.wrong_tokens);
	return 0;
}

static int audit_start(struct server *s)
{
	int r = turn_enter(s->turn);

	if (r >= 0)
		r = store_audit(s->store, "server", "server.start", "", "version " MUSTER_VERSION);
	return r < 0 ? log_err(r, "cannot write to the database") : 0;
}

/* What there must be but one of, however many processes serve. */
static int start_duties(struct server *s)
{
	static const step duties[] = {
		audit_start,
		events_start,
		access_start,
		control_start,
		dashboard_start,
		monitor_start,
		webhooks_start,
		messages_start,
		ephemeral_start,
		lost_start,
		dialer_start,
		outlet_start,
	};

	return s->worker == 0 ? take_steps(s, duties, COUNT(duties)) : 0;
}

int server_start(struct server *s)
{
	static const step steps[] = {
		make_loop,
		open_store,
		changes_start,
		load_release,
		make_ground,
		dblink_start,
		configs_start,
		enrol_start,
		limit_guesses,
		mesh_start,
		presence_start,
		updates_start,
		start_duties,
		listener_start,
		tally_start,
		workers_start,
	};

	return take_steps(s, steps, COUNT(steps));
}

/* In the reverse order. */
void server_stop(struct server *s)
{
	workers_stop(s);
	tally_stop(s);
	listener_stop(s);
	dashboard_stop(s);
	monitor_stop(s);
	webhooks_stop(s); /* a door may have had a test under way */
	events_stop(s);
	control_stop(s);
	access_stop(s);
	outlet_stop(s);
	lost_stop(s);
	ephemeral_stop(s);
	messages_stop(s);
	presence_stop(s);
	dialer_stop(s);
	s->turn = turn_free(s->turn);
	mesh_stop(s); /* nobody is told of the connections that end now */
	streams_end(s);
	s->listeners = listener_free(s->listeners);
	s->guess_timer = sd_event_source_disable_unref(s->guess_timer);
	configs_stop(s);
	updates_stop(s);
	s->channels = channels_free(s->channels);
	s->beats = beats_free(s->beats);
	s->deadlines = deadlines_free(s->deadlines);
	s->poller = poller_free(s->poller);
	changes_stop(s);
	SSL_CTX_free(s->tls);
	release_clear(&s->release);
	dblink_stop(s);
	s->store = store_close(s->store);
	keys_clear(&s->keys);
	s->loop = sd_event_unref(s->loop);
}
