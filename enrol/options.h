/* SPDX-License-Identifier: MIT */
/* muster-enrol's command line (muster-enrol(8), "OPTIONS"). */
#ifndef MUSTER_ENROL_OPTIONS_H
#define MUSTER_ENROL_OPTIONS_H

#include <stdbool.h>

#include "lib/addresses.h"
#include "lib/identity.h"
#include "lib/manifest.h"
#include "lib/minisign.h"
#include "lib/pin.h"

enum mode {
	MODE_ENROL,
	MODE_STATUS,
	MODE_UNINSTALL,
	MODE_REKEY,
	MODE_UPDATE,
	MODE_UNITS,
	MODE_VERSION,
	MODE_HELP
};

#define LISTEN_PORT 8444 /* unless one is named */
#define WAIT_MAX    3600 /* seconds */

/* The texts are argv's own. */
struct options {
	enum mode mode;
	struct addresses servers;
	const char *server; /* the one of them in use, at first the first */
	const char *proxy;  /* NULL: as the environment says */
	const char *token_file;
	const char *server_key_text, *release_key_text;
	uint8_t server_key[PUBLIC_KEY_SIZE];
	struct minisign_public release_key;
	struct pins pins;
	char pins_text[PINS_TEXT_SIZE]; /* the same, joined by ';' */
	uint64_t min_serial;
	uint16_t listen; /* the port; 0: the agent connects */
	unsigned wait;   /* seconds, for a report to be acknowledged; 0: the usual */
	const char
		*release_text; /* the one to update to, and no other; NULL: whatever is offered */
	uint8_t release[RELEASE_DIGEST_SIZE];
	const char *units_folder; /* of MODE_UNITS */
	bool dry_run, json, quiet, purge;
};

/* Reads and checks all of it. -EINVAL: *ret_error, at most size bytes, says what is wrong. */
int options_parse(struct options *o, int argc, char **argv, char *ret_error, size_t size) must_use;

void options_help(FILE *out);

#endif
