/* SPDX-License-Identifier: MIT */
/* muster-server(8): options, the configuration and its reading anew, signals. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "channels.h"
#include "dblink.h"
#include "enrol.h"
#include "guesses.h"
#include "lib/memory.h"
#include "lib/secret.h"
#include "limits.h"
#include "log.h"
#include "notice.h"
#include "outlet.h"
#include "presence.h"
#include "server.h"
#include "updates.h"
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

/* State= is absolute, --state needs not be. */
static int set_state(struct config *c, const char *state)
{
	char folder[PATH_MAX];
	bool absolute = state[0] == '/';
	int len = -1;

	if (absolute || getcwd(folder, sizeof(folder)) != NULL)
		len = snprintf(c->state, sizeof(c->state), "%s%s%s", absolute ? "" : folder,
			absolute ? "" : "/", state);
	if (len < 0 || (size_t)len >= sizeof(c->state))
		return log_err(-ENAMETOOLONG, "cannot use the state folder '%s'", state);
	return 0;
}

static void tell_doubts(const struct config *c)
{
	if (c->idle_timeout > 0 && c->idle_timeout <= c->heartbeat)
		log_warning("IdleTimeout=%u is not longer than Heartbeat=%u: the connections of "
			    "machines end between two reports",
			c->idle_timeout, c->heartbeat);
}

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
	r = o->state != NULL ? set_state(&c, o->state) : 0;
	if (r < 0)
		return r;
	tell_doubts(&c);
	*ret = c;
	return 0;
}

static bool same_listen(const struct config *a, const struct config *b)
{
	bool same = a->listen_count == b->listen_count;

	for (size_t i = 0; same && i < a->listen_count; i++)
		same = address_same(&a->listen[i], &b->listen[i]);
	return same;
}

/* What differs, as the file calls it. */
static void tell_fixed(const struct config *a, const struct config *b)
{
	const struct {
		bool same;
		const char *name;
	} fixed[] = {
		{ same_listen(a, b), "Listen=" },
		{ strcmp(a->state, b->state) == 0, "State=" },
		{ strcmp(a->store, b->store) == 0, "Store=" },
		{ strcmp(a->store_password_file, b->store_password_file) == 0,
			"StorePasswordFile=" },
		{ a->store_timeout == b->store_timeout, "StoreTimeout=" },
		{ strcmp(a->control, b->control) == 0, "Control=" },
		{ a->workers == b->workers, "Workers=" },
		{ address_same(&a->dashboard, &b->dashboard), "Listen= of [dashboard]" },
		{ address_same(&a->monitor, &b->monitor), "MetricsListen=" },
	};

	for (size_t i = 0; i < COUNT(fixed); i++)
		if (!fixed[i].same)
			log_warning("%s has changed: that takes a restart", fixed[i].name);
}

/* What can't change while the server runs stays as it is. */
static void keep_fixed(const struct config *old, struct config *new)
{
	memcpy(new->listen, old->listen, sizeof(old->listen));
	new->listen_count = old->listen_count;
	strcpy(new->state, old->state);
	strcpy(new->store, old->store);
	strcpy(new->store_password_file, old->store_password_file);
	new->store_timeout = old->store_timeout;
	strcpy(new->control, old->control);
	new->workers = old->workers;
	new->dashboard = old->dashboard;
	new->monitor = old->monitor;
	if (new->names.count == 0)
		new->names = old->names;
}

/* Reads it again, into *c. told: the log tells already what it lacks or can't change. */
static int reread_config(const struct options *o, struct config *c, bool told)
{
	struct config new;

	int r = read_config(o, &new);
	if (r < 0)
		return r;
	if (!told)
		tell_fixed(c, &new);
	keep_fixed(c, &new);
	limits_apply(&new, told);
	*c = new;
	return 0;
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
	uint64_t now = 0;

	(void)source;
	(void)info;
	sd_event_now(s->loop, CLOCK_MONOTONIC, &now);
	snprintf(reloading, sizeof(reloading), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now);
	notice_tell(reloading);
	/* A worker's supervisor has told. */
	if (reread_config(r->options, &s->config, s->board != NULL) < 0) {
		log_at(LOG_ERR, "the configuration stays as it was");
	} else {
		outlet_wake(s);
		guesses_limit(
			s->guesses, s->config.wrong_tokens_per_source, s->config.wrong_tokens);
		if (s->worker == 0)
			log_info("read the configuration again");
	}
	if (release_load(&s->config, &s->keys, store_now(s->store), &s->release) < 0)
		log_at(LOG_ERR, "the release stays as it was");
	updates_look(s);
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

/* ---- a life */

/* In the supervisor of several workers. The first of them tells if the configuration stays. */
static void on_reread(void *userdata)
{
	struct running *r = userdata;

	(void)reread_config(r->options, &r->server->config, false);
}

static int serve(struct running *running)
{
	struct server *s = running->server;
	int r = server_start(s);

	if (r >= 0)
		r = watch_events(s, running);
	if (r >= 0) {
		notice_tell("READY=1");
		tell_status(running);
		dblink_watch(s, on_database, running);
		if (s->board == NULL)
			log_info("muster-server " MUSTER_VERSION " is ready as %s",
				config_name(&s->config));
		memory_give_back(); /* what starting took */
		r = sd_event_loop(s->loop);
		if (r < 0)
			log_err(r, "the event loop failed");
	}
	notice_tell("STOPPING=1");
	server_stop(s);
	return r;
}

static int run(const struct options *o, const struct config *config)
{
	struct server s = { .config = *config };
	struct running running = { .server = &s, .options = o };

	limits_apply(&s.config, false);
	int r = guesses_new(&s.guesses);
	if (r >= 0)
		r = sockets_open(&s.config, &s.sockets);
	if (r >= 0)
		r = s.config.workers > 1 ? workers_run(&s, on_reread, &running) : 1;
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
