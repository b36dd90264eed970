/* SPDX-License-Identifier: MIT */
/* Addresses to listen on: in text, as they are configured, and as sockets. */
#ifndef MUSTER_ADDRESS_H
#define MUSTER_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base.h"

struct listen_address {
	struct sockaddr_storage address;
	socklen_t len; /* 0: none */
};

/* "[::]:8443", "192.0.2.1:8443", "8443" (every address); port 0: any that is free. -EINVAL. */
int address_parse(const char *text, struct listen_address *ret) must_use;
bool address_same(const struct listen_address *a, const struct listen_address *b);

/* "HOST:PORT": letters, digits, dots and dashes, or an IPv6 address in brackets; port 1..65535. */
bool address_name_ok(const char *name);

/* A socket that listens, does not block and is the caller's to close. IPv6's any address takes IPv4
 * too. -EAFNOSUPPORT, -EADDRINUSE, ... */
int address_listen(const struct listen_address *a, int backlog, int *ret_fd) must_use;

/* Where that socket really is, "127.0.0.1:8443" or "[::]:8443". Returns the port. */
#define ADDRESS_TEXT_SIZE 64
uint16_t address_of_socket(int fd, char ret[static ADDRESS_TEXT_SIZE]);

#endif
