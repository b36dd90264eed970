/* SPDX-License-Identifier: MIT */
/*
 * The messages that wait for the server: a log in files of the folder STATE/spool, which survives
 * the agent's end, a kill and a loss of power. muster-agent(8), "MESSAGES".
 *
 *	id            the spool's id, MSG_SPOOL_SIZE random bytes
 *	acked         the last number that the server has acknowledged; may be behind
 *	NUMBER.log    records, the file's first number in its name (16 hex digits)
 *
 * A record: its length from here on (4, big-endian), BLAKE2b-128 of what follows (16), number (8),
 * key (SPOOL_KEY_SIZE), time (8), type (1 and its bytes), text. What is not whole at the end of the
 * last file was never said to be stored, and is cut off. The newest two files stay although all
 * in them is acknowledged: by them a message that is given a second time is known again.
 */
#ifndef MUSTER_AGENT_SPOOL_H
#define MUSTER_AGENT_SPOOL_H

#include "lib/buffer.h"
#include "lib/msg.h"

#define SPOOL_KEY_SIZE 16
#define SPOOL_KEYS     1024 /* of the newest messages, kept in memory */

struct spool;

/* Opens or makes it. What is damaged is left out, *ret_damaged (files) tells of it. Negative errno
 * of the file system. */
int spool_open(const char *folder, struct spool **ret, unsigned *ret_damaged) must_use;
/* Removes it from the disk if nothing in it waits; the next one has another id. At a clean end
 * only: whoever handed something in that is acknowledged has its answer. */
void spool_sweep(struct spool *s);
struct spool *spool_free(struct spool *s); /* takes NULL, returns NULL */

const uint8_t *spool_id(const struct spool *s); /* MSG_SPOOL_SIZE bytes */

/* Of what is not acknowledged. */
uint64_t spool_count(const struct spool *s);
uint64_t spool_bytes(const struct spool *s);

/* One of the newest SPOOL_KEYS messages, or of those that are in the kept files, has that key: it
 * is stored already. */
bool spool_knows(const struct spool *s, const uint8_t key[static SPOOL_KEY_SIZE]);

/* Writes a message at the end; it is stored when spool_sync() has returned 0 after it. If that
 * fails everything since the last success is taken out again, as if it had never been added.
 * -EIO: the spool can't be used any more until the agent starts anew. */
int spool_add(struct spool *s, const uint8_t key[static SPOOL_KEY_SIZE], const struct msg *m)
	must_use;
int spool_sync(struct spool *s) must_use;

/* Where a reader is; all zero: before the first that isn't acknowledged. */
struct spool_cursor {
	uint64_t number; /* of the record read last */
	uint64_t start;  /* the file it is in, by its first number */
	uint64_t offset; /* behind it in that file */
};

/* The next stored record into *ret, whose text lies in *bytes; *ret_size is what it takes of the
 * spool. 1: one; 0: none yet; negative errno. */
int spool_next(struct spool *s, struct spool_cursor *c, struct buffer *bytes, struct msg *ret,
	uint64_t *ret_size) must_use;

/* The server has it, and with it size bytes of records: they needn't be sent again. */
void spool_acked(struct spool *s, uint64_t number, uint64_t size);

#endif
