/* SPDX-License-Identifier: MIT */
/*
 * cutter: a TCP relay that cuts a connection after a number of bytes.
 *
 *	cutter --listen ADDRESS:PORT --to ADDRESS:PORT [--connection N] [--after BYTES]
 *	       [--then reset|hang|end]
 *
 * Connection N (default: the first) is cut when BYTES (default: 0) have gone from the server to the
 * client: both sides are reset, or it stays open without a byte more, or all connections are reset
 * and the relay ends. The others pass. Each line of standard output tells one thing: first "port N";
 * then "N connected", "N cut", and "N closed DOWN UP", the bytes that went to the client and to the
 * server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "lib/base.h"
#include "lib/text.h"

struct cutter {
	struct sockaddr_in listen, to;
	uint64_t connection; /* that is cut */
	uint64_t after;
	enum then { THEN_RESET, THEN_HANG, THEN_END } then;
};

struct relay {
	unsigned long number;
	int client, server;
	uint64_t down, up; /* bytes that have gone to the client, to the server */
};

static _Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "cutter: %s: %s\n", what, strerror(error));
	exit(1);
}

static void tell(const char *format, ...) printf_like(1);

/* One write a line: lines of many processes stay whole. */
static void tell(const char *format, ...)
{
	char line[128];
	va_list values;
	int n;

	va_start(values, format);
	n = vsnprintf(line, sizeof line - 1, format, values);
	va_end(values);
	line[n++] = '\n';
	(void)!write(STDOUT_FILENO, line, (size_t)n);
}

static _Noreturn void finish(const struct relay *r)
{
	tell("%lu closed %llu %llu", r->number, (unsigned long long)r->down,
		(unsigned long long)r->up);
	_exit(0);
}

static _Noreturn void reset(const struct relay *r)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(r->client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	(void)setsockopt(r->server, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	finish(r);
}

static _Noreturn void cut(const struct cutter *c, const struct relay *r)
{
	char rest[4096];

	tell("%lu cut", r->number);
	if (c->then == THEN_END)
		(void)kill(getppid(), SIGTERM);
	while (c->then == THEN_HANG && read(r->client, rest, sizeof rest) > 0)
		continue;
	reset(r);
}

static void pass_all(const struct relay *r, int to, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(to, data, len);

		if (n <= 0)
			reset(r);
		data += n;
		len -= (size_t)n;
	}
}

/* One direction of the relay. */
struct way {
	int from, to;
	uint64_t *count, limit;
};

/* false: this direction has ended, and the other side knows. */
static bool pass(const struct cutter *c, const struct relay *r, const struct way *w)
{
	char data[16384];
	uint64_t room = w->limit - *w->count;
	ssize_t n = read(w->from, data, room < sizeof data ? (size_t)room : sizeof data);

	if (n < 0)
		reset(r);
	if (n == 0)
		return shutdown(w->to, SHUT_WR) < 0;
	pass_all(r, w->to, data, (size_t)n);
	*w->count += (uint64_t)n;
	if (*w->count == w->limit)
		cut(c, r);
	return true;
}

static _Noreturn void relay(const struct cutter *c, struct relay *r, uint64_t limit)
{
	const struct way ways[] = { { r->client, r->server, &r->up, UINT64_MAX },
		{ r->server, r->client, &r->down, limit } };
	struct pollfd p[] = { { .fd = r->client, .events = POLLIN },
		{ .fd = r->server, .events = POLLIN } };

	if (limit == 0)
		cut(c, r);
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, COUNT(p), -1) < 0)
			die("poll", errno);
		for (size_t i = 0; i < COUNT(p); i++)
			if (p[i].revents && !pass(c, r, &ways[i]))
				p[i].fd = -1;
	}
	finish(r);
}

static _Noreturn void serve(const struct cutter *c, unsigned long number, int client)
{
	struct relay r = { .number = number, .client = client };

	tell("%lu connected", number);
	r.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r.server < 0 || connect(r.server, (const struct sockaddr *)&c->to, sizeof c->to) < 0)
		reset(&r);
	relay(c, &r, number == c->connection ? c->after : UINT64_MAX);
}

/* ---------------------------------------------------------------- start */

static int listen_on(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof *address;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ||
		listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)address, &len) < 0)
		die("listen", errno);
	tell("port %u", ntohs(address->sin_port));
	return fd;
}

static _Noreturn void accept_all(const struct cutter *c, int listener)
{
	pid_t parent = getpid();

	for (unsigned long number = 1;; number++) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			die("accept", errno);
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			(void)close(listener);
			serve(c, number, client);
		}
		(void)close(client);
	}
}

static bool take_address(const char *text, struct sockaddr_in *ret)
{
	char host[64] = "";
	unsigned port = 0;

	ret->sin_family = AF_INET;
	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > UINT16_MAX)
		return false;
	ret->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool take_then(const char *text, enum then *ret)
{
	static const char *const names[] = {
		[THEN_RESET] = "reset", [THEN_HANG] = "hang", [THEN_END] = "end"
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i], text) == 0) {
			*ret = (enum then)i;
			return true;
		}
	return false;
}

static bool take_option(struct cutter *c, const char *name, const char *value)
{
	if (!value)
		return false;
	if (strcmp(name, "--listen") == 0)
		return take_address(value, &c->listen);
	if (strcmp(name, "--to") == 0)
		return take_address(value, &c->to);
	if (strcmp(name, "--connection") == 0)
		return text_number(value, 0, UINT32_MAX, &c->connection) == 0;
	if (strcmp(name, "--after") == 0)
		return text_number(value, 0, UINT32_MAX, &c->after) == 0;
	if (strcmp(name, "--then") == 0)
		return take_then(value, &c->then);
	return false;
}

int main(int argc, char **argv)
{
	struct cutter c = { .connection = 1 };

	for (int i = 1; i < argc; i += 2)
		if (!take_option(&c, argv[i], argv[i + 1])) {
			fprintf(stderr,
				"usage: cutter --listen ADDRESS:PORT --to ADDRESS:PORT "
				"[--connection N] [--after BYTES] [--then reset|hang|end]\n");
			return 2;
		}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	accept_all(&c, listen_on(&c.listen));
}
