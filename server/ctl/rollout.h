/* SPDX-License-Identifier: MIT */
/* musterctl release: what its modules share. */
#ifndef MUSTER_CTL_ROLLOUT_H
#define MUSTER_CTL_ROLLOUT_H

#include "ctl.h"

/* "/api/v1/rollouts/ID", or ID/act; id NULL: the newest. CTL_OK, or it has been said why. */
int rollout_path(char *ret, size_t size, const char *id, const char *act);

long long rollout_number(json_t *rollout);                  /* its id */
long long rollout_count(json_t *rollout, const char *what); /* one of its counts */
bool rollout_is(json_t *rollout, const char *state);

/* The newest with all its counts; *ret is NULL if there is none yet. */
int rollout_newest(struct ctl *c, json_t **ret);

/* "3 done, 1 under way, 0 failed, 2 waiting, 0 offline" */
#define PROGRESS_SIZE 160
const char *rollout_progress(json_t *rollout, char ret[static PROGRESS_SIZE]);

/* What there is to do about it, on standard error; nothing if there is nothing. */
void rollout_advise(json_t *rollout);

/* A table of its machines of that outcome (NULL: those it has asked). *ret_count may be NULL. */
int rollout_machines(struct ctl *c, const char *id, const char *outcome, size_t *ret_count);

/* CTL_OK: all machines that it means have the release; CTL_NOT_ALL. */
int rollout_verdict(json_t *rollout);

#endif
