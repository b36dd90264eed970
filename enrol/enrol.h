/* SPDX-License-Identifier: MIT */
/*
 * One run of muster-enrol: what its steps share, and the steps. muster-enrol(8), "STEPS".
 *
 * A step returns 0, or has reported its failure and returns the exit code. What a step is going to
 * change on the machine it notes in the journal first; its undo finds it there, in this run or,
 * after a kill, in the next one.
 */
#ifndef MUSTER_ENROL_ENROL_H
#define MUSTER_ENROL_ENROL_H

#include <signal.h>

#include "enrol/contact.h"
#include "enrol/journal.h"
#include "enrol/options.h"
#include "enrol/report.h"
#include "lib/manifest.h"

#ifndef MUSTER_ARCH
#if defined __x86_64__
#define MUSTER_ARCH "x86_64"
#elif defined __aarch64__
#define MUSTER_ARCH "aarch64"
#else
#error "which uname -m is this?"
#endif
#endif

#define STAGE_SIZE 64

struct enrol {
	struct options options;
	struct report report;
	struct journal journal;

	struct uplink_options uplink;   /* towards options.server, as servers.h chooses */
	size_t at;                      /* options.server in options.servers */
	char tried[REPORT_DETAIL_SIZE]; /* that none of several serves, and why; or "" */
	bool tried_wrong_key;           /* one of those shows another key */
	struct contact contact;
	uint8_t *token; /* TOKEN_SIZE, of secret_alloc(); NULL: not read, or spent */

	struct identity *identity;
	struct tlskey tls;
	bool inherited;         /* both are of an earlier run whose ENROL may have been taken */
	bool asked;             /* the server may have taken an ENROL by these keys */
	bool enrolled;          /* and has answered: */
	struct enrolled answer; /* (of a run taken up again only the id) */
	bool resumed;           /* all was installed by an earlier run; only the start is left */

	struct manifest manifest;
	const struct manifest_file *agent; /* in manifest */
	char stage[STAGE_SIZE];            /* folder of the verified agent; "" before */
};

/* Set by the handler of SIGINT, SIGTERM and SIGHUP to the signal's number. */
extern volatile sig_atomic_t enrol_signal;
/* Set with it, and reset when undoing begins, which no second signal stops: what is to stop at a
 * signal looks at this one. */
extern volatile sig_atomic_t enrol_cancel;

/* Reports that a caught signal ended the step; the exit code. */
int enrol_ended(struct enrol *e);
/* Reports what contact.error, or another one, means; the exit code. */
int enrol_explain(struct enrol *e, const struct contact_error *error);
/* Reports a failure of a call on the machine: "WHAT PATH: why". */
int enrol_failed(struct enrol *e, int code, int r, const char *what, const char *path);

void client_text(const uint8_t id[static CLIENT_ID_SIZE], char ret[static CLIENT_ID_TEXT_SIZE]);

/* token.c: from --token-file, standard input or a terminal, before anything is said to the server.
 */
int token_read(struct enrol *e) must_use;

/* The steps, each in the file of its name. */
int step_preflight(struct enrol *e);
int step_connect(struct enrol *e);
int step_token(struct enrol *e);
int step_fetch(struct enrol *e);
int step_enrol(struct enrol *e);
int step_install(struct enrol *e);
int step_start(struct enrol *e);
/* rekey.c: what is done in place of three of them. */
int step_rekey_preflight(struct enrol *e);
int step_rekey_install(struct enrol *e);
int step_rekey_start(struct enrol *e);
/* The keys that were prepared, and not taken. */
int rekey_wipe_next(void);
/* install.c: what the machine has enrolled as, into the agent's folder. */
int install_client_file(const struct enrol *e, const char *name, const char *id) must_use;
/* connect.c: gives the use of the token back. */
void undo_enrol(struct enrol *e);

/* keys.c: makes the keys, or takes those of an earlier run that was cut off. */
int keys_prepare(struct enrol *e) must_use;
int keys_renew(struct enrol *e) must_use; /* other ones in memory; those on the disk are wiped */
int keys_save(struct enrol *e) must_use;  /* beside the journal */
void keys_keep(struct enrol *e);          /* until the next boot, for a lost answer */
void keys_forget_kept(void);
void keys_clear(struct enrol *e);

/* run.c: a whole enrolment; the exit code. */
int run_enrolment(struct enrol *e);
/* Undoes what the journal tells of, the last step first. 0, or negative errno after a warning. */
int run_undo_journal(struct enrol *e);
/* The same of a run that was cut off, before another begins. 0, or reported and the exit code. */
int run_undo_cut_off(struct enrol *e);

/* update.c: the same of an update. */
int run_update(struct enrol *e);

/* status.c, uninstall.c: the exit code. */
int run_status(struct enrol *e);
int run_uninstall(struct enrol *e);

#endif
