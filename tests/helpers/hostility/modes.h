/* SPDX-License-Identifier: MIT */
/* The ways to misbehave, and the steps of an enrolment at which to do so. */
#ifndef HOSTILE_MODES_H
#define HOSTILE_MODES_H

#include "lib/base.h"

enum mode {
	MODE_GOOD,
	MODE_WRONG_TLS_KEY,
	MODE_TLS12,
	MODE_PLAIN_HTTP,
	MODE_REDIRECT,
	MODE_REDIRECT_FILES,
	MODE_GARBAGE_HTTP,
	MODE_ENDLESS_HEAD,
	MODE_GARBAGE_PACKETS,
	MODE_GARBAGE_FRAMES,
	MODE_ENDLESS_MESSAGE,
	MODE_WRONG_SIGNATURE,
	MODE_REFLECT,
	MODE_REFLECT_RESEALED,
	MODE_REPLAY,
	MODE_REFUSE_TOKEN,
	MODE_REFUSE_ENROL,
	MODE_REFUSE_HELLO,
	MODE_MANIFEST_OTHER_KEY,
	MODE_MANIFEST_CHANGED,
	MODE_MANIFEST_OLD,
	MODE_AGENT_TRUNCATED,
	MODE_AGENT_SHORTER,
	MODE_AGENT_LONGER,
	MODE_AGENT_ENDLESS,
	MODE_AGENT_OTHER_BYTES,
	MODE_RESET_AFTER,
	MODE_CLOSE_AT,
	MODE_END_AT,
	MODE_HANG_AT,
	MODE_PAUSE_AT,
	MODE_CLOCK,
};

enum argument { NOTHING, A_STEP, A_NUMBER };

struct mode_row {
	const char *name;
	enum argument argument;
	const char *what;
};

/* When a step is reached: what it is about has come, and nothing has been answered yet. */
enum step {
	STEP_CONNECT, /* TCP stands */
	STEP_TLS,     /* the handshake is done */
	STEP_PROGRAM, /* GET of muster-enrol, by the script */
	STEP_UPGRADE,
	STEP_TOKEN,
	STEP_MANIFEST,
	STEP_SIGNATURE,
	STEP_AGENT,
	STEP_ENROL,
	STEP_HELLO,
	STEP_LEAVE,
};

const struct mode_row *mode_row(enum mode mode);
const char *step_name(enum step step);

/* -ENOENT: there is none of that name. */
int mode_find(const char *name, enum mode *ret) must_use;
int step_find(const char *name, enum step *ret) must_use;

/* The tables, for people. */
void modes_help(FILE *out);

#endif
