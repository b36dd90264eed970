/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "enrol/enrol.h"
#include "enrol/fields.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/servers.h"
#include "enrol/unit.h"
#include "lib/text.h"

#define CONF_MAX      16384
#define PROGRAM_SPACE (16u << 20) /* bytes; about what both programs need */
#define STATE_SPACE   (256u << 10)

/* A file that was changed by hand may be wrong here and still be an enrolled machine's. */
static void read_servers(const char *text, struct machine_conf *ret)
{
	char servers[ADDRESSES_TEXT_SIZE];

	fields_joined(text, "Server", ' ', servers, sizeof servers);
	snprintf(ret->server, sizeof ret->server, "%.*s", (int)strcspn(servers, " \t"), servers);
	if (addresses_add(&ret->servers, servers) < 0)
		ret->servers.count = 0;
}

int machine_conf_read(struct machine_conf *ret)
{
	char text[CONF_MAX];
	ssize_t len = place_read(AGENT_CONF, text, sizeof text);
	size_t proxy;

	*ret = (struct machine_conf){};
	if (len < 0)
		return len == -ENOENT ? -ENOENT : -EBADMSG;
	read_servers(text, ret);
	fields_joined(text, "Pins", ';', ret->pins, sizeof ret->pins);
	fields_text(text, "ServerKey", ret->server_key, sizeof ret->server_key);
	fields_text(text, "ReleaseKey", ret->release_key, sizeof ret->release_key);
	fields_text(text, "Client", ret->client, sizeof ret->client);
	fields_text(text, "Proxy", ret->proxy, sizeof ret->proxy);
	proxy = strlen(ret->proxy);
	ret->has_proxy = proxy > 0;
	if (!*ret->server || strlen(ret->client) != CLIENT_ID_TEXT_SIZE - 1)
		return -EBADMSG;
	return 0;
}

static int take_pins(struct options *o, const char *text)
{
	o->pins = (struct pins){};
	if (pins_add(&o->pins, text) < 0)
		return -EBADMSG;
	pins_format(&o->pins, o->pins_text);
	return 0;
}

int machine_use_conf(struct enrol *e, const struct machine_conf *c)
{
	struct options *o = &e->options;
	int r = identity_public_from_text(c->server_key, o->server_key);

	o->server_key_text = c->server_key;
	o->proxy = c->has_proxy ? c->proxy : NULL;
	if (r == 0)
		r = c->servers.count > 0 ? take_pins(o, c->pins) : -EBADMSG;
	servers_use(e, &c->servers);
	e->uplink.pins = o->pins_text;
	e->uplink.proxy = o->proxy;
	return r;
}

/* ---- space */

/* The file system that path is on, or will be. */
static int stat_space(const char *path, struct statvfs *ret)
{
	char at[128];

	snprintf(at, sizeof at, "%s", path);
	while (statvfs(at, ret) < 0) {
		char *slash = strrchr(at, '/');

		if (errno != ENOENT || !slash || slash == at)
			return -errno;
		*slash = '\0';
	}
	return 0;
}

static int check_space(struct enrol *e, const char *path, uint64_t size)
{
	char need[REPORT_AMOUNT_SIZE], is[REPORT_AMOUNT_SIZE];
	struct statvfs fs;
	int r = stat_space(path, &fs);
	uint64_t space;

	if (r < 0)
		return enrol_failed(e, EXIT_UNSUPPORTED, r, "cannot use", path);
	space = (uint64_t)fs.f_bfree * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		return report_failed(&e->report, EXIT_UNSUPPORTED, "%s is mounted read-only", path);
	if (space < size || (fs.f_files > 0 && fs.f_ffree < 16))
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"not enough space in %s: %s free, %s needed", path, report_bytes(space, is),
			report_bytes(size, need));
	return 0;
}

int machine_check_space(struct enrol *e, uint64_t size)
{
	int code = check_space(e, PROGRAM_FOLDER, size + PROGRAM_SPACE / 2);

	if (code == 0)
		code = check_space(e, PRIVATE_FOLDER, STATE_SPACE);
	return code != 0 ? code : check_space(e, UNIT_FOLDER, STATE_SPACE);
}

