/* SPDX-License-Identifier: MIT */
#include "enrol/update.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "enrol/fetch.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/program.h"
#include "enrol/release.h"
#include "enrol/servers.h"

#define UNITS_SECONDS 10

/* ---- preflight */

static int read_conf(struct update *u)
{
	struct options *o = &u->e->options;
	int r = machine_conf_read(&u->conf);

	if (r == -ENOENT)
		return report_failed(&u->e->report, EXIT_NOT_ENROLLED,
			"this machine is not enrolled: there is nothing to update");
	if (r == 0)
		r = machine_use_conf(u->e, &u->conf);
	o->release_key_text = u->conf.release_key;
	if (r == 0)
		r = minisign_public_parse(u->conf.release_key, &o->release_key);
	return r < 0 ? enrol_failed(u->e, EXIT_UNSUPPORTED, r, "cannot use", AGENT_CONF) : 0;
}

/* Only where an agent is taken by its server now can a new one be told from a worse one. One that
 * isn't connected may be just what a newer one mends. */
static int check_agent(struct update *u)
{
	struct report *report = &u->e->report;
	struct agent_status s;
	struct unit_state unit;
	struct stat st;

	if (place_look_in(STATE_FOLDER, REVOKED_NAME, &st) == 0)
		return report_failed(report, EXIT_REFUSED,
			"the server has ended this machine's enrolment: muster-enrol --uninstall "
			"removes what is left");
	agent_status_read(&s);
	if (unit_look(UNIT_NAME, &unit) < 0)
		return report_failed(
			report, EXIT_UNSUPPORTED, "systemd doesn't tell of " UNIT_NAME);
	if (strcmp(s.state, "refused") == 0)
		return report_failed(report, EXIT_REFUSED,
			"%s refuses this machine, so a new agent could not be proved%s%s",
			u->conf.server, *s.detail ? ": " : "", s.detail);
	if (!u->listens && strcmp(unit.active, "inactive") == 0)
		return report_failed(report, EXIT_NOT_CONNECTED,
			UNIT_NAME " does not run, so a new agent could not be proved: start it "
				  "first");
	u->connected = u->listens || strcmp(s.state, "connected") == 0 ||
		       strcmp(s.state, "suspended") == 0;
	if (!u->connected)
		report_warn(report, "agent",
			"it is not connected now%s%s; a new one is kept only if it will be",
			*s.detail ? ": " : "", s.detail);
	return 0;
}

/* Who asks for one release doesn't get the answer about another. */
static bool is_wanted(const struct update *u)
{
	const char *wanted = u->e->options.release_text;
	const char *begun = journal_find(&u->e->journal, JOURNAL_RELEASE);

	return !wanted || (begun && strcmp(begun, wanted) == 0);
}

/* All is in place, and whether it works isn't known yet: that is found out now. Anything else is
 * undone, and begins anew. */
static int recover(struct update *u)
{
	struct journal *j = &u->e->journal;

	if (journal_find(j, JOURNAL_READY) || journal_find(j, JOURNAL_SENT)) {
		journal_close(j); /* it is not this run's to undo */
		return report_failed(&u->e->report, EXIT_BUSY,
			"the enrolment of this machine was cut off: finish it first, by running "
			"the same again");
	}
	if (!journal_find(j, JOURNAL_SWAPPED) || journal_find(j, JOURNAL_PROVED) || !is_wanted(u))
		return swap_undo_cut_off(u);
	report_warn(&u->e->report, "resumed",
		"an earlier update was cut off before it was proved; it is continued");
	snprintf(u->e->manifest.version, sizeof u->e->manifest.version, "%s",
		journal_find(j, JOURNAL_UPDATE));
	u->e->resumed = true;
	u->connected = true;
	return 0;
}

static int hold(struct update *u)
{
	struct enrol *e = u->e;
	int code = machine_hold(e, !e->options.dry_run);

	if (code != 0 || !journal_is_held(&e->journal) || e->journal.count == 0)
		return code;
	if (!e->options.dry_run)
		return recover(u);
	report_warn(&e->report, "earlier",
		"an earlier run was cut off; a real one would first go on with it, or undo it");
	return 0;
}

static int preflight(struct update *u)
{
	struct stat st;
	int code = machine_check_system(u->e);

	if (code == 0)
		code = read_conf(u);
	u->listens = place_look(SOCKET_FILE, &st) == 0;
	if (code == 0)
		code = hold(u);
	if (u->e->options.dry_run)
		journal_close(&u->e->journal);
	if (code == 0)
		code = read_conf(u); /* by which another run may have gone over meanwhile */
	if (code == 0 && !u->e->resumed)
		code = check_agent(u);
	if (code == 0)
		report_done(&u->e->report, "client %s at %s", u->conf.client, u->conf.server);
	return code;
}

