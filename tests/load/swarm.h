/* SPDX-License-Identifier: MIT */
/* What the parts of muster-swarm share; and what its processes share, in struct board. */
#ifndef MUSTER_LOAD_SWARM_H
#define MUSTER_LOAD_SWARM_H

#include <stdatomic.h>
#include <sys/types.h>

#include "dial.h"
#include "lib/token.h"

/* Of all processes together; times are microseconds of CLOCK_MONOTONIC. */
struct board {
	atomic_bool go, stop;
	_Atomic uint64_t ready;   /* processes */
	_Atomic uint64_t done;    /* agents that have finished, well or not (enrol) */
	_Atomic uint64_t well;    /* of these, or of connects, the ones that went well */
	_Atomic uint64_t up;      /* agents whose HELLO on this connection is acknowledged */
	_Atomic uint64_t acks;    /* of HELLOs */
	_Atomic uint64_t lost;    /* connections that were up */
	_Atomic uint64_t again;   /* agents that needed another attempt at a server that listened */
	_Atomic uint64_t taken;   /* configurations and updates that agents have acknowledged */
	_Atomic uint64_t to_take; /* so many shall it be */
	_Atomic uint64_t stored;  /* messages that the server has acknowledged */
	_Atomic uint64_t last_fact; /* of these two, the time of the last */
	atomic_bool flood;          /* agents may send their messages */
	_Atomic uint64_t failures[FAILURES];
	_Atomic uint64_t first_loss, last_well;
	uint32_t latency[]; /* microseconds, one for each agent, 0: none */
};

struct swarm {
	struct target target;
	const char *keys;    /* file */
	const char *control; /* socket, or NULL */
	const char *folder;
	uint8_t token[TOKEN_SIZE];
	size_t agents, first; /* members [first, first + agents) of the key file */
	unsigned processes;
	unsigned parallel; /* enrolments at a time, of all processes together */
	unsigned ramp;     /* seconds to connect all agents in */
	unsigned settle;   /* seconds between connected and measured */
	unsigned seconds;  /* measured */
	unsigned limit;    /* seconds until everything is given up */
	pid_t watch;       /* the server's; 0: no */
	bool ask;          /* TOKEN before ENROL */
	bool enrolled;     /* only those that are */
	unsigned messages; /* that each agent sends */
	unsigned size;     /* of a configuration, or of a message's text */
	const char *path;  /* of the API, to ask for */
	struct member *members;
	struct board *board;
};

uint64_t now_us(void);
const char *failure_name(enum failure f);
void board_failed(struct board *b, enum failure f);
void board_well(struct board *b, size_t agent, uint64_t began);
void board_fact(struct board *b, _Atomic uint64_t *counter, uint64_t count);

/* worker.c: processes that run agents in a mode */
struct mode;
extern const struct mode mode_enrol, mode_steady, mode_return, mode_flood;
int workers_start(struct swarm *s, const struct mode *m) must_use;
void workers_end(struct swarm *s);

/* rogue.c: peers that misbehave. 0: the server ended all of them as it must. */
int rogues_run(struct swarm *s) must_use;

/* steady.c: agents that are enrolled; and ask.c: a person's requests beside them. 0: all went well. */
int run_idle(struct swarm *s) must_use;
int run_return(struct swarm *s) must_use;
int run_fanout(struct swarm *s) must_use;
int run_rollout(struct swarm *s) must_use;
int run_flood(struct swarm *s) must_use;
int run_browse(struct swarm *s) must_use;

/* ask.c: asks the server, over its control socket. 0: all that was acknowledged is there. */
int ask_enrolled(const struct swarm *s) must_use;
int ask_connected(const struct swarm *s, uint64_t acknowledged_since) must_use;
/* Pushes a configuration of size bytes to every machine; how many hold what they should; whether
 * each agent's messages are all there, in order, each once. */
int ask_push(const struct swarm *s, const char *name) must_use;
int ask_holders(const struct swarm *s, const char *name, size_t *ret) must_use;
/* Starts a roll-out to all, s->parallel at a time; how many have done what it says. */
int ask_rollout(const struct swarm *s) must_use;
int ask_updated(const struct swarm *s, size_t *ret) must_use;
int ask_messages(const struct swarm *s) must_use;

#endif
