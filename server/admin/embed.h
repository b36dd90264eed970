/* SPDX-License-Identifier: MIT */
/*
 * muster-enrol as it travels inside an installer script: compressed by gzip (level 9), in base64
 * without line breaks. Made once for a release, when somebody first asks for it, in steps of a few
 * milliseconds, because a whole program takes half a second; then kept.
 */
#ifndef MUSTER_EMBED_H
#define MUSTER_EMBED_H

#include "../release.h"

struct embed;

int embed_new(struct embed **ret) must_use;
struct embed *embed_free(struct embed *e);

/* One step. 1: there is more to do; 0: every muster-enrol of the release is ready. -EIO: reading
 * failed; -ENOMEM. */
int embed_step(struct embed *e, const struct release *r) must_use;

/* The base64 of that file and its length; NULL: not made yet. Valid until the next step. */
const char *embed_text(const struct embed *e, const struct release_file *f, size_t *ret_len);

/* "x86_64" of "linux/x86_64/muster-enrol"; false: it is another file. */
#define ARCH_SIZE 33
bool embed_arch(const struct release_file *f, char ret[static ARCH_SIZE]);

#endif
