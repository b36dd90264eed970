/* SPDX-License-Identifier: MIT */
/*
 * Little resident memory for a program that mostly waits. All are hints to the kernel: where they
 * aren't taken, more stays mapped. Pages given back come from the page cache when touched again.
 */
#ifndef MUSTER_MEMORY_H
#define MUSTER_MEMORY_H

/* At the start: one arena, big blocks given back at once. */
void memory_prepare(void);

/* After a burst of work such as a start or a handshake: gives freed heap back, and unmaps what the
 * program and its libraries have of code and constants, most of which won't be needed until the
 * next one. */
void memory_give_back(void);

/* After a little work that comes again and again: unmaps that only if much more has gathered than it needs.
 * They do where the page cache holds the program in large pieces, of which one touch maps a whole
 * one, again as cheaply; where pieces are small, what the work touches stays far below, and bringing
 * it back each time would cost as much as the work itself. */
void memory_rest(void);

#endif
