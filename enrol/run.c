/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/paths.h"
#include "lib/secret.h"

volatile sig_atomic_t enrol_signal;
volatile sig_atomic_t enrol_cancel;

/* A step's own undo, if it has one, tells the server; what it changed here is in the journal. */
struct step {
	const char *name;
	int (*act)(struct enrol *e);
	void (*undo)(struct enrol *e);
	bool in_dry_run; /* it changes nothing then */
	bool in_resumed; /* it is still to be done when all is installed */
};

static const struct step steps[] = {
	{ "preflight", step_preflight, NULL, true, true },
	{ "connect", step_connect, NULL, true, false },
	{ "token", step_token, NULL, true, false },
	{ "fetch", step_fetch, NULL, true, false },
	{ "enrol", step_enrol, undo_enrol, false, false },
	{ "install", step_install, NULL, false, false },
	{ "start", step_start, NULL, false, true },
};

/* Of --rekey, by the same names. Once installed nothing is undone. */
static const struct step rekey_steps[COUNT(steps)] = {
	{ "preflight", step_rekey_preflight, NULL, true, true },
	{ "connect", step_connect, NULL, true, false },
	{ "token", step_token, NULL, true, false },
	{ "enrol", step_enrol, undo_enrol, false, false },
	{ "install", step_rekey_install, NULL, false, false },
	{ "start", step_rekey_start, NULL, false, true },
};

void client_text(const uint8_t id[static CLIENT_ID_SIZE], char ret[static CLIENT_ID_TEXT_SIZE])
{
	for (size_t i = 0; i < CLIENT_ID_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", id[i]);
}

int enrol_ended(struct enrol *e)
{
	return report_failed(&e->report, EXIT_SIGNAL + (int)enrol_signal, "ended by SIG%s",
		sigabbrev_np((int)enrol_signal));
}

int enrol_explain(struct enrol *e, const struct contact_error *error)
{
	char text[768];
	int code;

	if (enrol_signal)
		return enrol_ended(e);
	code = contact_explain(error, e->options.server, (int)enrol_signal, text, sizeof text);
	if (*e->tried)
		return report_failed(
			&e->report, e->tried_wrong_key ? EXIT_PIN : code, "%s", e->tried);
	return report_failed(&e->report, code, "%s", text);
}

int enrol_failed(struct enrol *e, int code, int r, const char *what, const char *path)
{
	const char *why = strerror(-r);

	if (r == -EPERM)
		why = "it, or a folder above it, can be changed by others than root";
	else if (r == -EEXIST)
		why = "something is there already";
	else if (r == -ENOTDIR)
		why = "something that is no folder is there";
	else if (r == -ENOSPC)
		why = "the disk is full";
	return report_failed(
		&e->report, code, "%s%s%s: %s", what, path ? " " : "", path ? path : "", why);
}

/* ---- undoing */

static int undo_entries(struct enrol *e, const char *step)
{
	const char *path = "";
	int r;

	if (!journal_is_held(&e->journal))
		return 0;
	r = journal_undo(&e->journal, step, &path);
	if (r > 0)
		report_undone(&e->report, step, "%s", step);
	if (r < 0)
		report_warn(&e->report, "undo", "cannot undo %s: %s", path, strerror(-r));
	return r < 0 ? r : 0;
}

int run_undo_journal(struct enrol *e)
{
	bool proved = journal_find(&e->journal, JOURNAL_PROVED) != NULL;
	int failure = 0;

	for (size_t i = COUNT(steps); i-- > 0;) {
		/* Of an update that has come to its end only what it was fetched into is left. */
		int r = proved && strcmp(steps[i].name, "fetch") != 0
				? 0
				: undo_entries(e, steps[i].name);

		failure = failure ? failure : r;
	}
	return failure;
}

int run_undo_cut_off(struct enrol *e)
{
	int r = run_undo_journal(e);

	if (r == 0)
		r = journal_restart(&e->journal);
	return r < 0 ? enrol_failed(e, EXIT_INSTALL, r,
			       "cannot undo an earlier run that was cut off", NULL)
		     : 0;
}

/* The server is told first: before the agent has said HELLO the token's use comes back. If
 * something can't be undone the journal stays, for the next run to try again. */
static void undo_all(struct enrol *e)
{
	int failure;

	enrol_cancel = 0;
	for (size_t i = COUNT(steps); i-- > 0;)
		if (steps[i].undo)
			steps[i].undo(e);
	failure = run_undo_journal(e);
	if (failure == 0)
		failure = journal_end(&e->journal);
	if (failure < 0)
		report_warn(&e->report, "undo",
			"not all is undone: run muster-enrol --uninstall when that can be done");
}

/* ---- doing */

static void tell_plan(struct enrol *e)
{
	report_would(
		&e->report, "enrol at %s, which spends one use of the token", e->options.server);
	report_would(&e->report, "install " AGENT_PROGRAM ", " ENROL_PROGRAM ", " AGENT_CONF
				 ", " RELEASE_FILE ", " STATE_FOLDER ", " UNIT_FILE);
	report_would(&e->report, "enable and start " UNIT_NAME "%s",
		e->options.listen ? " and " SOCKET_NAME : "");
}

static bool is_wanted(const struct enrol *e, const struct step *s)
{
	if (e->options.dry_run)
		return s->in_dry_run;
	return e->resumed ? s->in_resumed : true;
}

/* The token is asked for after the first step: a machine that can't be enrolled needs none. */
static int do_step(struct enrol *e, const struct step *all, size_t i)
{
	int code;

	report_begin(&e->report, all[i].name);
	code = all[i].act(e);
	if (code == 0 && i == 0 && !e->resumed) {
		e->report.step = "token";
		code = token_read(e);
	}
	if (code == 0 && enrol_signal)
		code = enrol_ended(e);
	return code;
}

static int do_steps(struct enrol *e)
{
	const struct step *all = e->options.mode == MODE_REKEY ? rekey_steps : steps;
	int code = 0;

	for (size_t i = 0; i < COUNT(steps) && code == 0; i++)
		if (all[i].name && is_wanted(e, &all[i]))
			code = do_step(e, all, i);
	return code;
}

/* Nothing is to be undone any more, but that the agent was downloaded beside its last place. */
static void commit(struct enrol *e)
{
	const char *path = "";
	int r;

	keys_forget_kept();
	r = journal_undo(&e->journal, "fetch", &path);
	if (r >= 0)
		r = journal_end(&e->journal);
	if (r < 0)
		report_warn(&e->report, "journal", "cannot remove " JOURNAL_FOLDER ": %s",
			strerror(-r));
}

static void tell_end(struct enrol *e, int code)
{
	char id[CLIENT_ID_TEXT_SIZE];
	bool done = code == 0 && !e->options.dry_run;

	client_text(e->answer.client_id, id);
	if (code == EXIT_ENROLLED)
		report_result(&e->report, "already-enrolled", code, NULL, NULL);
	else
		report_result(&e->report,
			code != 0                       ? "failed"
			: e->options.dry_run            ? "dry-run"
			: e->options.mode == MODE_REKEY ? "rekeyed"
							: "enrolled",
			code, done ? id : NULL, done ? &e->answer.labels : NULL);
}

int run_enrolment(struct enrol *e)
{
	int code = do_steps(e);

	if (code == 0 && e->options.dry_run)
		tell_plan(e);
	else if (code == 0)
		commit(e);
	else if (e->options.mode != MODE_REKEY || !e->resumed)
		undo_all(e);
	contact_close(&e->contact);
	e->token = secret_free(e->token);
	tell_end(e, code);
	return code;
}