int machine_make_folder(struct journal *j, const char *step, const char *path)
{
	char above[128];
	const char *slash = strrchr(path, '/');
	int r = place_folder(path);

	if (r >= 0) {
		close(r);
		return 0;
	}
	if (r != -ENOENT || slash == path)
		return r;
	snprintf(above, sizeof above, "%.*s", (int)(slash - path), path);
	r = machine_make_folder(j, step, above);
	if (r == 0)
		r = journal_note_now(j, step, JOURNAL_FOLDER_MADE, path);
	return r < 0 ? r : place_mkdir(path, 0755);
}

/* ---- what is here already */

int machine_check_system(struct enrol *e)
{
	struct utsname name;

	if (!unit_systemd_runs())
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"systemd does not run here; muster-agent is a systemd service");
	if (uname(&name) < 0 || strcmp(name.machine, MUSTER_ARCH) != 0)
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"this muster-enrol is for " MUSTER_ARCH ", not for %s", name.machine);
	return 0;
}

static int report_enrolled(struct enrol *e, const struct machine_conf *c)
{
	return report_failed(&e->report, EXIT_ENROLLED,
		"this machine is already enrolled at %s as client %s; muster-enrol --uninstall "
		"would end that",
		c->server, c->client);
}

/* Files of these names that no enrolment made are somebody's, and stay. */
static int check_foreign(struct enrol *e)
{
	static const char *const paths[] = { AGENT_CONF, AGENT_PROGRAM, ENROL_PROGRAM, UNIT_FILE,
		SOCKET_FILE, APPLY_PATH, APPLY_SERVICE, UPDATE_PATH, UPDATE_SERVICE, STATE_LINK,
		RELEASE_FILE };
	struct stat st, self;

	for (size_t i = 0; i < COUNT(paths); i++) {
		int r = place_look(paths[i], &st);

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return enrol_failed(e, EXIT_UNSUPPORTED, r, "cannot use", paths[i]);
		if (strcmp(paths[i], ENROL_PROGRAM) == 0 && stat("/proc/self/exe", &self) == 0 &&
			self.st_ino == st.st_ino && self.st_dev == st.st_dev)
			continue;
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"%s is there already, and not from an enrolment: move it away first",
			paths[i]);
	}
	return 0;
}

