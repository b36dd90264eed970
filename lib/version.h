/* SPDX-License-Identifier: MIT */
/* The version as data: what a manifest and a HELLO tell. It is there once, whatever the compiler makes
 * of constants, so that another release can be made of a built one, as tests of updates do. */
#ifndef MUSTER_VERSION_H
#define MUSTER_VERSION_H

extern const char muster_version[];

#endif
