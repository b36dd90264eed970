/* SPDX-License-Identifier: MIT */
/* What this machine is and has, before anything is changed. */
#ifndef MUSTER_ENROL_MACHINE_H
#define MUSTER_ENROL_MACHINE_H

#include "enrol/enrol.h"
#include "lib/uplink.h"

/* What the agent's configuration says. */
struct machine_conf {
	char server[ADDRESSES_ONE_SIZE]; /* the first, as it stands there */
	struct addresses servers;        /* none: they are not in order */
	char pins[PINS_TEXT_SIZE];
	char server_key[IDENTITY_TEXT_SIZE];
	char release_key[MINISIGN_PUBLIC_TEXT_SIZE];
	char client[CLIENT_ID_TEXT_SIZE];
	char proxy[200];
	bool has_proxy;
};

/* -ENOENT: this machine isn't enrolled; -EBADMSG: there is such a file, but not muster-enrol's. */
int machine_conf_read(struct machine_conf *ret) must_use;

/* The server is the one that the machine has; c must outlive e. -EBADMSG: something is not as
 * muster-enrol has written it. */
int machine_use_conf(struct enrol *e, const struct machine_conf *c) must_use;

/* 0, or reported and the exit code: is this a system that muster-enrol works on? */
int machine_check_system(struct enrol *e) must_use;

/* The same: locks; with make, also where no earlier run has left a folder. */
int machine_hold(struct enrol *e, bool make) must_use;

bool machine_parse_id(const char *text, uint8_t ret[static CLIENT_ID_SIZE]) must_use;

/* 0, or reported and the exit code. More than size bytes must be free for programs. */
int machine_check_space(struct enrol *e, uint64_t size) must_use;

/* Makes a folder that isn't there (0755), and those above it, each noted before. */
int machine_make_folder(struct journal *j, const char *step, const char *path) must_use;

#endif
