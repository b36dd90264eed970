/* SPDX-License-Identifier: MIT */
/* Parameters that several listings know. As answer.h's readers: false, and it has been refused. */
#ifndef MUSTER_FILTERS_H
#define MUSTER_FILTERS_H

#include "../store/words.h"
#include "read.h"

/* A listing that looks for something passes by so many rows in one step, and takes so many steps
 * before it answers with what it has and a place to go on from. */
#define STEP_ROWS 2000
#define STEPS_MAX 10

/* "q": words that are looked for. */
bool read_words(struct api_call *c, const struct param *p, char ret[static WORDS_SIZE]);
/* RFC 3339 in UTC; 0 if it isn't given. */
bool read_time(struct api_call *c, const struct param *p, uint64_t *ret);
/* "order": newest first, or oldest (which is what it is if it isn't given). */
bool read_newest(struct api_call *c, const struct param *p, bool *ret);
/* Refuses what goes with the other order only: with newest first the first parameter, with oldest
 * first the others (which need a look at everything). */
bool goes_with_order(struct api_call *c, bool newest, const struct param *oldest_only,
	const struct param *newest_only, size_t count);

#endif
