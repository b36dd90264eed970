/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "enrol/fetch.h"
#include "enrol/install.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/servers.h"
#include "enrol/update.h"

#define STEP          "install"
#define HELLO_SECONDS 30
#define PIECES_MAX    16
#define PATH_SIZE     128
#define NAME_SIZE     48

/* ---- what is replaced */

/* A staged file and its place. Beside it in the stage, what was there gets another name, so that
 * putting it back is a rename as well. */
struct piece {
	char staged[PATH_SIZE], former[PATH_SIZE], path[PATH_SIZE];
	bool is_new; /* nothing was there */
};

struct pieces {
	size_t count;
	struct piece at[PIECES_MAX];
	bool has_socket;
};

static int add(struct pieces *p, const char *stage, const char *folder, const char *name)
{
	struct piece *one = &p->at[p->count];
	struct stat st;
	int r;

	if (p->count == PIECES_MAX)
		return -E2BIG;
	if (strlen(stage) + strlen(name) + sizeof ".former" >= PATH_SIZE)
		return -ENAMETOOLONG;
	snprintf(one->staged, PATH_SIZE, "%s/%s", stage, name);
	snprintf(one->former, PATH_SIZE, "%s/%s.former", stage, name);
	snprintf(one->path, PATH_SIZE, "%s/%s", folder, name);
	r = place_look(one->path, &st);
	one->is_new = r == -ENOENT;
	if (r < 0 && r != -ENOENT)
		return r;
	p->count++;
	return 0;
}

/* "muster-NAME.TYPE", and nothing that could be a path. */
static bool is_unit_name(const char *name)
{
	static const char *const types[] = { ".service", ".socket", ".path", ".timer", ".target" };
	size_t len = strlen(name);
	const char *type = strrchr(name, '.');

	if (strncmp(name, "muster-", 7) != 0 || len >= NAME_SIZE ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len)
		return false;
	for (size_t i = 0; i < COUNT(types); i++)
		if (strcmp(type ? type : "", types[i]) == 0)
			return true;
	return false;
}

static int has_same_text(const char *one, const char *other)
{
	char a[UNIT_TEXT_MAX], b[UNIT_TEXT_MAX];
	ssize_t a_len = place_read(one, a, sizeof a), b_len = place_read(other, b, sizeof b);

	if (a_len < 0)
		return (int)a_len;
	return b_len == a_len && memcmp(a, b, (size_t)a_len) == 0;
}

/* By its administrator, who doesn't want what it does. */
static bool is_masked(const char *path)
{
	char target[16];
	ssize_t len = readlink(path, target, sizeof target);

	return len == (ssize_t)strlen("/dev/null") && memcmp(target, "/dev/null", (size_t)len) == 0;
}

static int add_unit(struct pieces *p, const char *stage, const char *found)
{
	char name[NAME_SIZE], staged[PATH_SIZE], path[PATH_SIZE];
	int r;

	if (!is_unit_name(found))
		return -EINVAL;
	memcpy(name, found, strlen(found) + 1);
	snprintf(staged, sizeof staged, "%s/%s", stage, name);
	snprintf(path, sizeof path, UNIT_FOLDER "/%s", name);
	if (is_masked(path))
		return 0;
	r = has_same_text(staged, path);
	if (r != 0)
		return r < 0 ? r : 0;
	p->has_socket |= strcmp(name, SOCKET_NAME) == 0;
	return add(p, stage, UNIT_FOLDER, name);
}

static int add_units(struct pieces *p, const char *stage)
{
	int r = 0, fd = place_folder(stage);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (!entries) {
		r = fd < 0 ? fd : -errno;
		closep(&fd);
		return r;
	}
	for (struct dirent *d = readdir(entries); d && r == 0; d = readdir(entries))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = add_unit(p, stage, d->d_name);
	closedir(entries);
	return r;
}

static int collect(const struct update *u, struct pieces *ret)
{
	int r = 0;

	if (!u->has_agent)
		r = add(ret, u->e->stage, PROGRAM_FOLDER, AGENT_NAME);
	if (r == 0 && !u->has_program)
		r = add(ret, u->e->stage, PROGRAM_FOLDER, ENROL_NAME);
	return r < 0 ? r : add_units(ret, u->units);
}

/* ---- install */

static int sync_all(const struct update *u)
{
	const char *const folders[] = { u->e->stage, u->units, PROGRAM_FOLDER, UNIT_FOLDER };
	int r = 0;

	for (size_t i = 0; i < COUNT(folders) && r == 0; i++)
		r = place_sync(folders[i]);
	return r;
}

/* Room for all of it is taken before anything is replaced: then only renames are left. */
static int keep_former(const struct pieces *p)
{
	int r = 0;

	for (size_t i = 0; i < p->count && r == 0; i++)
		if (!p->at[i].is_new)
			r = place_link(p->at[i].path, p->at[i].former);
	return r;
}

/* A unit that comes with this release, and runs as soon as the new agent does. */
static const char *starts_anew(const struct piece *p)
{
	const char *name = strrchr(p->path, '/') + 1, *type = strrchr(name, '.');

	return p->is_new && type && strcmp(type, ".path") == 0 ? name : NULL;
}

