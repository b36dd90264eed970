/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/enrol.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/unit.h"

#define STEP          "start"
#define HELLO_SECONDS 30

/* disable removes the folder of links when it becomes empty; it may have been empty before. */
static int note_unit(struct enrol *e, const char *unit, const char *wants)
{
	struct stat st;
	int r = 0;

	if (place_look(wants, &st) == 0)
		r = journal_note(&e->journal, STEP, JOURNAL_FOLDER_KEPT, wants);
	return r < 0 ? r : journal_note(&e->journal, STEP, JOURNAL_UNIT, unit);
}

/* Also of a run that was cut off before. */
static bool listens(void)
{
	struct stat st;

	return place_look(SOCKET_FILE, &st) == 0;
}

/* The socket is stopped before the service, which it would start again. */
static int note_start(struct enrol *e)
{
	int r;

	if (journal_find(&e->journal, JOURNAL_UNIT))
		return 0;
	r = note_unit(e, UNIT_NAME, UNIT_WANTS);
	if (r == 0 && listens())
		r = note_unit(e, SOCKET_NAME, SOCKET_WANTS);
	return r < 0 ? r : journal_sync(&e->journal);
}

/* The service is given what the socket has. */
static int start_units(char said[static UNIT_SAID_SIZE])
{
	int r = listens() ? unit_start(SOCKET_NAME, &enrol_cancel, said) : 0;

	return r < 0 ? r : unit_start(UNIT_NAME, &enrol_cancel, said);
}

static int report_no_hello(struct enrol *e, int r, const struct agent_status *s)
{
	char lines[UNIT_SAID_SIZE] = "";
	const char *why = *s->detail ? s->detail : lines;

	if (r == -ECANCELED)
		return enrol_ended(e);
	if (!*s->detail)
		unit_last_lines(UNIT_NAME, lines);
	for (char *c = lines; *c; c++)
		if (*c == '\n')
			*c = c[1] ? '|' : '\0';
	return report_failed(&e->report, EXIT_NO_HELLO,
		"the agent was started, but %s has not acknowledged it%s%s%s%s", e->options.server,
		*s->state ? "; it is " : "", s->state, *why ? ": " : "", why);
}

int step_start(struct enrol *e)
{
	char id[CLIENT_ID_TEXT_SIZE], said[UNIT_SAID_SIZE];
	struct agent_status status;
	int r = note_start(e);

	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot write to", JOURNAL_FOLDER);
	r = start_units(said);
	if (r == -ECANCELED)
		return enrol_ended(e);
	if (r < 0)
		return report_failed(&e->report, EXIT_INSTALL,
			"systemd can't start " UNIT_NAME " or what it needs: %s",
			*said ? said : strerror(-r));
	client_text(e->answer.client_id, id);
	/* It may begin with an address that is dead. */
	r = agent_status_wait(
		id, HELLO_SECONDS * (unsigned)e->options.servers.count, &enrol_cancel, &status);
	if (r < 0)
		return report_no_hello(e, r, &status);
	if (listens())
		report_done(&e->report, SOCKET_NAME " listens; the first report was acknowledged");
	else
		report_done(&e->report, UNIT_NAME " runs; its first report was acknowledged");
	return 0;
}
