/* SPDX-License-Identifier: MIT */
/*
 * Single values out of text of NAME=VALUE lines: the agent's configuration and status file. Blanks
 * around name and value don't count; the first line of a name does. Only for files whose values
 * muster wrote itself; nothing is unquoted.
 */
#ifndef MUSTER_ENROL_FIELDS_H
#define MUSTER_ENROL_FIELDS_H

#include "lib/base.h"

/* ret is "" if there is no such line, or its value is longer than size - 1 bytes. */
void fields_text(const char *text, const char *name, char *ret, size_t size);
/* The values of all lines of that name; one that doesn't fit any more is left out. */
void fields_joined(const char *text, const char *name, char separator, char *ret, size_t size);
/* 0 if there is none, or no number. */
uint64_t fields_number(const char *text, const char *name);

#endif
