/* SPDX-License-Identifier: MIT */
/*
 * Where this machine's users hand in messages: the socket RUNTIME/send (door.h), or one of systemd's. Who may connect is
 * the socket's permissions' business. What has been taken in one turn of the loop is synced to the
 * disk at once, and only then are its senders answered.
 */
#ifndef MUSTER_AGENT_POST_H
#define MUSTER_AGENT_POST_H

#include <systemd/sd-event.h>

#include "agent/spool.h"

struct post_limits {
	uint64_t messages; /* that may wait for the server */
	uint64_t bytes;    /* that they may take on the disk */
	uint64_t size;     /* of one message's text */
};

struct post;

/* given: listen on that one, which stays; -1: on one of its own. spool and limits must outlive it; the limits may change. on_stored: there are more messages in
 * the spool. Negative errno of the socket. */
int post_new(sd_event *event, const char *runtime, int given, struct spool *spool,
	const struct post_limits *limits, void (*on_stored)(void *userdata), void *userdata,
	struct post **ret) must_use;
struct post *post_free(struct post *p); /* removes the socket; takes NULL, returns NULL */

#endif
