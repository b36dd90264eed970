/* SPDX-License-Identifier: MIT */
/* ACK and NACK to machines' messages, for the handlers. All return 0, or negative: the channel must
 * end. */
#ifndef MUSTER_REPLY_H
#define MUSTER_REPLY_H

#include "channel.h"

/* with_time: with the server's time and the heartbeat, as a HELLO wants it. */
int reply_ack(struct channel *c, uint64_t sequence, bool with_time) must_use;
/* One ACK for all MSGs taken since the last, if there are any. */
int reply_flush_acks(struct channel *c) must_use;

/* retry: seconds, 0: not again. The text is for the machine's administrator; cut to 512 bytes. */
int reply_nack(struct channel *c, uint64_t sequence, enum nack_code code, uint32_t retry,
	const char *format, ...) must_use printf_like(5);
/* To a body that a decoder has refused with that error. */
int reply_nack_body(struct channel *c, uint64_t sequence, int error) must_use;
/* The store can't be used now, the message is to be sent again. After a MSG every other one on this channel
 * is to be put off as well. */
int reply_put_off(struct channel *c, uint64_t sequence, enum op op) must_use;

#endif
