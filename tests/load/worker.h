/* SPDX-License-Identifier: MIT */
/* One process of the swarm: a loop over the connections of its agents, and a due time for each. */
#ifndef MUSTER_LOAD_WORKER_H
#define MUSTER_LOAD_WORKER_H

#include "lib/backoff.h"
#include "lib/facts.h"
#include "lib/order.h"
#include "swarm.h"

#define SECOND_US 1000000ull
#define NEVER     UINT64_MAX

struct agent {
	struct dial dial;
	size_t number; /* in the swarm */
	struct member *member;
	struct identity *identity;
	struct tlskey tls;
	struct backoff backoff;
	uint64_t began;   /* the attempt */
	uint64_t awaited; /* sequence number of what is to be answered */
	uint32_t watched;
	struct holding holding; /* revision 0: none */
	uint64_t first_message; /* its sequence number */
	unsigned sent, stored;  /* messages */
	bool up;                /* HELLO acknowledged */
	bool repeated;          /* this attempt is not the first at a server that listened */
};

struct worker {
	const struct swarm *swarm;
	const struct mode *mode;
	struct agent *agents;
	uint64_t *due; /* one for each agent */
	uint64_t next; /* the earliest of them, or before that */
	size_t count, started;
	int epoll;
};

struct mode {
	bool certificate;
	/* Sets the due times that things begin with. */
	void (*start)(struct worker *w);
	void (*due)(struct worker *w, struct agent *a);
	/* The channel stands. Negative: the connection is over. */
	int (*up)(struct worker *w, struct agent *a);
	int (*take)(struct worker *w, struct agent *a, const struct message *m);
	/* The connection has ended or couldn't be made, and is closed. */
	void (*over)(struct worker *w, struct agent *a, enum failure why);
};

void agent_arm(struct worker *w, struct agent *a, uint64_t at);
void agent_connect(struct worker *w, struct agent *a, uint64_t limit_us);
void agent_end(struct worker *w, struct agent *a, enum failure why);

/* life.c: connecting, HELLO and back-off, for the modes of enrolled agents */
void life_start(struct worker *w);
void life_due(struct worker *w, struct agent *a);
int life_up(struct worker *w, struct agent *a);
int life_take(struct worker *w, struct agent *a, const struct message *m);
void life_over(struct worker *w, struct agent *a, enum failure why);

uint64_t random_between(uint64_t low, uint64_t high);
void facts_of(const struct agent *a, struct facts *ret);

#endif
