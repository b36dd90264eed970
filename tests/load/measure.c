/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proc.h"

#define POLL_US 5000u

uint64_t board_failures(const struct board *b)
{
	uint64_t sum = 0;

	for (size_t f = 0; f < FAILURES; f++)
		sum += b->failures[f];
	return sum;
}

void tell_failures(const struct board *b)
{
	printf("failed %ju\n", (uintmax_t)board_failures(b));
	for (enum failure f = 0; f < FAILURES; f++)
		if (b->failures[f])
			printf("fail-%s %ju\n", failure_name(f), (uintmax_t)b->failures[f]);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of those that went well. */
void tell_latency(const struct swarm *s)
{
	size_t count = 0;
	scoped(freep) uint32_t *sorted = calloc(s->agents, sizeof *sorted);

	for (size_t i = 0; sorted && i < s->agents; i++)
		if (s->board->latency[i])
			sorted[count++] = s->board->latency[i];
	if (count == 0)
		return;
	qsort(sorted, count, sizeof *sorted, by_size);
	printf("p50_ms %.2f\np99_ms %.2f\nmax_ms %.2f\n", sorted[count / 2] / 1e3,
		sorted[count * 99 / 100] / 1e3, sorted[count - 1] / 1e3);
}

/* ---- measuring */

struct measure measure_start(const struct swarm *s)
{
	struct measure m = { .began = now_us(), .acks = s->board->acks };

	if (s->watch && proc_cpu(s->watch, &m.cpu) < 0)
		m.cpu = 0;
	return m;
}

void tell_cpu(const struct swarm *s, const struct measure *m)
{
	uint64_t cpu;

	if (s->watch && proc_cpu(s->watch, &cpu) == 0)
		printf("server_cpu_ms %.3f\n", (double)(cpu - m->cpu) / 1e6);
}

void tell_memory(const struct swarm *s)
{
	uint64_t resident, private;

	if (s->watch && proc_memory(s->watch, &resident, &private) == 0)
		printf("server_resident_kib %ju\nserver_private_kib %ju\n", (uintmax_t)resident,
			(uintmax_t) private);
}

void tell_clients_cpu(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_CHILDREN, &u) == 0)
		printf("swarm_cpu_ms %.1f\n",
			(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
				(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3);
}

/* true: it became so in time */
bool wait_until(const struct swarm *s, bool (*done)(const struct swarm *s))
{
	uint64_t until = now_us() + s->limit * 1000000ull;

	while (!done(s) && now_us() < until)
		usleep(POLL_US);
	return done(s);
}

bool all_done(const struct swarm *s)
{
	return s->board->done == s->agents;
}

bool all_up(const struct swarm *s)
{
	return s->board->up == s->agents;
}

bool all_lost(const struct swarm *s)
{
	return s->board->lost >= s->agents;
}
