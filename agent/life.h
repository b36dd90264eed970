/* SPDX-License-Identifier: MIT */
/*
 * What agent.c and dialogue.c share of an agent's life; nobody else needs it. agent.c has the connection, the timer
 * and the state, dialogue.c what is said on the connection.
 */
#ifndef MUSTER_AGENT_LIFE_H
#define MUSTER_AGENT_LIFE_H

#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/mail.h"
#include "agent/orders.h"
#include "agent/reset.h"
#include "agent/setup.h"
#include "agent/status.h"
#include "agent/update.h"
#include "lib/multi.h"
#include "lib/retry.h"
#include "lib/session.h"
#include "lib/uplink.h"

#define SECOND      1000ull       /* milliseconds, as all delays here */
#define ANSWER_WAIT (30 * SECOND) /* for the answer to Upgrade, and for each ACK */
#define WHY_SIZE    640

struct listening; /* listen.h */

struct agent {
	sd_event *event;
	struct multi *multi;
	const struct agent_paths *paths;
	struct setup *setup;
	struct orders *orders;
	struct reset *reset;
	struct update *update;
	struct retry retry;
	size_t place; /* in the configured addresses: of this attempt, or the last one */

	sd_event_source *timer; /* the one timer, for the one next thing */
	void (*due)(struct agent *a);

	struct uplink *uplink;       /* NULL: no connection, nor an attempt at one */
	sd_event_source *io;         /* its socket */
	sd_event_source *unread;     /* fires while there is more to read than the socket tells */
	struct session *session;     /* NULL until the channel stands */
	uint64_t awaited;            /* sequence number of the HELLO sent last, 0: acknowledged */
	bool lasted;                 /* the connection has outlived a heartbeat */
	bool greeted;                /* a HELLO was acknowledged on it */
	bool put_off;                /* the last HELLO on it: the server can't use its database */
	bool suspended;              /* by the server's last word on it */
	char reason[WHY_SIZE];       /* for that */
	struct mail *mail;           /* this machine's messages */
	struct listening *listening; /* NULL: this machine connects */
	uint16_t listens;            /* the port, or 0 */
	struct post_limits limits;

	struct status status;
	time_t told;                                 /* when systemd was last told */
	struct log_repeat complaints[ADDRESSES_MAX]; /* the last failures that were logged */
};

/* The address of the server that it is about, for messages. */
const char *agent_server(const struct agent *a);

/* The one place that says what the agent is doing. detail may be a->status.detail itself. */
void agent_change_state(struct agent *a, enum state state, const char *detail);

/* The one place that sets the timer: due is called after delay milliseconds, instead of what was due. */
void agent_arm(struct agent *a, uint64_t delay, void (*due)(struct agent *a));
uint64_t agent_between(uint64_t low, uint64_t high); /* uniformly, both included */

/* Ends the connection, if there is one, and arms the next attempt; least: milliseconds. */
void agent_lose(struct agent *a, enum state state, uint64_t least, const char *format, ...)
	printf_like(4);
/* A connection that the server has opened takes the place of the one that there was. */
void agent_adopt(struct agent *a, struct uplink *u);
/* Ends it and arms nothing. */
void agent_disconnect(struct agent *a);

/* Due when an answer has not come in time. */
void agent_on_silence(struct agent *a);

/* Asks the loop for what the connection waits for, if there is one: after anything was sent. */
void agent_watch(struct agent *a);

#endif
