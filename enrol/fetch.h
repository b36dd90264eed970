/* SPDX-License-Identifier: MIT */
/*
 * What the server offers, fetched and verified: the manifest by the release key, a program by the
 * manifest, and that it runs here. Unless it says otherwise each returns 0, or has reported the
 * failure and returns the exit code.
 */
#ifndef MUSTER_ENROL_FETCH_H
#define MUSTER_ENROL_FETCH_H

#include "enrol/enrol.h"

#define AGENT_NAME "muster-agent"
#define ENROL_NAME "muster-enrol"

/* Into e->manifest, with e->agent in it. */
int fetch_manifest(struct enrol *e);
/* A program for this machine in e->manifest; NULL: there is none, or it is absurdly large. */
const struct manifest_file *fetch_find(const struct enrol *e, const char *name);

/* A new folder of root's alone in that one, under a random name; the journal knows it before. */
int fetch_stage(struct enrol *e, const char *folder, char ret[static STAGE_SIZE]);
/* Downloads it into the folder, under its name; checks size and SHA-256, and runs it once. */
int fetch_into(
	struct enrol *e, const char *name, const struct manifest_file *f, const char *folder);
/* The same for a dry run: it lives in memory only. */
int fetch_into_memory(struct enrol *e, const char *name, const struct manifest_file *f);

/* SHA-256 and size of an open file. 0 or negative errno. */
int fetch_digest(int fd, uint8_t ret[static 32], uint64_t *ret_size) must_use;

#endif