/* Undone in the reverse order: files, then systemd's knowledge of them, then the agent that runs. */
static int note_pieces(struct update *u, const struct pieces *p)
{
	struct journal *j = &u->e->journal;
	int r = journal_note(
		j, STEP, JOURNAL_RESTART, p->has_socket ? SOCKET_NAME " " UNIT_NAME : UNIT_NAME);

	if (r == 0)
		r = journal_note(j, STEP, JOURNAL_RELOAD, UNIT_NAME);
	for (size_t i = 0; i < p->count && r == 0; i++) {
		char both[2 * PATH_SIZE];

		snprintf(both, sizeof both, "%s %s", p->at[i].former, p->at[i].path);
		r = p->at[i].is_new ? journal_note(j, STEP, JOURNAL_FILE_MADE, p->at[i].path)
				    : journal_note(j, STEP, JOURNAL_REPLACED, both);
		if (r == 0 && starts_anew(&p->at[i]))
			r = journal_note(j, STEP, JOURNAL_UNIT, starts_anew(&p->at[i]));
	}
	return r < 0 ? r : journal_sync(j);
}

static int replace(struct update *u, const struct pieces *p)
{
	struct enrol *e = u->e;
	int r;

	for (size_t i = 0; i < p->count; i++) {
		r = place_replace(p->at[i].staged, p->at[i].path);
		if (r < 0)
			return enrol_failed(e, EXIT_INSTALL, r, "cannot install", p->at[i].path);
		if (enrol_signal)
			return enrol_ended(e);
	}
	r = sync_all(u);
	if (r == 0)
		r = journal_note_now(&e->journal, STEP, JOURNAL_SWAPPED, e->manifest.version);
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r, "cannot finish the installation", NULL) : 0;
}

static void tell_pieces(struct update *u, const struct pieces *p)
{
	char list[PIECES_MAX * PATH_SIZE] = "";
	size_t used = 0;

	for (size_t i = 0; i < p->count; i++)
		used += (size_t)snprintf(
			list + used, sizeof list - used, "%s%s", i ? ", " : "", p->at[i].path);
	report_done(&u->e->report, "%s", list);
}

int swap_install(struct update *u)
{
	struct pieces p = {};
	int code, r = collect(u, &p);

	if (r == 0)
		r = keep_former(&p);
	if (r == 0)
		r = sync_all(u);
	if (r == 0 && !enrol_signal)
		r = note_pieces(u, &p);
	if (r < 0)
		return enrol_failed(u->e, EXIT_INSTALL, r, "cannot prepare the installation", NULL);
	code = enrol_signal ? enrol_ended(u->e) : replace(u, &p);
	if (code == 0)
		tell_pieces(u, &p);
	return code;
}

/* ---- start */

static unsigned seconds_to_wait(const struct update *u, unsigned each)
{
	return each * (unsigned)u->e->options.servers.count;
}

/* Which the agent of a machine that listens does when the server doesn't know yet where it does. */
static int let_it_report(const struct update *u)
{
	return u->listens ? place_wipe_in(STATE_FOLDER, LISTENING_NAME) : 0;
}

/* By a channel of its own, without the machine's keys: as far as an agent comes before it is told
 * from others. */
static bool server_answers(struct enrol *e)
{
	const struct uplink_error *error = &e->contact.error.uplink;
	int r = e->identity ? 0 : identity_generate(&e->identity);

	e->uplink.tls = NULL;
	if (r == 0)
		r = servers_open(e, NULL);
	contact_close(&e->contact);
	if (r < 0 && error->failure == UPLINK_HTTP)
		return !contact_may_retry(&e->contact.error);
	return r == 0 || !contact_is_away(error);
}

/* A release isn't to blame for a server that is away, or busy: an agent that runs and tries is kept,
 * what was there too, and the next run finds out. */
static int report_no_answer(struct update *u, const struct agent_status *s)
{
	struct report *report = &u->e->report;

	if (*s->state && !server_answers(u->e)) {
		u->unproved = true;
		return report_failed(report, EXIT_NOT_CONNECTED,
			"the new agent runs, but %s doesn't answer now, to muster-enrol neither: "
			"run this again later, which then keeps it or puts the former one back",
			u->e->options.server);
	}
	return report_failed(report, EXIT_PUT_BACK,
		"%s answers, but has not acknowledged a report of the new agent%s%s%s%s",
		u->e->options.server, *s->state ? "; it is " : "", s->state, *s->detail ? ": " : "",
		s->detail);
}

static int report_unproved(struct update *u, int r, const struct agent_status *s)
{
	char lines[UNIT_SAID_SIZE] = "";

	if (r == -ECANCELED)
		return enrol_ended(u->e);
	if (r == -ETIMEDOUT)
		return report_no_answer(u, s);
	if (r == -ECONNREFUSED)
		return report_failed(&u->e->report, EXIT_PUT_BACK, "%s refuses the new agent%s%s",
			u->e->options.server, *s->detail ? ": " : "", s->detail);
	unit_last_lines(UNIT_NAME, lines);
	for (char *c = lines; *c; c++)
		if (*c == '\n')
			*c = c[1] ? '|' : '\0';
	return report_failed(&u->e->report, EXIT_PUT_BACK, "the new agent ended by itself%s%s",
		*lines ? ": " : "", lines);
}

