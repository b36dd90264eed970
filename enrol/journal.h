/* SPDX-License-Identifier: MIT */
/*
 * What an enrolment is about to change, on disk before it does: the next run knows what to undo
 * when this one is killed. /var/lib/muster-enrol (0700) holds it, and the keys until they have been
 * installed; whoever has locked that folder is the one enrolment that runs.
 *
 * One line an entry, "STEP KIND VALUE". Undoing is idempotent, so an entry may tell of a change
 * that was never made.
 */
#ifndef MUSTER_ENROL_JOURNAL_H
#define MUSTER_ENROL_JOURNAL_H

#include <stdbool.h>

#include "lib/base.h"

#define JOURNAL_MAX 48 /* entries */

enum journal_kind {
	JOURNAL_FILE_MADE,   /* a file or a link; undone by removing it */
	JOURNAL_KEY_MADE,    /* a file of secrets; overwritten and removed */
	JOURNAL_FOLDER_MADE, /* removed if it is empty */
	JOURNAL_TREE_MADE,   /* removed with everything in it */
	JOURNAL_FOLDER_KEPT, /* a folder that was there and may go by others' doing; made again */
	JOURNAL_UNIT,        /* a unit, enabled and started; disabled and stopped */
	JOURNAL_RELOAD,      /* systemd reads its units again */
	JOURNAL_RESTART,     /* units, with blanks between, that are restarted */
	JOURNAL_REPLACED,    /* "FORMER PATH": the former file is put back there, if it is kept */
	JOURNAL_SENT,        /* ENROL is said: "SERVER… SERVER-KEY" */
	JOURNAL_CLIENT,      /* ENROLLED has come: the client's id */
	JOURNAL_READY,       /* all is installed, only the start is left: the labels */
	JOURNAL_UPDATE,      /* an update, to this version */
	JOURNAL_RELEASE,     /* the digest of that release */
	JOURNAL_SWAPPED,     /* all of it is in place, only the start is left */
	JOURNAL_PROVED,      /* the server has acknowledged it: nothing is undone any more */
};

#define JOURNAL_NO_LABELS "-" /* no label starts with that */

struct journal_entry {
	const char *step; /* a name of the table of steps */
	enum journal_kind kind;
	char *value; /* owned */
};

struct journal {
	int folder; /* locked; -1: not held */
	int file;   /* -1: nothing noted yet */
	size_t count;
	size_t synced; /* of them are on disk */
	size_t whole;  /* bytes of their lines there */
	struct journal_entry entries[JOURNAL_MAX];
};

/* Locks the folder, makes it first if make is set, and reads what an earlier run left. -EBUSY:
 * another enrolment runs; -ENOENT: not there (and make not set); -EPERM, -ENOTDIR: something else
 * is at its place; -EBADMSG: the journal can't be read. */
int journal_open(struct journal *j, bool make) must_use;
bool journal_is_held(const struct journal *j);

/* Notes one change to come; journal_sync() brings all that was noted to the disk and must return 0
 * before any of the changes is made. */
int journal_note(struct journal *j, const char *step, enum journal_kind kind, const char *value)
	must_use;
int journal_sync(struct journal *j) must_use;
/* The same for one. */
int journal_note_now(struct journal *j, const char *step, enum journal_kind kind, const char *value)
	must_use;

/* The change was not made, since something was there already: it isn't to be undone. */
void journal_take_back(struct journal *j, const char *value);

/* The value of the last entry of that kind, or NULL. */
const char *journal_find(const struct journal *j, enum journal_kind kind);

/* Undoes a step's changes, the last first. The number of entries undone (marks, those from SENT on,
 * don't count), or the first error after everything was tried, with its value in *ret_failed. */
int journal_undo(struct journal *j, const char *step, const char **ret_failed) must_use;

/* After everything was undone: an empty journal. Keys in the folder stay. */
int journal_restart(struct journal *j) must_use;
/* Removes the folder with all in it, wipes the keys, unlocks. */
int journal_end(struct journal *j) must_use;
/* Unlocks; what is on the disk stays. */
void journal_close(struct journal *j);

#endif
