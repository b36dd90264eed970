/* SPDX-License-Identifier: MIT */
/*
 * Roll-outs: which machines are to have the release that the server offers, how many of them at a
 * time, and how many of them may fail. What came of it on each machine is in updates.h. The manner
 * and the errors are store.h's.
 *
 * A roll-out stands until it is ended or another one starts. Its counts are in its own row, and
 * change in the transaction in which a machine's row does: no more than at_once are ever under way,
 * however many processes ask, and the failure that is one too many halts it before anybody else is
 * asked.
 */
#ifndef MUSTER_STORE_ROLLOUTS_H
#define MUSTER_STORE_ROLLOUTS_H

#include "configs.h"
#include "lib/manifest.h"

#define ROLLOUT_AT_ONCE_MAX  10000u
#define ROLLOUT_FAILURES_MAX 1000000u

enum rollout_state {
	ROLLOUT_RUNNING,
	ROLLOUT_HALTED, /* nobody else is asked */
	ROLLOUT_ENDED,
};
const char *rollout_state_name(enum rollout_state state); /* "running", "halted", "ended" */

struct rollout_record {
	uint64_t id; /* drawn when it was started, so the newest has the greatest */
	uint8_t release[RELEASE_DIGEST_SIZE];
	char version[VERSION_SIZE];   /* the release's */
	char selector[SELECTOR_SIZE]; /* as a configuration's (configs.h) */
	uint32_t at_once;
	uint32_t failures; /* that many machines may fail or be lost; one more, and it halts */
	enum rollout_state state;
	char reason[NOTE_SIZE]; /* why it is halted or ended, or "" */
	uint64_t started, changed;
	char actor[ACTOR_SIZE]; /* who started it */
	uint64_t under_way, done;
	uint64_t failed; /* refused and lost ones */
};

struct rollout_spec {
	const uint8_t *release; /* RELEASE_DIGEST_SIZE bytes */
	const char *version;
	const char *selector;
	uint32_t at_once;  /* from 1 to ROLLOUT_AT_ONCE_MAX */
	uint32_t failures; /* to ROLLOUT_FAILURES_MAX */
	const char *actor;
};

/* Ends the one that stands; both audited. -EINVAL: that can't be one. */
int store_rollout_start(
	struct store *s, const struct rollout_spec *spec, struct rollout_record *ret) must_use;

/* id 0: the newest. -ENOENT. */
int store_rollout_get(struct store *s, uint64_t id, struct rollout_record *ret) must_use;

typedef int (*rollout_visitor)(void *userdata, const struct rollout_record *r);
/* Those below before (0: all), the newest first. */
int store_rollout_each(struct store *s, uint64_t before, uint32_t limit, rollout_visitor visit,
	void *userdata) must_use;

enum rollout_act { ROLLOUT_HALT, ROLLOUT_RESUME, ROLLOUT_END };

struct rollout_order {
	const char *reason;       /* shorter than NOTE_SIZE; NULL: none */
	const uint32_t *failures; /* of ROLLOUT_RESUME: as many from now on; NULL: as before */
	const char *actor;
};

/* An administrator's act, audited. id 0: the newest. The counts go on. 1: done, *ret is what it is
 * now; 0: it was so already; -EPERM: it is ended, which *ret tells; -EINVAL. */
int store_rollout_change(struct store *s, uint64_t id, enum rollout_act act,
	const struct rollout_order *order, struct rollout_record *ret) must_use;

/* How many machines are under way, of this roll-out and of all before. */
int store_rollout_under_way(struct store *s, uint64_t *ret) must_use;

#endif
