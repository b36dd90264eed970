/* SPDX-License-Identifier: MIT */
#include "pgtalk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t pgtalk_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* 1: the socket is ready; 0: the time is over. */
static int await(const PGconn *c, short events, uint64_t until)
{
	struct pollfd fd = { .fd = PQsocket(c), .events = events };
	int r;

	do {
		uint64_t now = pgtalk_now();

		r = now >= until ? 0 : poll(&fd, 1, (int)((until - now) / 1000) + 1);
	} while (r < 0 && errno == EINTR);
	return r;
}

int pgtalk_push(PGconn *c, uint64_t until)
{
	int r;

	while ((r = PQflush(c)) > 0) {
		if (await(c, POLLIN | POLLOUT, until) <= 0)
			return -ETIMEDOUT;
		if (!PQconsumeInput(c))
			return -ECONNABORTED;
	}
	return r < 0 ? -ECONNABORTED : 0;
}

int pgtalk_pull(PGconn *c, uint64_t until, PGresult **ret)
{
	while (PQisBusy(c)) {
		if (await(c, POLLIN, until) <= 0)
			return -ETIMEDOUT;
		if (!PQconsumeInput(c))
			return -ECONNABORTED;
	}
	*ret = PQgetResult(c);
	return 0;
}

bool pgtalk_good(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_COMMAND_OK ||
	       PQresultStatus(result) == PGRES_TUPLES_OK;
}

void pgtalk_say(char ret[static PG_ERROR_SIZE], const char *what, const char *detail)
{
	size_t len;

	snprintf(ret, PG_ERROR_SIZE, "%s%s%s", what, *what && *detail ? ": " : "", detail);
	len = strlen(ret);
	while (len > 0 && ret[len - 1] == '\n')
		ret[--len] = '\0';
	for (char *at = ret; (at = strpbrk(at, "\n\t")) != NULL;)
		*at = *at == '\n' ? ';' : ' ';
}
