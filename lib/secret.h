/* SPDX-License-Identifier: MIT */
/* Memory for secrets: locked, guarded, kept out of core dumps, wiped on release (libsodium's
 * sodium_malloc). */
#ifndef MUSTER_SECRET_H
#define MUSTER_SECRET_H

#include "base.h"

/* Must be called once before anything else of lib/. -EIO: libsodium or the random source doesn't
 * work. */
int secret_init(void) must_use;

/* Forbids core dumps and other processes' ptrace of this one (prctl PR_SET_DUMPABLE, RLIMIT_CORE).
 */
int secret_protect_process(void) must_use;

/* Zeros. NULL: no memory. It costs four pages at least: not for what there are thousands of. */
void *secret_alloc(size_t len) must_use;
void *secret_free(void *secret); /* wipes; takes NULL, returns NULL */
void secret_freep(void *pointer);

void random_bytes(void *ret, size_t len); /* the kernel's CSPRNG; can't fail after secret_init() */

#endif
