/* SPDX-License-Identifier: MIT */
/* The installer script: fetched from the server, printed; and how to use it without one. */
#ifndef MUSTER_SCRIPT_H
#define MUSTER_SCRIPT_H

#include "ctl.h"

/* Prints the script. token: 16 hex digits, or NULL: the script asks. An exit code. */
int script_print(struct ctl *c, const char *token, bool embed);

/* Tells, on standard error, what to type on a machine that has curl or wget. Nothing if the name or
 * the pin have other characters than they may: a shell is to read them. */
void script_explain(const char *name, const char *pin);

#endif