/* ---- fetch: is there something to do? */

/* false also when there is no such file, or it can't be read: then it is replaced. */
static bool is_installed(const char *path, const struct manifest_file *f)
{
	scoped(closep) int fd = place_open(path);
	uint8_t digest[32];
	uint64_t size;

	return fd >= 0 && fetch_digest(fd, digest, &size) == 0 && size == f->size &&
	       memcmp(digest, f->sha256, sizeof digest) == 0;
}

/* Several servers on one database may each count the releases for themselves: one that offers what is
 * installed is no attack, whatever its number. */
static int judge_serial(struct update *u, const struct release_seen *seen)
{
	struct report *report = &u->e->report;
	const struct manifest *m = &u->e->manifest;
	struct release_seen offered;

	release_of(u->e, &offered);
	if (u->current || !seen->known || m->serial > seen->serial)
		return 0;
	if (m->serial < seen->serial)
		return report_failed(report, EXIT_NOT_GENUINE,
			"%s offers an old release: version %s, serial %" PRIu64
			", but this machine has seen version %s, serial %" PRIu64,
			u->e->options.server, m->version, m->serial, seen->version, seen->serial);
	if (!release_same_programs(&offered, seen))
		return report_failed(report, EXIT_NOT_GENUINE,
			"%s offers another release than the one that this machine has seen under "
			"the same serial, %" PRIu64,
			u->e->options.server, m->serial);
	return 0;
}

/* Before anything is done with it: also a release that turns out to be no good has been seen. */
static int note_seen(struct update *u, const struct release_seen *seen)
{
	int r;

	if (u->e->options.dry_run || (seen->known && u->e->manifest.serial <= seen->serial))
		return 0;
	r = release_note(u->e, false);
	return r < 0 ? enrol_failed(u->e, EXIT_INSTALL, r, "cannot write", RELEASE_FILE) : 0;
}

/* Before anything is noted of it: the server has gone over to another one, or never had that. */
static int judge_wanted(struct update *u)
{
	struct enrol *e = u->e;
	const char *wanted = e->options.release_text;
	uint8_t digest[RELEASE_DIGEST_SIZE];
	int r = manifest_digest(&e->manifest, digest);

	if (r < 0)
		return enrol_failed(e, EXIT_INTERNAL, r, "cannot name the release", NULL);
	sodium_bin2hex(u->release, sizeof u->release, digest, sizeof digest);
	if (wanted && strcmp(wanted, u->release) != 0)
		return report_failed(&e->report, EXIT_OTHER_RELEASE,
			"%s offers another release, %.12s of version %s, than the one that is "
			"asked for, %.12s",
			e->options.server, u->release, e->manifest.version, wanted);
	return 0;
}

static int judge_release(struct update *u, const struct manifest_file *program)
{
	struct release_seen seen;
	int code, r = release_read(u->conf.release_key, &seen);

	if (r < 0)
		return enrol_failed(u->e, EXIT_UNSUPPORTED, r, "cannot use", RELEASE_FILE);
	memcpy(u->version, seen.version, sizeof u->version);
	u->has_agent = is_installed(AGENT_PROGRAM, u->e->agent);
	u->has_program = is_installed(ENROL_PROGRAM, program);
	u->current = u->has_agent && u->has_program;
	code = judge_serial(u, &seen);
	return code != 0 ? code : note_seen(u, &seen);
}

/* ---- fetch: the programs and units */

static int fetch_one(struct update *u, const char *name, bool has)
{
	struct enrol *e = u->e;
	const struct manifest_file *f = fetch_find(e, name);

	if (has)
		return 0;
	return e->options.dry_run ? fetch_into_memory(e, name, f)
				  : fetch_into(e, name, f, e->stage);
}

static int fetch_both(struct update *u)
{
	struct enrol *e = u->e;
	int r, code = machine_check_space(e, e->agent->size + fetch_find(e, ENROL_NAME)->size);

	if (code == 0 && !e->options.dry_run) {
		r = journal_note(&e->journal, "fetch", JOURNAL_RELEASE, u->release);
		if (r == 0)
			r = journal_note_now(
				&e->journal, "fetch", JOURNAL_UPDATE, e->manifest.version);
		code = r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot write to", JOURNAL_FOLDER)
			     : fetch_stage(e, PROGRAM_FOLDER, e->stage);
	}
	if (code == 0)
		code = fetch_one(u, AGENT_NAME, u->has_agent);
	return code == 0 ? fetch_one(u, ENROL_NAME, u->has_program) : code;
}

