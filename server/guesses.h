/* SPDX-License-Identifier: MIT */
/*
 * The rate limit on wrong tokens. Every network (source.h) has a bucket of wrong guesses that
 * refills slowly; who has emptied it is asked to wait, whatever token it brings. One more bucket
 * counts wrong guesses from everywhere; when that is empty, only networks that have guessed wrong
 * lately must wait: an enrolment from elsewhere is never held up by them. The table has a fixed
 * size. Times are monotonic, in milliseconds.
 *
 * It lies in memory that is shared with the processes forked afterwards, so that many of them allow
 * no more guesses than one.
 */
#ifndef MUSTER_GUESSES_H
#define MUSTER_GUESSES_H

#include "source.h"

#define GUESSES_REFILL_MS  6000u /* one more guess for a network */
#define GUESSES_TOLD       16    /* networks told apart in one summary */
#define GUESSES_SUMMARY_MS 60000u

struct guesses;

int guesses_new(struct guesses **ret) must_use;
struct guesses *guesses_free(struct guesses *g);

/* per_source: size of a network's bucket; overall: wrong guesses a second from everywhere. */
void guesses_limit(struct guesses *g, uint32_t per_source, uint32_t overall);

/* Another pace than GUESSES_REFILL_MS. */
void guesses_pace(struct guesses *g, uint32_t refill_ms);

/* 0: it may ask; otherwise the seconds it should wait. */
uint32_t guesses_wait(struct guesses *g, const struct source *s, uint64_t now_ms);

/* That source has named a token that doesn't exist. */
void guesses_wrong(struct guesses *g, const struct source *s, uint64_t now_ms);

/* Takes one of them back: it was no guess. */
void guesses_right(struct guesses *g, const struct source *s, uint64_t now_ms);

/* What was guessed since the last call: up to GUESSES_TOLD networks, the busiest first, then the
 * number of the others and of their guesses. Nothing to tell: 0. */
struct guesses_row {
	struct source network;
	uint32_t wrong;
};
size_t guesses_summary(struct guesses *g, struct guesses_row ret[static GUESSES_TOLD],
	uint32_t *ret_others, uint32_t *ret_others_wrong);

#endif