/* Folders that are there are used, if they are that and root's; a link to nowhere is neither. */
static int check_folders(struct enrol *e)
{
	static const char *const paths[] = { PROGRAM_FOLDER, CONF_FOLDER, UNIT_FOLDER,
		PRIVATE_FOLDER };
	struct stat st;
	int r;

	for (size_t i = 0; i < COUNT(paths); i++) {
		r = place_folder(paths[i]);
		if (r >= 0)
			close(r);
		else if (r == -ENOENT && place_look(paths[i], &st) == 0)
			r = -ENOTDIR;
		if (r < 0 && r != -ENOENT)
			return enrol_failed(e, EXIT_UNSUPPORTED, r, "cannot use", paths[i]);
	}
	r = place_look(STATE_FOLDER, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		return enrol_failed(e, EXIT_UNSUPPORTED, -ENOTDIR, "cannot use", STATE_FOLDER);
	return 0;
}

static int check_here(struct enrol *e)
{
	struct machine_conf c;
	int code;

	if (machine_conf_read(&c) == 0)
		return report_enrolled(e, &c);
	code = check_folders(e);
	return code != 0 ? code : check_foreign(e);
}

/* ---- an earlier run that was cut off */

/* ENROL was said to a server with this key, by whatever name: these keys are known to it. */
static bool is_same_key(const struct enrol *e)
{
	const char *sent = journal_find(&e->journal, JOURNAL_SENT);
	const char *key = sent ? strrchr(sent, ' ') : NULL;

	return e->options.mode == MODE_ENROL && key &&
	       strcmp(key + 1, e->options.server_key_text) == 0;
}

/* By these addresses too, which is what the agent was given. */
static bool is_same_server(const struct enrol *e)
{
	const char *sent = journal_find(&e->journal, JOURNAL_SENT);
	char text[ADDRESSES_TEXT_SIZE];
	struct addresses servers = {};

	if (!is_same_key(e))
		return false;
	snprintf(text, sizeof text, "%.*s", (int)(strrchr(sent, ' ') - sent), sent);
	return addresses_add(&servers, text) == 0 && addresses_equal(&servers, &e->options.servers);
}

bool machine_parse_id(const char *text, uint8_t ret[static CLIENT_ID_SIZE])
{
	for (size_t i = 0; i < CLIENT_ID_SIZE; i++)
		if (sscanf(text + 2 * i, "%2hhx", &ret[i]) != 1)
			return false;
	return true;
}

/* Everything was installed and synced: only the start and the wait for HELLO are left. */
static bool can_resume(struct enrol *e)
{
	const char *id = journal_find(&e->journal, JOURNAL_CLIENT);
	const char *ready = journal_find(&e->journal, JOURNAL_READY);

	if (!ready || !*ready || !id || strlen(id) != CLIENT_ID_TEXT_SIZE - 1 || !is_same_server(e))
		return false;
	if (!machine_parse_id(id, e->answer.client_id) || keys_prepare(e) < 0 || !e->inherited)
		return false;
	if (strcmp(ready, JOURNAL_NO_LABELS) != 0 && labels_split(ready, &e->answer.labels) < 0)
		return false;
	e->enrolled = true;
	return true;
}

static int recover(struct enrol *e)
{
	bool same = is_same_key(e);
	int r;

	e->resumed = can_resume(e);
	if (e->resumed) {
		report_warn(&e->report, "resumed",
			"an earlier enrolment was cut off before its end; it is continued");
		return 0;
	}
	r = run_undo_journal(e);
	if (r == 0)
		r = journal_restart(&e->journal);
	if (r == 0 && !same)
		r = keys_renew(e);
	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r,
			"cannot undo an earlier enrolment that was cut off", NULL);
	return 0;
}

/* Locks; with make, also where no earlier run has left a folder. */
int machine_hold(struct enrol *e, bool make)
{
	int r = journal_is_held(&e->journal) ? 0 : journal_open(&e->journal, make);

	if (r == -ENOENT && !make)
		return 0;
	if (r == -EBUSY)
		return report_failed(
			&e->report, EXIT_BUSY, "another muster-enrol is running on this machine");
	return r < 0 ? enrol_failed(e, EXIT_UNSUPPORTED, r, "cannot use", JOURNAL_FOLDER) : 0;
}

static int preflight_dry(struct enrol *e)
{
	int code = machine_hold(e, false);
	bool left = journal_is_held(&e->journal) && e->journal.count > 0;

	journal_close(&e->journal);
	if (code != 0)
		return code;
	if (left)
		report_warn(&e->report, "earlier",
			"an earlier enrolment was cut off; a real run would first clean up");
	return left ? 0 : check_here(e);
}

static int preflight_real(struct enrol *e)
{
	int code = machine_hold(e, false);

	if (code == 0 && e->journal.count > 0)
		code = recover(e);
	if (code != 0 || e->resumed)
		return code;
	code = check_here(e);
	if (code == 0)
		code = machine_check_space(e, PROGRAM_SPACE / 2);
	if (code == 0)
		code = machine_hold(e, true);
	/* Another run may have ended between the look and the lock. */
	return code != 0 ? code : check_here(e);
}

int step_preflight(struct enrol *e)
{
	struct facts facts;
	int code = machine_check_system(e);

	if (code == 0)
		code = e->options.dry_run ? preflight_dry(e) : preflight_real(e);
	if (code != 0)
		return code;
	facts_gather(&facts);
	report_done(&e->report, "%s, %s, systemd; %s", facts.hostname, MUSTER_ARCH,
		*facts.os ? facts.os : "Linux");
	return 0;
}
