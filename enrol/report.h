/* SPDX-License-Identifier: MIT */
/*
 * What muster-enrol tells: one line a step, for people (standard output, failures and warnings on
 * standard error) or as lines of JSON (all on standard output). Every text may hold bytes from
 * elsewhere: they are shown escaped.
 */
#ifndef MUSTER_ENROL_REPORT_H
#define MUSTER_ENROL_REPORT_H

#include <stdbool.h>

#include "lib/label.h"

/* Also the installer script's. muster-enrol(8), "EXIT STATUS". */
enum exit_code {
	EXIT_OK = 0,
	EXIT_INTERNAL = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_ROOT = 3,
	EXIT_UNSUPPORTED = 4,
	EXIT_ENROLLED = 5,
	EXIT_UNREACHABLE = 6,
	EXIT_PIN = 7,
	EXIT_TOKEN = 8,
	EXIT_LATER = 9,
	EXIT_NOT_AUTHENTIC = 10,
	EXIT_NOT_GENUINE = 11,
	EXIT_INSTALL = 12,
	EXIT_NO_HELLO = 13,
	EXIT_BUSY = 14,
	EXIT_NOT_CONNECTED = 15, /* --status, --update */
	EXIT_NOT_ENROLLED = 16,  /* --status, --rekey, --update */
	EXIT_REFUSED = 17,       /* by an administrator */
	EXIT_PUT_BACK = 18,      /* --update */
	EXIT_OTHER_RELEASE = 19, /* --update --release */
	EXIT_SIGNAL = 128,       /* and the signal's number */
};

/* What a step's line may tell, NUL included; eight servers' names and reasons fit. */
#define REPORT_DETAIL_SIZE 2048

struct report {
	bool json, quiet;
	bool utf8;
	bool colour_out, colour_err;
	bool bar;                         /* a progress bar can be drawn */
	bool bar_shown;                   /* and is on the line now */
	unsigned percent;                 /* that it shows */
	const char *step;                 /* begun and not ended, or the last one */
	char failure[REPORT_DETAIL_SIZE]; /* of report_failed(), for the last line */
	const char *version;              /* of a release, for the last line; or NULL */
};

void report_setup(struct report *r, bool json, bool quiet);

/* A step. done: its last line; failed: the same, and returns code. */
void report_begin(struct report *r, const char *step);
void report_done(struct report *r, const char *format, ...) printf_like(2);
int report_failed(struct report *r, int code, const char *format, ...) printf_like(3);

/* Beside the steps: something that doesn't end the step but should be known; what was undone; what
 * a dry run would do. */
void report_warn(struct report *r, const char *what, const char *format, ...) printf_like(3);
void report_undone(struct report *r, const char *step, const char *format, ...) printf_like(3);
void report_would(struct report *r, const char *format, ...) printf_like(2);

/* Bytes of a download, for the bar. */
void report_progress(struct report *r, uint64_t done, uint64_t total);

/* The last line. result: "enrolled", "failed", ...; client and labels may be NULL. */
void report_result(struct report *r, const char *result, int code, const char *client,
	const struct labels *labels);

/* text between double quotes as JSON wants it; what isn't printable UTF-8 is shown escaped. */
void report_json_string(FILE *out, const char *text);

/* "3.1 MB", "23 hours": at least size bytes of ret are used. */
#define REPORT_AMOUNT_SIZE 32
const char *report_bytes(uint64_t bytes, char ret[static REPORT_AMOUNT_SIZE]);
const char *report_duration(uint64_t seconds, char ret[static REPORT_AMOUNT_SIZE]);

#endif
