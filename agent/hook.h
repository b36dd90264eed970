/* SPDX-License-Identifier: MIT */
/* One run of a program of the machine's administrator, bounded in time and words. */
#ifndef MUSTER_AGENT_HOOK_H
#define MUSTER_AGENT_HOOK_H

#include <stdbool.h>

#include "lib/base.h"

#define HOOK_SECONDS   60
#define HOOK_SAID_SIZE 401

struct hook_run {
	const char *program; /* path */
	const char *file;    /* its argument, or NULL: none */
	const char *action;  /* MUSTER_ACTION: "check", "apply", "restore", "remove" */
	const char *name;    /* MUSTER_CONFIG */
	uint64_t revision;   /* MUSTER_REVISION */
};

/* 1: there is one, root's alone; 0: there is none; -EPERM: others may change it, or it isn't an
 * executable file. */
int hook_find(const char *program) must_use;

/* Runs it and kills what is left of its process group afterwards. 0: it succeeded; 1: it failed, or
 * took too long. ret_said: its last lines, printable, with " | " between them. */
int hook_run(const struct hook_run *h, char ret_said[static HOOK_SAID_SIZE]) must_use;

#endif
