/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "enrol/install.h"
#include "enrol/servers.h"
#include "lib/secret.h"

#ifndef MUSTER_VERSION
#error "the Makefile tells the version"
#endif

static void on_signal(int number)
{
	if (enrol_signal)
		return;
	enrol_signal = number;
	enrol_cancel = 1;
}

/* nohup's wish is respected; the others are often ignored only because a shell has put this program
 * into the background. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

/* A file opened later must not become standard output. */
static int open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int usage_error(const struct options *o, const char *why)
{
	if (o->json) {
		fputs("{\"result\":\"failed\",\"detail\":", stdout);
		report_json_string(stdout, why);
		printf(",\"exit\":%d}\n", EXIT_USAGE);
	} else {
		struct report r;

		report_setup(&r, false, false);
		r.step = "usage";
		report_failed(&r, EXIT_USAGE, "%s; see muster-enrol --help", why);
	}
	return EXIT_USAGE;
}

static int prepare(struct enrol *e)
{
	int r;

	report_begin(&e->report, "preflight");
	if (geteuid() != 0)
		return report_failed(&e->report, EXIT_NOT_ROOT,
			"only root can do this: run muster-enrol with sudo");
	r = secret_init();
	if (r == 0)
		r = secret_protect_process();
	if (r == 0)
		r = uplink_global_init();
	if (r < 0)
		return enrol_failed(e, EXIT_INTERNAL, r, "cannot start", NULL);
	e->uplink = (struct uplink_options){ .pins = e->options.pins_text,
		.proxy = e->options.proxy,
		.connect_timeout = 20,
		.cancel = &enrol_cancel };
	servers_use(e, &e->options.servers);
	return 0;
}

static int run(struct enrol *e)
{
	if (e->options.mode == MODE_UNINSTALL)
		return run_uninstall(e);
	return e->options.mode == MODE_UPDATE ? run_update(e) : run_enrolment(e);
}

/* What changes, or would change, the machine. */
static int run_changing(struct enrol *e)
{
	int code = prepare(e);

	if (code != 0)
		report_result(&e->report, "failed", code, NULL, NULL);
	else
		code = run(e);
	contact_close(&e->contact);
	keys_clear(e);
	journal_close(&e->journal);
	return code;
}

static int write_units(struct enrol *e)
{
	int r = install_units(e->options.units_folder);

	e->report.step = "units";
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot write to", e->options.units_folder)
		     : EXIT_OK;
}

int main(int argc, char **argv)
{
	static struct enrol e = { .journal = { .folder = -1, .file = -1 } };
	char why[512];

	if (open_standard_files() < 0)
		return EXIT_INTERNAL;
	umask(077);
	/* libcurl would write the connections' keys there. */
	unsetenv("SSLKEYLOGFILE");
	if (options_parse(&e.options, argc, argv, why, sizeof why) < 0)
		return usage_error(&e.options, why);
	report_setup(&e.report, e.options.json, e.options.quiet);
	switch (e.options.mode) {
	case MODE_HELP:
		options_help(stdout);
		return EXIT_OK;
	case MODE_VERSION:
		puts("muster-enrol " MUSTER_VERSION);
		return EXIT_OK;
	case MODE_STATUS:
		return run_status(&e);
	case MODE_UNITS:
		return write_units(&e);
	case MODE_ENROL:
	case MODE_UNINSTALL:
	case MODE_REKEY:
	case MODE_UPDATE:
		break;
	}
	catch_signals();
	return run_changing(&e);
}
