/* SPDX-License-Identifier: MIT */
/*
 * This machine's messages, from the hands of its users (post.h) through the spool (spool.h) to the
 * server (outbox.h). Without a spool, on a full or broken disk say, the agent lives on without it:
 * then `muster-agent send` finds nobody.
 */
#ifndef MUSTER_AGENT_MAIL_H
#define MUSTER_AGENT_MAIL_H

#include "agent/agent.h"
#include "agent/outbox.h"
#include "agent/post.h"

struct mail;

/* send: as in outbox.h. on_sent: something has been sent outside of a call of these functions, or
 * that has failed (negative). What goes wrong with spool and socket has been logged; an error is
 * -ENOMEM. */
int mail_new(sd_event *event, const struct agent_paths *paths, const struct post_limits *limits,
	outbox_send *send, void (*on_sent)(void *userdata, int result), void *userdata,
	struct mail **ret) must_use;
struct mail *mail_free(struct mail *m); /* takes NULL, returns NULL */

/* The channel stands and the server has acknowledged a HELLO on it: sends. Negative errno. */
int mail_begin(struct mail *m) must_use;
/* The server takes no messages until mail_begin() again: those under way are still acknowledged. */
void mail_hold(struct mail *m);
/* It is lost. */
void mail_end(struct mail *m);

/* ACK and NACK of the server. 1: it was for a message; 0: not; negative errno: sending failed. A
 * NACK takes the message out of the spool. */
int mail_acked(struct mail *m, uint64_t sequence) must_use;
int mail_refused(struct mail *m, uint64_t sequence, const char *why) must_use;

/* Messages sent before that sequence number are still unanswered. */
bool mail_overdue(const struct mail *m, uint64_t sequence);

#endif
