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

/* After a little work that comes again and again: unmaps constants, a third of what is mapped, of
 * which little is touched again. Code only if too much has gathered: a kernel whose page cache
 * holds the program in large pieces maps a whole piece at a touch, all of it after a while, and
 * again as cheaply; where pieces are small, bringing the code back would cost as much time as the
 * work itself. */
void memory_rest(void);

#endif
