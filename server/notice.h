/* SPDX-License-Identifier: MIT */
/* What sd_notify(3) is for, told to who has started this process: systemd, or the supervisor of
 * several workers (workers.h). */
#ifndef MUSTER_NOTICE_H
#define MUSTER_NOTICE_H

#include "lib/base.h"

/* From now on it is told to that socket (SOCK_SEQPACKET), which this takes over. */
void notice_use(int fd);

/* "READY=1", "STATUS=..." and the like. */
void notice_tell(const char *state);

#endif
