/* SPDX-License-Identifier: MIT */
/* The records of the spool's files (spool.h), and files read and written at a place. */
#ifndef MUSTER_AGENT_RECORD_H
#define MUSTER_AGENT_RECORD_H

#include "agent/spool.h"

#define RECORD_SUM_SIZE 16
#define RECORD_MAX      (4 + RECORD_SUM_SIZE + 8 + SPOOL_KEY_SIZE + 8 + MSG_TYPE_SIZE + MSG_TEXT_MAX)

/* Bytes written; -EMSGSIZE. */
ssize_t record_encode(const struct msg *m, const uint8_t key[static SPOOL_KEY_SIZE],
	uint64_t number, uint8_t *ret, size_t size) must_use;

/* The record at that place; the text lies in *bytes. Bytes it takes; 0: the file ends there;
 * -EBADMSG: it isn't whole. */
ssize_t record_read(int fd, uint64_t at, struct buffer *bytes,
	uint8_t ret_key[static SPOOL_KEY_SIZE], struct msg *ret) must_use;

/* Bytes read, fewer than len only at the file's end; negative errno. */
ssize_t file_read_at(int fd, void *ret, size_t len, uint64_t at) must_use;
/* All of it, or negative errno. */
int file_write_at(int fd, const void *data, size_t len, uint64_t at) must_use;

#endif
