/* SPDX-License-Identifier: MIT */
/* Little memory for a program that mostly waits. */
#ifndef MUSTER_AGENT_MEMORY_H
#define MUSTER_AGENT_MEMORY_H

/* At the start: one arena, big blocks given back at once. */
void memory_prepare(void);

/* After a burst of work such as a handshake: gives freed heap back, and unmaps the program's own
 * unwritable pages, most of which (libcrypto, libcurl) won't be needed until the next one. Those
 * that are come back from the page cache when touched. */
void memory_give_back(void);

/* After a heartbeat: unmaps constants only, a third of what is mapped, of which little is touched
 * again. Its code, given back too, would cost as much time as the heartbeat itself. */
void memory_rest(void);

#endif
