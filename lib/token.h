/* SPDX-License-Identifier: MIT */
/* Enrolment tokens: 64 random bits, 16 hex digits for people. */
#ifndef MUSTER_TOKEN_H
#define MUSTER_TOKEN_H

#include "base.h"

#define TOKEN_SIZE      8
#define TOKEN_TEXT_SIZE 17 /* with the NUL */

/* Takes it as people paste it: capitals, dashes and blanks between digits, blanks and newlines
 * around. -EINVAL: not 16 hex digits. */
int token_parse(const char *text, uint8_t ret[static TOKEN_SIZE]) must_use;
void token_format(const uint8_t token[static TOKEN_SIZE], char ret[static TOKEN_TEXT_SIZE]);

#endif
