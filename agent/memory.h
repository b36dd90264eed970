/* SPDX-License-Identifier: MIT */
/* Little memory for a program that mostly waits. */
#ifndef MUSTER_AGENT_MEMORY_H
#define MUSTER_AGENT_MEMORY_H

/* At the start: one arena, big blocks given back at once. */
void memory_prepare(void);

/* After a heartbeat: unmaps the program's own unwritable pages (libcrypto, libcurl). Those that are
 * touched again come back from the page cache; where that holds the program in large pieces, one
 * touch brings a whole piece, so without this all of the program is mapped after a while. Costs no
 * time that could be measured beside the heartbeat's own. */
void memory_rest(void);

/* After a burst of work such as a handshake: gives freed heap back too. */
void memory_give_back(void);

#endif
