/* SPDX-License-Identifier: MIT */
/* muster-server(8): options, the order of start and stop, signals. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

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
#include "lib/secret.h"
#include "limits.h"
#include "listener.h"
#include "log.h"
#include "mesh.h"
#include "messages.h"
#include "notice.h"
#include "outlet.h"
#include "poller.h"
#include "presence.h"
#include "server.h"
#include "stream.h"
#include "tls.h"
#include "webhooks.h"
#include "workers.h"

#define EXIT_USAGE      2
#define STATUS_USEC     10000000u
#define STATUS_ACCURACY 2000000u

struct options {
	const char *config, *state;
	bool check;
};

static const char usage[] =
	"usage: muster-server [--config FILE] [--state DIR] [--check]\n"
	"\n"
	"  --config FILE  configuration (default " CONFIG_PATH ")\n"
	"  --state DIR    folder of keys and database, instead of State= in the configuration\n"
	"  --check        say whether the configuration is in order, and end\n"
	"  --version      say the version, and end\n"
	"  --help         say this, and end\n";

/* ---- configuration */

static int read_config(const struct options *o, struct config *ret)
{
	static char error[CONFIG_ERROR_SIZE];
	struct config c;

	config_defaults(&c);
	int r = config_load(o->config != NULL ? o->config : CONFIG_PATH, &c, error);
	if (r == -ENOENT && o->config == NULL) /* the default one may be missing */
		r = 0;
	if (r < 0) {
		log_at(LOG_ERR, "%s", error);
		return r;
	}
	if (o->state != NULL) {
		char path[PATH_MAX];
		const char *base = o->state[0] == '/' ? "" : getcwd(path, sizeof(path));

		if (base == NULL ||
			(size_t)snprintf(c.state, sizeof(c.state), "%s%s%s", base,
				base[0] != '\0' ? "/" : "", o->state) >= sizeof(c.state))
			return log_err(-ENAMETOOLONG, "cannot use the state folder '%s'", o->state);
	}
	*ret = c;
	return 0;
}

/* What can't change while the server runs stays as it is, and is told. */
static void keep_fixed(const struct config *old, struct config *new)
{
	if (old->listen_count != new->listen_count ||
		memcmp(old->listen, new->listen, sizeof(old->listen)) != 0)
		log_warning("Listen= has changed: that takes a restart");
	if (strcmp(old->state, new->state) != 0)
		log_warning("State= has changed: that takes a restart");
	if (strcmp(old->store, new->store) != 0 ||
		strcmp(old->store_password_file, new->store_password_file) != 0)
		log_warning("Store= or StorePasswordFile= has changed: that takes a restart");
	if (strcmp(old->control, new->control) != 0)
		log_warning("Control= has changed: that takes a restart");
	if (old->workers != new->workers)
		log_warning("Workers= has changed: that takes a restart");
	if (old->dashboard.len != new->dashboard.len ||
		memcmp(&old->dashboard, &new->dashboard, sizeof(old->dashboard)) != 0)
		log_warning("Listen= of [dashboard] has changed: that takes a restart");
	new->listen_count = old->listen_count;
	if (old->monitor.len != new->monitor.len ||
		memcmp(&old->monitor, &new->monitor, sizeof(old->monitor)) != 0)
		log_warning("MetricsListen= has changed: that takes a restart");
	new->dashboard = old->dashboard;
	new->monitor = old->monitor;
	memcpy(new->listen, old->listen, sizeof(old->listen));
	strcpy(new->state, old->state);
	strcpy(new->store, old->store);
	strcpy(new->store_password_file, old->store_password_file);
	strcpy(new->control, old->control);
	new->workers = old->workers;
	if (new->name[0] == '\0')
		strcpy(new->name, old->name);
}

/* ---- events */

