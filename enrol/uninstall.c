/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/servers.h"
#include "enrol/unit.h"

#define LEAVE_SECONDS 5

/* ---- telling the server */

static int parse_conf(struct enrol *e, const struct machine_conf *c, uint8_t id[CLIENT_ID_SIZE])
{
	for (size_t i = 0; i < CLIENT_ID_SIZE; i++)
		if (sscanf(c->client + 2 * i, "%2hhx", &id[i]) != 1)
			return -EBADMSG;
	if (c->servers.count == 0 || !*c->pins)
		return -EBADMSG;
	return identity_public_from_text(c->server_key, e->options.server_key);
}

/* The state is the agent's user's. It doesn't run any more, so the keys can be made root's, which
 * is what reading secrets asks for. */
static int load_keys(struct enrol *e)
{
	static const char *const names[] = { IDENTITY_NAME, TLS_NAME };
	int r = 0;

	for (size_t i = 0; i < COUNT(names) && r == 0; i++)
		r = place_claim_in(STATE_FOLDER, names[i]);
	if (r == 0)
		r = identity_load(STATE_FOLDER "/" IDENTITY_NAME, &e->identity);
	if (r == 0)
		r = tlskey_load(STATE_FOLDER "/" TLS_NAME, &e->tls);
	return r;
}

static int leave(struct enrol *e, const struct machine_conf *c)
{
	uint8_t id[CLIENT_ID_SIZE];
	int r = parse_conf(e, c, id);

	e->uplink = (struct uplink_options){ .pins = c->pins,
		.proxy = c->has_proxy ? c->proxy : NULL,
		.tls = &e->tls,
		.connect_timeout = LEAVE_SECONDS,
		.cancel = &enrol_cancel };
	servers_use(e, &c->servers);
	if (r == 0)
		r = load_keys(e);
	if (r < 0) {
		e->contact.error = (struct contact_error){ .r = r };
		return r;
	}
	r = servers_open(e, id);
	if (r == 0)
		r = contact_leave(&e->contact, LEAVE_SECONDS);
	contact_close(&e->contact);
	return r;
}

static void tell_server(struct enrol *e, const struct machine_conf *c)
{
	char why[512];
	int r;

	report_begin(&e->report, "leave");
	r = leave(e, c);
	if (r == 0 || contact_is_unknown(&e->contact.error)) {
		report_done(&e->report, "%s lists this machine as left", e->options.server);
		return;
	}
	if (e->contact.error.uplink.failure == 0 && r != -EREMOTEIO)
		snprintf(why, sizeof why, "this machine's keys can't be used (%s)", strerror(-r));
	else
		contact_explain(
			&e->contact.error, e->options.server, (int)enrol_signal, why, sizeof why);
	report_warn(&e->report, "leave", "the server still lists this machine, as client %s: %s",
		c->client, *e->tried ? e->tried : why);
}

/* ---- removing */

static void stop(struct enrol *e)
{
	struct stat st;
	int r;

	report_begin(&e->report, "stop");
	r = unit_systemd_runs() && place_look(SOCKET_FILE, &st) == 0 ? unit_stop(SOCKET_NAME) : 0;
	if (r == 0)
		r = unit_systemd_runs() ? unit_stop(UNIT_NAME) : 0;
	/* No other muster-enrol runs; it may wait for a server that is away. */
	if (r == 0 && unit_systemd_runs() && place_look(UPDATE_SERVICE, &st) == 0)
		r = unit_stop(UPDATE_SERVICE_NAME);
	if (r < 0)
		report_warn(
			&e->report, "stop", "systemd can't stop " UNIT_NAME ": %s", strerror(-r));
	else
		report_done(&e->report, UNIT_NAME " is stopped and disabled");
}

/* The first failure counts; everything is tried. */
static void note(struct enrol *e, const char *path, int r, int *failure)
{
	if (r >= 0)
		return;
	report_warn(&e->report, "remove", "cannot remove %s: %s", path, strerror(-r));
	*failure = *failure ? *failure : r;
}

/* What the administrator has added to the units. */
static void remove_dropins(struct enrol *e, int *failure)
{
	static const char *const folders[] = { UNIT_FILE ".d", SOCKET_FILE ".d", APPLY_PATH ".d",
		APPLY_SERVICE ".d", UPDATE_PATH ".d", UPDATE_SERVICE ".d" };

	for (size_t i = 0; i < COUNT(folders); i++)
		note(e, folders[i], place_remove_tree(folders[i]), failure);
}

static void remove_state(struct enrol *e, int *failure)
{
	static const char *const names[] = { IDENTITY_NAME, TLS_NAME, CLIENT_NAME, RESET_NAME,
		LISTENING_NAME, REVOKED_NAME, NEXT_IDENTITY_NAME, NEXT_TLS_NAME, NEXT_CLIENT_NAME };
	struct stat st;
	int r;

	for (size_t i = 0; i < COUNT(names); i++)
		note(e, names[i], place_wipe_in(STATE_FOLDER, names[i]), failure);
	r = e->options.purge ? place_remove_tree(STATE_FOLDER) : place_remove_folder(STATE_FOLDER);
	if (r == -ENOTEMPTY)
		report_warn(&e->report, "kept",
			"what the agent has stored, in " STATE_FOLDER "; --purge removes it");
	else
		note(e, STATE_FOLDER, r, failure);
	/* Only the way to it, which systemd makes anew: a new enrolment uses what was kept. */
	if (place_look(STATE_LINK, &st) == 0 && S_ISLNK(st.st_mode))
		note(e, STATE_LINK, place_remove(STATE_LINK), failure);
}

