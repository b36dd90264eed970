/* SPDX-License-Identifier: MIT */
/*
 * Configuration files: [section], Key=value, comments. inih reads them; it tells no line numbers
 * and takes some things amiss without a word, so it gets the lines from here: counted, bounded, and
 * none after the first mistake.
 */
#ifndef MUSTER_INIFILE_H
#define MUSTER_INIFILE_H

#include <stdbool.h>

#include "base.h"

#define INIFILE_MAX      65536 /* bytes */
#define INIFILE_LINE_MAX 198   /* bytes without the newline; what inih takes at most */

/* One reading. The first part is the caller's, the rest all zero. */
struct inifile {
	/* Takes a value, or says what is wrong with it: inifile_wrong(). "": before any section. */
	void (*value)(void *userdata, const char *section, const char *name, const char *value);
	void *userdata;
	bool continued; /* a line that starts with a blank is one more value of the last name */
	char *why;      /* what is wrong, for people */
	size_t why_size;

	const char *path;
	FILE *file;
	unsigned line;
	size_t bytes;
	bool wrong;
};

/* 0; -EBADMSG: a mistake, of which why says "PATH:LINE: ..."; other: it can't be read, why says so
 * as well. */
int inifile_read(struct inifile *f, const char *path) must_use;

/* A mistake in the line that is being read, after the reading in the last one; the first one
 * counts. Returns -EBADMSG. */
int inifile_wrong(struct inifile *f, const char *format, ...) printf_like(2);

#endif
