/* SPDX-License-Identifier: MIT */
/*
 * What is decided about several server processes (workers.h): which to start, to stop, to signal,
 * and when. No system calls are made here; time is monotonic, in milliseconds.
 *
 * The first worker starts alone: it makes keys, database and manifest. When it is ready the others
 * follow, and when all are, the server has started; a worker that ends before that ends the start.
 * Later a worker that ends is started again, after a pause that grows while it keeps ending. A
 * reload goes through the first worker before the others, a stop through the others before the
 * first.
 */
#ifndef MUSTER_SUPERVISE_H
#define MUSTER_SUPERVISE_H

#include <stdbool.h>

#include "config.h"

#define SUPERVISE_PAUSE_MS     100u
#define SUPERVISE_PAUSE_MAX_MS 30000u
#define SUPERVISE_STEADY_MS    60000u /* having run so long, it starts again with the first pause */
#define SUPERVISE_SILENT_MS    60000u /* without a sign of life: it hangs */
#define SUPERVISE_START_MS     90000u
#define SUPERVISE_STOP_MS      20000u /* then it is killed */

enum worker_state {
	WORKER_DOWN,
	WORKER_STARTING,
	WORKER_READY,
	WORKER_KILLED, /* it hung */
};

struct worker {
	enum worker_state state;
	uint64_t since;   /* of that state; DOWN: when it is to start */
	uint64_t heard;   /* its last sign of life */
	unsigned endings; /* without a steady time between them */
	bool reload;      /* it has to, */
	bool reloading;   /* and has been told to */
	bool stopping;    /* has been told to */
};

struct supervisor {
	unsigned count;
	struct worker of[WORKERS_MAX];
	bool started, stopping, reloading;
	bool failed; /* the start did */
	uint64_t stop_since;
};

/* One thing to do. */
enum supervise_what {
	SUPERVISE_NOTHING,
	SUPERVISE_SPAWN,    /* the worker */
	SUPERVISE_SIGNAL,   /* the worker, with the signal */
	SUPERVISE_STARTED,  /* say that the server is ready */
	SUPERVISE_RELOADED, /* say that the reload is through */
	SUPERVISE_OVER,     /* no worker is left: end */
};
struct supervise_act {
	enum supervise_what what;
	unsigned worker;
	int signal;
};

void supervise_init(struct supervisor *v, unsigned count, uint64_t now);

/* What has happened. */
void supervise_ready(struct supervisor *v, unsigned worker, uint64_t now); /* or has reloaded */
void supervise_alive(struct supervisor *v, unsigned worker, uint64_t now);
void supervise_ended(struct supervisor *v, unsigned worker, uint64_t now);
void supervise_reload(struct supervisor *v);
void supervise_stop(struct supervisor *v, uint64_t now);

/* The next thing to do now; call until there is nothing. *ret_next: when to call again at the
 * latest; UINT64_MAX: when something happens. */
struct supervise_act supervise_next(struct supervisor *v, uint64_t now, uint64_t *ret_next);

#endif
