/* SPDX-License-Identifier: MIT */
/*
 * Which of the server's addresses a run speaks to. Several are of several servers on one database
 * with the same keys, so one is as good as the other: where the one in use doesn't serve, the
 * others are tried in turn. Each must show the pinned key; nothing is said before.
 */
#ifndef MUSTER_ENROL_SERVERS_H
#define MUSTER_ENROL_SERVERS_H

#include "enrol/enrol.h"

/* Takes the addresses into e->options; the first is in use from now on. */
void servers_use(struct enrol *e, const struct addresses *servers);

/* contact_open() over e->uplink, at the address in use or at one of the others, which then is the
 * one in use, after a warning. Where none serves, contact.error is the failure that an attempt later
 * is most likely to pass, if any, and e->tried tells of all. */
int servers_open(struct enrol *e, const uint8_t *id) must_use;

/* The same of uplink_download(). */
int servers_download(struct enrol *e, const char *path, int fd, uint64_t limit,
	uplink_progress progress, void *userdata, struct uplink_error *ret_error) must_use;

#endif
