/* SPDX-License-Identifier: MIT */
/* Listening for plain HTTP: of the dashboard and of what watches the server. */
#ifndef MUSTER_TCP_H
#define MUSTER_TCP_H

#include "../config.h"

#define TCP_TEXT 80

/* Non-blocking, and listening. -EADDRINUSE, ... */
int tcp_listen(const struct listen_address *a, int *ret) must_use;
/* "127.0.0.1:8080", "[::]:8080": where it really listens. */
void tcp_address(int fd, char ret[static TCP_TEXT]);

#endif
