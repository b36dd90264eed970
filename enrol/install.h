/* SPDX-License-Identifier: MIT */
/* What this very version installs, for an update by another one: --units. */
#ifndef MUSTER_ENROL_INSTALL_H
#define MUSTER_ENROL_INSTALL_H

#include "lib/base.h"

#define UNIT_TEXT_MAX 16384

/* Writes the units into a folder of root's alone; the socket's, with its port, where this machine
 * has one. 0 or negative errno. */
int install_units(const char *folder) must_use;

#endif
