/* SPDX-License-Identifier: MIT */
/*
 * MSG: what somebody on a machine says to the server (muster-protocol(7), "MSG"). The machine's
 * spool numbers its messages from 1, so that the server can tell one that comes a second time.
 */
#ifndef MUSTER_MSG_H
#define MUSTER_MSG_H

#include <stdbool.h>

#include "base.h"

#define MSG_SPOOL_SIZE 16
#define MSG_TYPE_SIZE  65    /* with the NUL */
#define MSG_TEXT_MAX   65536 /* bytes */
#define MSG_BODY_MAX   (1 + MSG_SPOOL_SIZE + 8 + 8 + MSG_TYPE_SIZE + 4 + MSG_TEXT_MAX)

struct msg {
	uint8_t spool[MSG_SPOOL_SIZE]; /* random, one for each spool */
	uint64_t number;               /* in the spool, from 1, growing */
	uint64_t time;                 /* by the machine's clock when it was given, since 1970 */
	char type[MSG_TYPE_SIZE];
	const char *text; /* not NUL-terminated; decoded: inside the body */
	size_t len;
};

/* 1 to 64 of a-z 0-9 . _ - */
bool msg_type_ok(const char *type);
/* 1 to MSG_TEXT_MAX bytes of UTF-8 without NUL; line ends and other controls may be in it. */
bool msg_text_ok(const char *text, size_t len);

/* Bytes written; -EMSGSIZE: too long or not what the two above take. */
ssize_t msg_encode(const struct msg *m, void *ret, size_t size) must_use;
/* -EBADMSG: malformed; -EPROTONOSUPPORT: of another version. */
int msg_decode(const void *body, size_t len, struct msg *ret) must_use;

#endif