struct running {
	struct server *server;
	const struct options *options;
	char status[96];
};

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct running *r = userdata;

	if (r->server->board == NULL) /* else the supervisor says so */
		log_info("stopping (%s)", strsignal((int)info->ssi_signo));
	enrol_tell(r->server);
	presence_leave(r->server);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* systemd.service(5), Type=notify-reload: RELOADING=1 with the time, then READY=1. */
static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct running *r = userdata;
	struct server *s = r->server;
	char reloading[64];
	struct config new;
	uint64_t now = 0;

	(void)source;
	(void)info;
	sd_event_now(s->loop, CLOCK_MONOTONIC, &now);
	snprintf(reloading, sizeof(reloading), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now);
	notice_tell(reloading);
	if (read_config(r->options, &new) < 0) {
		log_at(LOG_ERR, "the configuration stays as it was");
	} else {
		keep_fixed(&s->config, &new);
		limits_apply(&new, s->board != NULL); /* its supervisor has told */
		s->config = new;
		outlet_wake(s);
		guesses_limit(s->guesses, new.wrong_tokens_per_source, new.wrong_tokens);
		if (s->worker == 0)
			log_info("read the configuration again");
	}
	if (release_load(&s->config, &s->keys, store_now(s->store), &s->release) < 0)
		log_at(LOG_ERR, "the release stays as it was");
	notice_tell("READY=1");
	return 0;
}

static void tell_status(struct running *r)
{
	char status[sizeof(r->status)];

	snprintf(status, sizeof(status), "STATUS=%zu machine%s connected%s",
		channels_count(r->server->channels),
		channels_count(r->server->channels) == 1 ? "" : "s",
		dblink_up(r->server) ? "" : "; the database can't be reached");
	if (strcmp(status, r->status) == 0)
		return;
	strcpy(r->status, status);
	notice_tell(status);
}

static void on_database(void *userdata)
{
	tell_status(userdata);
}

