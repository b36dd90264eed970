/* SPDX-License-Identifier: MIT */
/* What a person types and nobody else is to see. */
#ifndef MUSTER_CTL_PROMPT_H
#define MUSTER_CTL_PROMPT_H

#include <stdbool.h>

#include "lib/base.h"

/* Asks for one line of at most size - 1 bytes; at a terminal by that text, and without showing what is
 * typed. A signal that ends or stops the program meanwhile does so when the terminal is as it was; a
 * program that goes on is asked anew. false: nothing, more than fits, a NUL, or no more input. */
bool prompt_hidden(const char *text, char *ret, size_t size) must_use;

#endif