/* Where that can't be written, and this run is cut off before its end, the next one finds it out once
 * more. */
static int proved(struct update *u)
{
	struct enrol *e = u->e;
	int r = journal_note_now(&e->journal, "start", JOURNAL_PROVED, e->manifest.version);

	if (r < 0)
		report_warn(&e->report, "journal", "cannot write to " JOURNAL_FOLDER ": %s",
			strerror(-r));
	report_done(&e->report, UNIT_NAME " runs version %s; its first report was acknowledged",
		e->manifest.version);
	return 0;
}

static int prove(struct update *u, const struct unit_state *before)
{
	struct agent_status status;
	unsigned each = u->e->options.wait ? u->e->options.wait : HELLO_SECONDS;
	int r = agent_status_wait_new(
		u->conf.client, before, seconds_to_wait(u, each), &enrol_cancel, &status);

	return r < 0 ? report_unproved(u, r, &status) : proved(u);
}

/* Since the run that was cut off. */
static bool is_proved(const struct update *u, const struct unit_state *now)
{
	struct agent_status s;
	struct stat runs, installed;
	char path[48];

	snprintf(path, sizeof path, "/proc/%u/exe", (unsigned)now->pid);
	if (!u->e->resumed || now->pid == 0 || stat(path, &runs) < 0 ||
		place_look(AGENT_PROGRAM, &installed) < 0 || runs.st_ino != installed.st_ino ||
		runs.st_dev != installed.st_dev)
		return false;
	agent_status_read(&s);
	return strcmp(s.client, u->conf.client) == 0 && s.hello != 0;
}

int swap_start(struct update *u)
{
	const char *units = journal_find(&u->e->journal, JOURNAL_RESTART);
	char said[UNIT_SAID_SIZE] = "";
	struct unit_state before;
	int r = unit_look(UNIT_NAME, &before);

	if (r == 0 && is_proved(u, &before))
		return proved(u);
	if (r == 0)
		r = unit_reload(UNIT_NAME);
	if (r == 0)
		r = let_it_report(u);
	if (r == 0)
		r = unit_restart(units ? units : UNIT_NAME, said);
	if (r < 0)
		return report_failed(&u->e->report, EXIT_INSTALL,
			"systemd can't restart " UNIT_NAME ": %s", *said ? said : strerror(-r));
	return prove(u, &before);
}

/* ---- undo */

/* Undoes what the journal tells of. *ret_before: what systemd said of the agent, if that has been
 * restarted by it. */
static int put_back(struct update *u, bool *ret_restarted, struct unit_state *ret_before)
{
	struct enrol *e = u->e;
	int r = 0;

	*ret_restarted = journal_is_held(&e->journal) &&
			 journal_find(&e->journal, JOURNAL_RESTART) &&
			 !journal_find(&e->journal, JOURNAL_PROVED);
	if (*ret_restarted)
		r = unit_look(UNIT_NAME, ret_before);
	if (*ret_restarted && r == 0)
		r = let_it_report(u);
	if (r < 0)
		report_warn(&e->report, "agent", "systemd doesn't tell of " UNIT_NAME ": %s",
			strerror(-r));
	return run_undo_journal(e);
}

static void await_former(struct update *u, const struct unit_state *before)
{
	struct agent_status s;
	unsigned each = u->e->options.wait > HELLO_SECONDS ? u->e->options.wait : HELLO_SECONDS;
	int r = agent_status_wait_new(
		u->conf.client, before, seconds_to_wait(u, each), &enrol_cancel, &s);

	if (r == 0)
		report_undone(&u->e->report, "start",
			"the former agent runs again; its report was acknowledged");
	else
		report_warn(&u->e->report, "agent",
			"the former agent was started again, but %s has not acknowledged it%s%s",
			u->e->options.server, *s.detail ? ": " : "", s.detail);
}

int swap_undo(struct update *u, int code)
{
	struct enrol *e = u->e;
	struct unit_state before;
	bool restarted;
	int r;

	enrol_cancel = 0;
	r = put_back(u, &restarted, &before);
	if (r == 0)
		r = journal_end(&e->journal);
	if (r < 0) {
		u->half_done = true;
		report_warn(&e->report, "undo",
			"not all is undone: run muster-enrol --update when that can be done");
		return EXIT_INSTALL;
	}
	/* Whoever has sent a signal doesn't wait; an agent that wasn't connected before won't be. */
	if (restarted && u->connected && !enrol_signal)
		await_former(u, &before);
	return code;
}

int swap_undo_cut_off(struct update *u)
{
	struct unit_state before;
	bool restarted;
	int r = put_back(u, &restarted, &before);

	if (r == 0)
		r = journal_restart(&u->e->journal);
	if (r < 0) {
		u->half_done = true;
		return enrol_failed(
			u->e, EXIT_INSTALL, r, "cannot undo an earlier run that was cut off", NULL);
	}
	if (restarted)
		await_former(u, &before);
	return 0;
}