static int on_status(sd_event_source *source, uint64_t at, void *userdata)
{
	tell_status(userdata);
	int r = sd_event_source_set_time(source, at + STATUS_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int watch_events(struct server *s, struct running *running)
{
	uint64_t now = 0;
	int r = sd_event_add_signal(s->loop, NULL, SIGTERM, on_stop, running);

	if (r >= 0)
		r = sd_event_add_signal(s->loop, NULL, SIGINT, on_stop, running);
	if (r >= 0)
		r = sd_event_add_signal(s->loop, NULL, SIGHUP, on_reload, running);
	if (r >= 0)
		r = sd_event_now(s->loop, CLOCK_MONOTONIC, &now);
	if (r >= 0)
		r = sd_event_add_time(s->loop, NULL, CLOCK_MONOTONIC, now + STATUS_USEC,
			STATUS_ACCURACY, on_status, running);
	if (r >= 0)
		r = sd_event_set_watchdog(s->loop, true);
	return r < 0 ? log_err(r, "cannot watch for signals") : 0;
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

/* ---- start and stop */

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
	int r = audit_start(s);

	if (r >= 0)
		r = events_start(s);
	if (r >= 0)
		r = access_start(s);
	if (r >= 0)
		r = control_start(s);
	if (r >= 0)
		r = dashboard_start(s);
	if (r >= 0)
		r = monitor_start(s);
	if (r >= 0)
		r = webhooks_start(s);
	if (r >= 0)
		r = messages_start(s);
	if (r >= 0)
		r = ephemeral_start(s);
	if (r >= 0)
		r = dialer_start(s);
	return r < 0 ? r : outlet_start(s);
}

/* Each step logs its own failure, but for those that lack memory only. */
static int start(struct server *s)
{
	int r = make_loop(s);

	if (r >= 0)
		r = open_store(s);
	if (r >= 0)
		r = changes_start(s);
	if (r >= 0)
		r = release_load(&s->config, &s->keys, s->started, &s->release);
	if (r >= 0)
		r = tls_context_new(&s->keys.tls, &s->tls);
	if (r >= 0)
		r = deadlines_new(s->loop, stream_expired, &s->deadlines);
	if (r >= 0)
		r = poller_new(s->loop, stream_ready, &s->poller);
	if (r >= 0)
		r = beats_new(s->loop, agent_beat, &s->beats);
	if (r >= 0 && turn_is_shared(s->turn))
		beats_share(s->beats, s->turn);
	if (r >= 0)
		r = dblink_start(s);
	if (r >= 0)
		r = channels_new(&s->channels);
	if (r >= 0)
		r = configs_start(s);
	if (r >= 0)
		r = enrol_start(s);
	if (r < 0)
		return r;
	guesses_limit(s->guesses, s->config.wrong_tokens_per_source, s->config.wrong_tokens);
	r = mesh_start(s);
	if (r >= 0)
		r = presence_start(s);
	if (r >= 0 && s->worker == 0)
		r = start_duties(s);
	if (r >= 0)
		r = listener_start(s);
	if (r >= 0)
		r = tally_start(s);
	return r < 0 ? r : workers_start(s);
}

/* In the reverse order; takes a server that has been started in part only. */
static void stop(struct server *s)
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

/* In the supervisor of several workers. */
static void reread(void *userdata)
{
	struct running *r = userdata;
	struct config new;

	if (read_config(r->options, &new) < 0) /* the first worker tells what becomes of it */
		return;
	keep_fixed(&r->server->config, &new);
	limits_apply(&new, false);
	r->server->config = new;
}

static int serve(struct running *running)
{
	struct server *s = running->server;
	int r = start(s);

	if (r >= 0)
		r = watch_events(s, running);
	if (r >= 0) {
		notice_tell("READY=1");
		tell_status(running);
		dblink_watch(s, on_database, running);
		if (s->board == NULL)
			log_info("muster-server " MUSTER_VERSION " is ready as %s", s->config.name);
		r = sd_event_loop(s->loop);
		if (r < 0)
			log_err(r, "the event loop failed");
	}
	notice_tell("STOPPING=1");
	stop(s);
	return r;
}

static int run(const struct options *o, struct config *config)
{
	struct server s = { .config = *config };
	struct running running = { .server = &s, .options = o };

	limits_apply(&s.config, false);
	int r = guesses_new(&s.guesses);
	if (r >= 0)
		r = sockets_open(&s.config, &s.sockets);
	if (r >= 0)
		r = s.config.workers > 1 ? workers_run(&s, reread, &running) : 1;
	if (r > 0)
		r = serve(&running);
	sockets_close(&s.sockets);
	guesses_free(s.guesses);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- options */

static int once(const char **field, const char *name)
{
	if (*field == NULL) {
		*field = optarg;
		return 0;
	}
	fprintf(stderr, "muster-server: --%s is given twice\n", name);
	return EXIT_USAGE;
}

/* -1: go on; otherwise the program's exit code. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int which;

	while ((which = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		int code = 0;

		switch (which) {
		case 'c':
			code = once(&ret->config, "config");
			break;
		case 's':
			code = once(&ret->state, "state");
			break;
		case 'k':
			ret->check = true;
			break;
		case 'v':
			puts("muster-server " MUSTER_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
		if (code != 0)
			return code;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "muster-server: '%s' is not an option\n%s", argv[optind], usage);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static struct options options;
	struct config config;

	int code = parse_options(argc, argv, &options);
	if (code >= 0)
		return code;
	log_open("muster-server", LOG_INFO);
	umask(077);
	int r = secret_init();
	if (r >= 0)
		r = secret_protect_process();
	if (r < 0) {
		log_err(r, "cannot protect secrets in memory");
		return EXIT_FAILURE;
	}
	if (read_config(&options, &config) < 0)
		return EXIT_FAILURE;
	if (options.check) {
		printf("%s: in order\n", options.config != NULL ? options.config : CONFIG_PATH);
		return EXIT_SUCCESS;
	}
	return run(&options, &config);
}