static int fetch_units(struct update *u)
{
	char program[STAGE_SIZE + 16] = ENROL_PROGRAM, said[256];
	const char *const argv[] = { program, "--units", u->units, NULL };
	struct enrol *e = u->e;
	int r, code = fetch_stage(e, UNIT_FOLDER, u->units);

	if (code != 0)
		return code;
	if (!u->has_program)
		snprintf(program, sizeof program, "%s/" ENROL_NAME, e->stage);
	r = program_run(argv, UNITS_SECONDS, &enrol_cancel, said, sizeof said);
	if (r == -ECANCELED)
		return enrol_ended(e);
	said[strcspn(said, "\n")] = '\0';
	if (r != 0)
		return report_failed(&e->report, EXIT_INSTALL,
			"the new muster-enrol has not written its units: %s",
			*said   ? said
			: r < 0 ? strerror(-r)
				: "it ended by itself");
	return 0;
}

static int fetch(struct update *u)
{
	struct enrol *e = u->e;
	const struct manifest_file *program;
	int code = fetch_manifest(e);

	if (code == 0)
		code = judge_wanted(u);
	if (code != 0)
		return code;
	program = fetch_find(e, ENROL_NAME);
	if (!program)
		return report_failed(&e->report, EXIT_UNSUPPORTED,
			"%s has no muster-enrol for " MUSTER_ARCH, e->options.server);
	code = judge_release(u, program);
	if (code == 0 && !u->current)
		code = fetch_both(u);
	if (code == 0 && !u->current && !e->options.dry_run)
		code = fetch_units(u);
	if (code != 0)
		return code;
	if (u->current)
		report_done(&e->report, "version %s, serial %" PRIu64 ", is what is installed",
			e->manifest.version, e->manifest.serial);
	else
		report_done(&e->report,
			"version %s, serial %" PRIu64 "; signature and SHA-256 right; it runs",
			e->manifest.version, e->manifest.serial);
	return 0;
}

/* ---- all of it */

static const struct {
	const char *name;
	int (*act)(struct update *u);
	bool in_dry_run; /* it changes nothing then */
	bool in_resumed; /* it is still to be done when all is in place */
} steps[] = {
	{ "preflight", preflight, true, true },
	{ "fetch", fetch, true, false },
	{ "install", swap_install, false, false },
	{ "start", swap_start, false, true },
};

static int do_steps(struct update *u)
{
	struct enrol *e = u->e;
	int code = 0;

	for (size_t i = 0; i < COUNT(steps) && code == 0 && !u->current; i++) {
		if (e->options.dry_run ? !steps[i].in_dry_run : e->resumed && !steps[i].in_resumed)
			continue;
		report_begin(&e->report, steps[i].name);
		code = steps[i].act(u);
		/* What is proved is not undone by a signal that comes late. */
		if (code == 0 && enrol_signal && !journal_find(&e->journal, JOURNAL_PROVED))
			code = enrol_ended(e);
	}
	return code;
}

static void tell_plan(struct update *u)
{
	report_would(&u->e->report,
		"replace " AGENT_PROGRAM ", " ENROL_PROGRAM " and what has changed of " UNIT_FOLDER
		"/muster-*: version %s%s%s",
		u->e->manifest.version, *u->version ? " instead of " : "", u->version);
	report_would(&u->e->report,
		"restart " UNIT_NAME " and wait until its report is acknowledged; otherwise put "
		"back what was there");
}

/* The former programs go with the folders that the new ones were fetched into. */
static void finish(struct enrol *e)
{
	const char *path = "";
	int r = journal_is_held(&e->journal) ? journal_undo(&e->journal, "fetch", &path) : 0;

	if (r >= 0)
		r = journal_end(&e->journal);
	if (r < 0)
		report_warn(&e->report, "journal", "cannot remove %s: %s",
			*path ? path : JOURNAL_FOLDER, strerror(-r));
}

static const char *result_of(const struct update *u, int code)
{
	if (code == EXIT_PUT_BACK)
		return "put-back";
	if (code != 0)
		return u->unproved ? "unproved" : u->half_done ? "half-done" : "failed";
	return u->current ? "up-to-date" : u->e->options.dry_run ? "dry-run" : "updated";
}

int run_update(struct enrol *e)
{
	static struct update u;
	int code;

	u.e = e;
	code = do_steps(&u);
	if (code != 0 && !u.unproved)
		code = swap_undo(&u, code);
	else if (code == 0 && !e->options.dry_run)
		finish(e);
	if (code == 0 && e->options.dry_run && !u.current)
		tell_plan(&u);
	e->report.version = code == 0 ? e->manifest.version : NULL;
	report_result(
		&e->report, result_of(&u, code), code, code == 0 ? u.conf.client : NULL, NULL);
	return code;
}