/* Last of all: with the configuration gone, the machine isn't enrolled any more. A server's own
 * configuration in the same folder stays, whatever was asked for. */
static void remove_conf(struct enrol *e, int *failure)
{
	struct stat st;
	int r;

	note(e, AGENT_CONF, place_remove(AGENT_CONF), failure);
	if (e->options.purge && place_look(SERVER_CONF, &st) == -ENOENT) {
		note(e, CONF_FOLDER, place_remove_tree(CONF_FOLDER), failure);
		return;
	}
	r = place_remove_folder(CONF_FOLDER);
	note(e, CONF_FOLDER, r == -ENOTEMPTY ? 0 : r, failure);
}

static int remove_all(struct enrol *e)
{
	static const char *const files[] = { UNIT_WANTS "/" UNIT_NAME, UNIT_FILE,
		SOCKET_WANTS "/" SOCKET_NAME, SOCKET_FILE, APPLY_PATH, APPLY_SERVICE, UPDATE_PATH,
		UPDATE_SERVICE, AGENT_PROGRAM, ENROL_PROGRAM, RELEASE_FILE };
	int failure = 0;

	report_begin(&e->report, "remove");
	for (size_t i = 0; i < COUNT(files); i++)
		note(e, files[i], place_remove(files[i]), &failure);
	if (e->options.purge)
		remove_dropins(e, &failure);
	if (unit_systemd_runs())
		note(e, "the unit from systemd", unit_reload(UNIT_NAME), &failure);
	note(e, APPLY_FOLDER, place_remove_tree(APPLY_FOLDER), &failure);
	note(e, APPLY_RUNTIME, place_remove_tree(APPLY_RUNTIME), &failure);
	note(e, UPDATE_FOLDER, place_remove_tree(UPDATE_FOLDER), &failure);
	note(e, UPDATE_RUNTIME, place_remove_tree(UPDATE_RUNTIME), &failure);
	remove_state(e, &failure);
	keys_forget_kept();
	remove_conf(e, &failure);
	return failure < 0
		       ? report_failed(&e->report, EXIT_INSTALL, "not everything could be removed")
		       : 0;
}

static int uninstall(struct enrol *e, const struct machine_conf *c)
{
	int code;

	stop(e);
	tell_server(e, c);
	code = remove_all(e);
	if (code == 0)
		report_done(&e->report, "%s",
			e->options.purge ? "everything of muster's on this machine"
					 : "programs, unit, keys, configuration");
	return code;
}

/* Of an enrolment that was cut off after ENROL was said: what it enrolled as, if it did, isn't
 * known here. */
static void tell_cut_off(struct enrol *e)
{
	const char *sent = journal_find(&e->journal, JOURNAL_SENT);

	if (sent && strchr(sent, ' '))
		report_warn(&e->report, "server",
			"an enrolment at %.*s was cut off: the server may list this machine, and "
			"have spent a use of the token",
			(int)(strrchr(sent, ' ') - sent), sent);
}

/* Not enrolled: only what a former enrolment has left. */
static int purge_rest(struct enrol *e)
{
	int failure = 0;

	tell_cut_off(e);
	report_begin(&e->report, "remove");
	if (e->options.purge) {
		remove_dropins(e, &failure);
		remove_state(e, &failure);
		remove_conf(e, &failure);
	}
	keys_forget_kept();
	if (failure < 0)
		return report_failed(&e->report, EXIT_INSTALL, "not everything could be removed");
	report_done(&e->report, "this machine is not enrolled: nothing to remove");
	return 0;
}

static int hold(struct enrol *e)
{
	int r = journal_open(&e->journal, true);

	if (r == -EBUSY)
		return report_failed(
			&e->report, EXIT_BUSY, "another muster-enrol is running on this machine");
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot use", JOURNAL_FOLDER) : 0;
}

int run_uninstall(struct enrol *e)
{
	struct machine_conf conf;
	bool enrolled;
	int code, r;

	report_begin(&e->report, "preflight");
	code = hold(e);
	if (code == 0 && journal_find(&e->journal, JOURNAL_UPDATE))
		code = run_undo_cut_off(e);
	enrolled = machine_conf_read(&conf) == 0;
	if (code == 0)
		code = enrolled ? uninstall(e, &conf) : purge_rest(e);
	/* An enrolment that was cut off before it wrote the configuration. */
	r = code == 0 ? run_undo_journal(e) : 0;
	if (r == 0 && code == 0)
		r = journal_end(&e->journal);
	if (r < 0)
		code = enrol_failed(e, EXIT_INSTALL, r, "cannot remove", JOURNAL_FOLDER);
	report_result(&e->report,
		code != 0  ? "failed"
		: enrolled ? "uninstalled"
			   : "not-enrolled",
		code, enrolled ? conf.client : NULL, NULL);
	return code;
}
