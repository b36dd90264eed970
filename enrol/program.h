/* SPDX-License-Identifier: MIT */
/* Other programs, run without a shell, with a small clean environment and /dev/null as input. */
#ifndef MUSTER_ENROL_PROGRAM_H
#define MUSTER_ENROL_PROGRAM_H

#include <signal.h>

#include "lib/base.h"

/* The absolute path of a system program ("systemctl"), or NULL if the system hasn't it. Static. */
const char *program_find(const char *name);

/* Runs argv[0] (an absolute path) for at most seconds. The last size - 1 bytes at most of what it
 * says on both outputs go to ret, NUL-terminated. Its exit status (128 + n: ended by signal n), or
 * negative errno: -ETIMEDOUT, -ECANCELED: *cancel (may be NULL) became not 0; it is killed then. */
int program_run(const char *const argv[], unsigned seconds, const volatile sig_atomic_t *cancel,
	char *ret, size_t size) must_use;

#endif
