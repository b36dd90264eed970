/* SPDX-License-Identifier: MIT */
/* For which machines something is meant: the body's "selector", or its "client". */
#ifndef MUSTER_TARGET_H
#define MUSTER_TARGET_H

#include "read.h"

/* As a configuration's or a roll-out's selector: of "client", an id which may be shortened, it is
 * the whole one. Neither of the two, if that may be: "". As read.h's readers. */
bool read_target(struct api_call *c, bool required, char ret[static SELECTOR_SIZE]) must_use;

#endif
