/* SPDX-License-Identifier: MIT */
/*
 * What a run of the swarm measures, and its lines "name value" on standard output. "server_..." is
 * said if the swarm watches the server's process.
 */
#ifndef MUSTER_LOAD_MEASURE_H
#define MUSTER_LOAD_MEASURE_H

#include "swarm.h"

struct measure {
	uint64_t began, cpu, acks; /* microseconds; nanoseconds; HELLOs acknowledged so far */
};

struct measure measure_start(const struct swarm *s);
void tell_cpu(const struct swarm *s, const struct measure *m); /* of the server since then */
void tell_memory(const struct swarm *s);
void tell_clients_cpu(void);              /* of the workers, once they have ended */
void tell_latency(const struct swarm *s); /* of the agents that did well */
void tell_failures(const struct board *b);
uint64_t board_failures(const struct board *b);

/* true: it became so before the swarm's limit. */
bool wait_until(const struct swarm *s, bool (*done)(const struct swarm *s));
bool all_done(const struct swarm *s);
bool all_up(const struct swarm *s);
bool all_lost(const struct swarm *s);

#endif
