/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "agent/apply.h"
#include "agent/config.h"
#include "agent/door.h"
#include "agent/ending.h"
#include "agent/listen.h"
#include "agent/log.h"
#include "agent/outcome.h"
#include "agent/renewal.h"
#include "agent/send.h"
#include "agent/status.h"
#include "lib/memory.h"
#include "lib/secret.h"

#define STATE_FOLDER   "/var/lib/muster-agent"
#define RUNTIME_FOLDER "/run/muster-agent"
#define PRIVATE_FOLDER "/var/lib/private/muster-agent" /* the state folder, as root sees it */

#define UPDATE_FOLDER "/var/lib/muster-update"
#define ENROL_PROGRAM "/usr/local/sbin/muster-enrol"
#define ENROL_JOURNAL "/var/lib/muster-enrol/journal"

/* Exit codes, muster-agent(8). EX_CONFIG (78) is for a mistake that starting again can't mend. */
enum { EXIT_USAGE = 2, EXIT_NOT_CONNECTED = 3 };

static const char help[] =
	"usage: muster-agent [--config FILE]\n"
	"       muster-agent status [--json]\n"
	"       muster-agent send [--type TYPE] [--timeout TIME] [TEXT | - | -f FILE]\n"
	"       muster-agent send --lines [--type TYPE] [--timeout TIME] [- | -f FILE]\n"
	"       muster-agent --version | --help\n"
	"\n"
	"Keeps this machine in touch with its muster server; systemd runs it.\n"
	"\n"
	"  --config FILE  use FILE instead of " CONFIG_PATH "\n"
	"  status         tell what the running agent is doing; --json: for programs\n"
	"  send           hand a message to the server: it is stored on this machine's\n"
	"                 disk when the command ends, and the agent delivers it;\n"
	"                 --lines: each line of the input is one\n"
	"\n"
	"Exit codes: 0 well; 1 failure; 2 wrong usage; 3 status: not connected;\n"
	"send: 4 not permitted, 5 too much waits already, 6 no agent answers;\n"
	"77 revoked by the server; 78 configuration or keys missing or wrong. See "
	"muster-agent(8).\n";

static const char *folder(const char *variable, const char *otherwise)
{
	const char *value = getenv(variable);

	return value && *value == '/' ? value : otherwise;
}

/* ---------------------------------------------------------------- the daemon */

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info;
	(void)sd_notify(0, "RELOADING=1");
	agent_reload(userdata);
	(void)sd_notify(0, "READY=1");
	return 0;
}

static int add_signals(sd_event *event, struct agent *a)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL); /* NULL: ends the loop with 0 */
	r = r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	r = r < 0 ? r : sd_event_add_signal(event, NULL, SIGHUP, on_hangup, a);
	return r < 0 ? r : sd_event_set_watchdog(event, 1);
}

/* What may be better at the next start; anything else is in the configuration or the keys. */
static bool may_pass(int error)
{
	return error == -ENOMEM || error == -EIO || error == -EMFILE || error == -ENFILE;
}

/* systemctl status has it, at every start again. */
static int tell_revoked(const struct agent_paths *paths)
{
	char why[ENDING_SIZE];

	if (ending_read(paths->state, why) < 0)
		*why = '\0';
	listen_shut(paths);
	(void)sd_notifyf(
		0, "STATUS=Revoked by the server, no keys left%s%s", *why ? ": " : "", why);
	return AGENT_EXIT_REVOKED;
}

static int run(sd_event *event, const struct agent_paths *paths)
{
	struct agent *a = NULL;
	int r = agent_new(event, paths, &a);

	if (r == -EKEYREVOKED)
		return tell_revoked(paths);
	if (r < 0)
		return may_pass(r) ? EXIT_FAILURE : EX_CONFIG;
	r = add_signals(event, a);
	if (r < 0) {
		(void)log_err(r, "cannot prepare the event loop");
	} else {
		(void)sd_notify(0, "READY=1");
		r = sd_event_loop(event);
		(void)sd_notify(0, "STOPPING=1");
	}
	agent_free(a);
	return r < 0 ? EXIT_FAILURE : r;
}

static int serve(const char *config)
{
	struct agent_paths paths = {
		.config = config,
		.state = folder("STATE_DIRECTORY", STATE_FOLDER),
		.runtime = folder("RUNTIME_DIRECTORY", RUNTIME_FOLDER),
	};
	sd_event *event = NULL;
	int r;

	memory_prepare();
	r = listen_sockets(&paths.port, &paths.send);
	r = r < 0 ? r : secret_init();
	r = r < 0 ? r : secret_protect_process();
	r = r < 0 ? r : uplink_global_init();
	r = r < 0 ? r : sd_event_new(&event);
	if (r < 0) {
		(void)log_err(r, "cannot start");
		return EXIT_FAILURE;
	}
	r = run(event, &paths);
	sd_event_unref(event);
	uplink_global_end();
	return r;
}

/* ---------------------------------------------------------------- commands */

static int usage(void)
{
	(void)fputs("muster-agent: wrong usage, see muster-agent --help\n", stderr);
	return EXIT_USAGE;
}

static int show_status(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, {} };
	struct status s;
	bool json = false, listening;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j' || json)
			return usage();
		json = true;
	}
	if (optind < argc)
		return usage();
	r = status_read(RUNTIME_FOLDER, &s);
	if (r < 0 && r != -ENOENT) {
		(void)log_err(r, "cannot read '" RUNTIME_FOLDER "/status'");
		return EXIT_FAILURE;
	}
	/* systemd has both sockets of the unit, or none. */
	listening = r == -ENOENT ? access(DOOR_OF_SYSTEMD, F_OK) == 0 : s.state == LISTENING;
	if (r == -ENOENT)
		status_show_stopped(json, listening);
	else if (json)
		status_show_json(&s);
	else
		status_show(&s);
	return listening || (r == 0 && s.state == CONNECTED) ? EXIT_SUCCESS : EXIT_NOT_CONNECTED;
}

/* For muster-apply.service alone; it would do no harm otherwise. */
static int apply_order(int argc, char **argv)
{
	(void)argv;
	return argc > 1 ? usage() : apply_run(CONFIG_PATH, PRIVATE_FOLDER);
}

/* For muster-update.service alone. */
static int update_agent(int argc, char **argv)
{
	static const struct renewal_setup setup = { .config = CONFIG_PATH,
		.state = PRIVATE_FOLDER,
		.runtime = RUNTIME_FOLDER,
		.folder = UPDATE_FOLDER,
		.outcome = OUTCOME_FILE,
		.program = ENROL_PROGRAM,
		.journal = ENROL_JOURNAL,
		.pause = RENEWAL_PAUSE };

	(void)argv;
	return argc > 1 ? usage() : renewal_run(&setup);
}

static int send_messages(int argc, char **argv)
{
	return send_command(RUNTIME_FOLDER, argc, argv);
}

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "apply", apply_order },
	{ "status", show_status },
	{ "send", send_messages },
	{ "update", update_agent },
};

static int run_command(int argc, char **argv)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc, argv);
	return usage();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{},
	};
	const char *config = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (config)
				return usage();
			config = optarg;
			break;
		case 'h':
			return fputs(help, stdout) < 0;
		case 'V':
			return puts("muster-agent " MUSTER_VERSION) < 0;
		default:
			return EXIT_USAGE; /* getopt has said what is wrong */
		}
	}
	if (optind == argc)
		return serve(config ? config : CONFIG_PATH);
	if (config)
		return usage();
	argc -= optind;
	argv += optind;
	optind = 0; /* begins anew, GNU's way */
	return run_command(argc, argv);
}
