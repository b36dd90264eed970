/* SPDX-License-Identifier: MIT */
#include "lib/version.h"

const char muster_version[] = MUSTER_VERSION;
