/* SPDX-License-Identifier: MIT */
/*
 * What `muster-agent send` and the agent say to each other over RUNTIME/send, a UNIX socket of
 * sequenced packets; one request a packet, and one answer to each, which bears its key. A request
 * whose answer was lost is made again under the same key; then it isn't stored twice.
 *
 *	request: version (1), key (16), type (1 and its bytes), text
 *	answer:  version (1), key (16), verdict (1), words (1 and their bytes)
 */
#ifndef MUSTER_AGENT_DOOR_H
#define MUSTER_AGENT_DOOR_H

#include "agent/spool.h"

#define DOOR_NAME        "send"
#define DOOR_OF_SYSTEMD  "/run/muster-send" /* instead, if muster-agent.socket has it */
#define DOOR_WINDOW      64                 /* requests of one caller that may be unanswered */
#define DOOR_REQUEST_MAX (1 + SPOOL_KEY_SIZE + MSG_TYPE_SIZE + MSG_TEXT_MAX)
#define DOOR_ANSWER_MAX  (1 + SPOOL_KEY_SIZE + 1 + 256)

enum door_verdict {
	DOOR_STORED = 0, /* on the disk */
	DOOR_WRONG = 1,  /* not a message that can be taken */
	DOOR_FULL = 2,   /* too much waits for the server already */
	DOOR_FAILED = 3, /* the agent can't write now */
};

struct door_request {
	uint8_t key[SPOOL_KEY_SIZE];
	char type[MSG_TYPE_SIZE];
	const char *text;
	size_t len;
};

struct door_answer {
	uint8_t key[SPOOL_KEY_SIZE];
	uint8_t verdict;
	char words[256];
};

/* As lib/body.h: bytes or -EMSGSIZE; 0, -EBADMSG or -EPROTONOSUPPORT. What a request asks for has
 * not been judged by that. */
ssize_t door_request_encode(const struct door_request *q, void *ret, size_t size) must_use;
int door_request_decode(const void *packet, size_t len, struct door_request *ret) must_use;
ssize_t door_answer_encode(const struct door_answer *a, void *ret, size_t size) must_use;
int door_answer_decode(const void *packet, size_t len, struct door_answer *ret) must_use;

#endif
