/* SPDX-License-Identifier: MIT */
/* musterctl config: what its two modules share. */
#ifndef MUSTER_CTL_CONFIG_H
#define MUSTER_CTL_CONFIG_H

#include "ctl.h"

/* "/api/v1/configs/NAME", or NAME/act. CTL_OK, or CTL_USAGE and it has been said why. */
int config_path(char *ret, size_t size, const char *name, const char *act);

/* Waits until every connected machine has answered, or for so long (NULL: 5 min), with a progress
 * bar on a terminal; then tells who took it and who refused. CTL_OK: all took it, those that are
 * not connected too. */
int config_wait(struct ctl *c, const char *name, const char *timeout);

#endif
