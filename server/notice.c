/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static int supervisor = -1;

void notice_use(int fd)
{
	supervisor = fd;
}

/* A supervisor that is gone hears nothing, and its death ends this process. */
void notice_tell(const char *state)
{
	if (supervisor >= 0)
		(void)send(supervisor, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		(void)sd_notify(0, state);
}
