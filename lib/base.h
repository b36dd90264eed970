/* SPDX-License-Identifier: MIT */
/* The few words that every file of muster uses. */
#ifndef MUSTER_BASE_H
#define MUSTER_BASE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define scoped(end)    __attribute__((cleanup(end)))
#define must_use       __attribute__((warn_unused_result))
#define printf_like(f) __attribute__((format(printf, f, (f) + 1)))
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

/* Hands the pointer over: the variable no longer owns it. */
#define give(p)                                                                                    \
	({                                                                                         \
		__auto_type given_ = (p);                                                          \
		(p) = NULL;                                                                        \
		given_;                                                                            \
	})

/* Cleanup functions for scoped(); all of them leave errno as it is. */
void closep(int *fd);      /* closes *fd unless it is negative */
void freep(void *pointer); /* free(*pointer) */
void fclosep(FILE **file); /* fclose(*file) unless NULL */

#endif
