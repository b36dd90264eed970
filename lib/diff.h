/* SPDX-License-Identifier: MIT */
/* What differs between two texts, line by line, in the unified form of diff(1) with three lines of
 * context. */
#ifndef MUSTER_DIFF_H
#define MUSTER_DIFF_H

#include "buffer.h"

#define DIFF_EDITS                                                                                 \
	500 /* beyond that what lies between the first and the last difference is told as
			  taken out and put in, so that the work is bounded */

/* Appends it with these names; nothing if they are the same. Texts with a NUL in them only differ
 * or don't. -ENOMEM, -EMSGSIZE: out is undefined. */
int diff_unified(const char *old, size_t old_len, const char *new, size_t new_len,
	const char *old_name, const char *new_name, struct buffer *out) must_use;

#endif
