/* SPDX-License-Identifier: MIT */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "log.h"

#define BACKLOG 4096

/* A machine without IPv6 can still serve every address it has. */
static int listen_somewhere(const struct listen_address *a, int *ret_fd)
{
	struct listen_address v4;
	char text[32];

	int r = address_listen(a, BACKLOG, ret_fd);
	if (r != -EAFNOSUPPORT || a->address.ss_family != AF_INET6)
		return r;
	snprintf(text, sizeof(text), "0.0.0.0:%u",
		ntohs(((const struct sockaddr_in6 *)&a->address)->sin6_port));
	r = address_parse(text, &v4);
	return r < 0 ? r : address_listen(&v4, BACKLOG, ret_fd);
}

static int listen_to(struct sockets *s, const struct listen_address *a)
{
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	int r = listen_somewhere(a, &s->fd[s->count]);
	if (r == 0) {
		s->count++;
		return 0;
	}
	getnameinfo((const struct sockaddr *)&a->address, a->len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	return log_err(r, "cannot listen on %s port %s", host, port);
}

/* How many sockets systemd has given; then Listen= says nothing. */
static int take_given(struct sockets *s)
{
	int n = sd_listen_fds(1);

	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
			sd_is_socket_unix(fd, 0, -1, NULL, 0) > 0) {
			log_at(LOG_ERR, "systemd gave a socket that is not a listening TCP socket");
			return -EINVAL;
		}
		if (s->count == LISTEN_MAX)
			return log_err(-E2BIG, "systemd gave too many sockets");
		/* systemd's are blocking: an accept that finds nobody would hold the loop. */
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return log_err(-errno, "cannot use the socket that systemd gave");
		s->fd[s->count++] = fd;
	}
	return n;
}

/* As `hostname -f` has it, or what there is of it. */
static void own_name(char ret[static 256])
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM }, *found;

	if (gethostname(ret, 254) < 0)
		strcpy(ret, "localhost");
	ret[254] = '\0';
	if (strchr(ret, '.') != NULL || getaddrinfo(ret, NULL, &hints, &found) != 0)
		return;
	if (found->ai_canonname != NULL && strlen(found->ai_canonname) < 254)
		strcpy(ret, found->ai_canonname);
	freeaddrinfo(found);
}

static int set_name(struct config *c, uint16_t port)
{
	char host[256], name[ADDRESSES_ONE_SIZE];

	if (c->names.count > 0)
		return 0;
	own_name(host);
	snprintf(name, sizeof(name), "%s:%u", host, port);
	if (address_name_ok(name) && addresses_add(&c->names, name) == 0)
		return 0;
	log_at(LOG_ERR, "'%s' can't be used as this server's name; set Name= in the configuration",
		name);
	return -EINVAL;
}

static int open_all(struct config *c, struct sockets *s)
{
	char text[ADDRESS_TEXT_SIZE];
	uint16_t first = 0;

	int r = take_given(s);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < c->listen_count; i++) {
		int error = listen_to(s, &c->listen[i]);
		if (error < 0)
			return error;
	}
	for (size_t i = 0; i < s->count; i++) {
		uint16_t port = address_of_socket(s->fd[i], text);
		first = i == 0 ? port : first;
		log_info("listening on %s", text);
	}
	return set_name(c, first);
}

int sockets_open(struct config *c, struct sockets *ret)
{
	*ret = (struct sockets){};
	int r = open_all(c, ret);
	if (r < 0)
		sockets_close(ret);
	return r;
}

void sockets_close(struct sockets *s)
{
	while (s->count > 0)
		close(s->fd[--s->count]);
}

size_t sockets_addresses(const struct sockets *s, char ret[][ADDRESS_TEXT_SIZE], size_t max)
{
	size_t n = 0;

	for (; n < s->count && n < max; n++)
		(void)address_of_socket(s->fd[n], ret[n]);
	return n;
}
