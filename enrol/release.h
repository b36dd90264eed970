/* SPDX-License-Identifier: MIT */
/*
 * The newest release that this machine has seen, by enrolment or update: /var/lib/muster-release.
 * A manifest with a lower serial is an old one, though it is signed: whoever offers it may want back
 * a fault that has been mended since. Another one with the same serial is none that the holder of the
 * release key can have meant. Serials belong to their release key; another key begins anew.
 */
#ifndef MUSTER_ENROL_RELEASE_H
#define MUSTER_ENROL_RELEASE_H

#include "enrol/enrol.h"

struct release_seen {
	bool known; /* false: none yet */
	uint64_t serial;
	char version[33];
	uint8_t agent[32], program[32]; /* SHA-256; zeros: not in it */
};

/* Of that release key. 0 also if there is none yet, or one of another key; -EBADMSG: the file can't
 * be understood. */
int release_read(const char *key, struct release_seen *ret) must_use;

/* e->manifest is what this machine has seen now. make: the file must not be there yet, and isn't
 * replaced; otherwise it is, all or not at all. */
int release_note(const struct enrol *e, bool make) must_use;

/* What e->manifest lists, as seen. */
void release_of(const struct enrol *e, struct release_seen *ret);
bool release_same_programs(const struct release_seen *a, const struct release_seen *b);

#endif
