/* SPDX-License-Identifier: MIT */
#include "tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define BACKLOG 128

int tcp_listen(const struct listen_address *a, int *ret)
{
	static const int one = 1, zero = 0;
	scoped(closep) int fd =
		socket(a->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&a->address, a->len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret = fd;
	fd = -1;
	return 0;
}

void tcp_address(int fd, char ret[static TCP_TEXT])
{
	struct sockaddr_storage own = {};
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&own;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&own;
	socklen_t len = sizeof(own);
	char host[INET6_ADDRSTRLEN] = "?";

	getsockname(fd, (struct sockaddr *)&own, &len);
	if (own.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(ret, TCP_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(ret, TCP_TEXT, "%s:%u", host, ntohs(v4->sin_port));
	}
}
