/* SPDX-License-Identifier: MIT */
/*
 * muster-enrol --rekey: the machine becomes another client of its server. The enrolment itself is
 * the one of any machine, by the steps of the same names; then the new keys lie beside the old
 * ones, and writing the configuration with the new id, by one rename, is what makes it another
 * (agent/rekey.h). Before that the old identity works on, and everything is undone when it fails;
 * after it nothing is undone, and what was cut off the next run finishes.
 */
#include <errno.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/unit.h"
#include "lib/buffer.h"
#include "lib/file.h"

#define CONF_MAX      16384
#define HELLO_SECONDS 30

static const char *const next_names[][2] = {
	{ IDENTITY_NAME, NEXT_IDENTITY_NAME },
	{ TLS_NAME, NEXT_TLS_NAME },
};

/* ---- preflight */

static int recover(struct enrol *e, const struct machine_conf *c)
{
	const char *id = journal_find(&e->journal, JOURNAL_CLIENT);

	if (journal_find(&e->journal, JOURNAL_READY))
		return report_failed(&e->report, EXIT_BUSY,
			"the enrolment of this machine was cut off: run the installer again first");
	if (id && strcmp(id, c->client) == 0) {
		report_warn(&e->report, "resumed",
			"an earlier run was cut off before its end; it is continued");
		e->resumed = true;
		return machine_parse_id(id, e->answer.client_id)
			       ? 0
			       : report_failed(&e->report, EXIT_INTERNAL,
					 "the journal in " JOURNAL_FOLDER " can't be read");
	}
	return run_undo_cut_off(e);
}

static int look(struct enrol *e)
{
	static struct machine_conf c;
	struct stat st;
	int code, r = machine_conf_read(&c);

	if (r == -ENOENT)
		return report_failed(&e->report, EXIT_NOT_ENROLLED,
			"this machine is not enrolled: there are no keys to replace");
	if (r == 0)
		r = machine_use_conf(e, &c);
	if (r < 0)
		return enrol_failed(e, EXIT_UNSUPPORTED, r, "cannot use", AGENT_CONF);
	if (place_look(SOCKET_FILE, &st) != -ENOENT)
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"this machine listens: uninstall it while it can't reach the server, and "
			"enrol it anew");
	code = e->journal.count > 0 ? recover(e, &c) : 0;
	if (code == 0 && !e->resumed)
		report_done(&e->report, "client %s at %s gets new keys", c.client, c.server);
	return code;
}

/* What is refused here leaves an enrolment that was cut off to the run that can continue it: only
 * who has opened the journal undoes what it tells of. */
int step_rekey_preflight(struct enrol *e)
{
	int code = machine_check_system(e);

	if (code == 0)
		code = machine_hold(e, true);
	if (code != 0)
		return code;
	code = look(e);
	if (code != 0 && e->journal.count > 0)
		journal_close(&e->journal);
	return code;
}

/* ---- install */

int rekey_wipe_next(void)
{
	int r = place_wipe_in(STATE_FOLDER, NEXT_CLIENT_NAME);

	for (size_t i = 0; i < COUNT(next_names); i++) {
		int one = place_wipe_in(STATE_FOLDER, next_names[i][1]);

		r = r < 0 ? r : one;
	}
	return r == -ENOENT ? 0 : r;
}

static int write_keys(void)
{
	char from[128], text[8192];
	ssize_t len = 0;
	int r = 0;

	for (size_t i = 0; i < COUNT(next_names) && r == 0; i++) {
		snprintf(from, sizeof from, JOURNAL_FOLDER "/%s", next_names[i][0]);
		len = place_read(from, text, sizeof text);
		r = len < 0 ? (int)len
			    : place_write_in(
				      STATE_FOLDER, next_names[i][1], text, (size_t)len, 0600);
	}
	explicit_bzero(text, sizeof text);
	return r;
}

/* A line "Client=ID", with blanks where muster-agent.conf(5) allows them. */
static bool is_client_line(const char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "Client", 6) != 0)
		return false;
	return line[6 + strspn(line + 6, " \t")] == '=';
}

/* The configuration as it is, but for the id. */
static int print_conf(const char *old, const char *id, struct buffer *out)
{
	bool found = false;
	int r = 0;

	while (*old && r == 0) {
		size_t len = strcspn(old, "\n");

		if (is_client_line(old) && !found) {
			r = buffer_printf(out, "Client=%s\n", id);
			found = true;
		} else {
			r = buffer_printf(out, "%.*s\n", (int)len, old);
		}
		old += len + (old[len] == '\n');
	}
	return r < 0 ? r : found ? 0 : -EBADMSG;
}

/* The folder is root's alone, as place_folder() checks. */
static int write_conf(const char *id)
{
	char text[CONF_MAX];
	struct buffer out = {};
	scoped(closep) int folder = place_folder(CONF_FOLDER);
	ssize_t len = folder < 0 ? folder : place_read(AGENT_CONF, text, sizeof text);
	int r = len < 0 ? (int)len : print_conf(text, id, &out);

	if (r == 0)
		r = file_write_atomic(AGENT_CONF, out.data, out.len, 0644);
	buffer_clear(&out);
	return r;
}

/* Also when the file stands there, but it couldn't be told whether it is on the disk. */
static bool is_written(const char *id)
{
	struct machine_conf c;

	return machine_conf_read(&c) == 0 && strcmp(c.client, id) == 0;
}

static int prepare_next(struct enrol *e, const char *id)
{
	int r = rekey_wipe_next();

	if (r == 0)
		r = write_keys();
	if (r == 0)
		r = install_client_file(e, NEXT_CLIENT_NAME, id);
	return r;
}

int step_rekey_install(struct enrol *e)
{
	char id[CLIENT_ID_TEXT_SIZE];
	const char *path = STATE_FOLDER;
	int r;

	client_text(e->answer.client_id, id);
	r = prepare_next(e, id);
	if (r == 0 && enrol_signal) {
		rekey_wipe_next();
		return enrol_ended(e);
	}
	if (r == 0) {
		path = AGENT_CONF;
		r = write_conf(id);
	}
	if (r < 0 && !is_written(id)) {
		rekey_wipe_next();
		return enrol_failed(e, EXIT_INSTALL, r, "cannot write to", path);
	}
	e->resumed = true;
	report_done(&e->report, "this machine is client %s; messages that waited are dropped", id);
	return 0;
}

/* ---- start */

int step_rekey_start(struct enrol *e)
{
	char id[CLIENT_ID_TEXT_SIZE], said[UNIT_SAID_SIZE];
	struct agent_status status;
	int r = unit_restart(UNIT_NAME, said);

	if (r < 0)
		return report_failed(&e->report, EXIT_INSTALL,
			"systemd can't restart " UNIT_NAME ": %s", *said ? said : strerror(-r));
	client_text(e->answer.client_id, id);
	r = agent_status_wait(
		id, HELLO_SECONDS * (unsigned)e->options.servers.count, &enrol_cancel, &status);
	if (r == -ECANCELED)
		return enrol_ended(e);
	if (r < 0)
		return report_failed(&e->report, EXIT_NO_HELLO,
			"the agent was restarted as client %s, but %s has not acknowledged it%s%s; "
			"it goes on trying",
			id, e->options.server, *status.detail ? ": " : "", status.detail);
	report_done(&e->report, UNIT_NAME " runs; its first report was acknowledged");
	return 0;
}
