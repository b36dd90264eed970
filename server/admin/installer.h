/* SPDX-License-Identifier: MIT */
/*
 * The installer script: the template (installer/installer.sh.in) with this server's values in it.
 * Every value is checked, character by character, against what its kind may have, and then quoted
 * by one function; a value that doesn't pass makes no script.
 */
#ifndef MUSTER_INSTALLER_H
#define MUSTER_INSTALLER_H

#include <stdbool.h>

#include "lib/buffer.h"
#include "lib/token.h"

struct server;

/* token: its bytes, or NULL for a script that asks. embed: with the programs inside. Appends to out
 * and raises its limit as needed. -ENODATA: there is no release to offer; -EAGAIN: the programs are
 * not compressed yet (embed.h); -EINVAL: a value has other characters than it may have (logged). */
int installer_render(const struct server *s, const uint8_t *token, bool embed, struct buffer *out)
	must_use;

/* The parts, for tests: the template with values in the places of @NAME@. */
struct installer_value {
	const char *name;
	const char *text;
	size_t len;
	const char *allowed; /* characters; every other one is refused */
};
int installer_fill(const char *template, size_t len, const struct installer_value *values,
	size_t count, struct buffer *out) must_use;

#endif
