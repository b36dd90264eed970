/* SPDX-License-Identifier: MIT */
/*
 * What the agent is doing: kept in one place, told to systemd (the Status: line of systemctl
 * status) and written to the file status of the runtime directory, key=value lines, for
 * `muster-agent status` and muster-enrol. muster-agent(8), "Files".
 */
#ifndef MUSTER_AGENT_STATUS_H
#define MUSTER_AGENT_STATUS_H

#include <stdbool.h>
#include <time.h>

#include "lib/identity.h"

enum state {
	STARTING,   /* no attempt has been made yet */
	CONNECTING, /* an attempt is under way; its HELLO is not acknowledged yet */
	CONNECTED,  /* the server has acknowledged a HELLO on this connection */
	WAITING,    /* until the next attempt */
	REFUSED,    /* the same, and the server has said that this machine may not connect */
	SUSPENDED,  /* connected, but the server takes nothing but HELLO */
	REVOKED,    /* the server has ended the enrolment for ever; the agent ends */
	LISTENING,  /* until the server connects */
};

struct status {
	enum state state;
	time_t since;     /* when the last connection began, or ended if there is none now */
	time_t hello;     /* last acknowledged HELLO, 0: none since the agent's start */
	time_t next;      /* the next attempt, when waiting or refused */
	char server[264]; /* host:port */
	char client[CLIENT_ID_TEXT_SIZE];
	char detail[384]; /* why there is none, or what is odd; printable, may be empty */
};

const char *status_name(enum state state); /* "starting", ... */

/* Writes the file. Nothing to do when that fails but to say so: negative errno. */
int status_write(const struct status *s, const char *folder) must_use;

/* -ENOENT: no agent runs; -EBADMSG: not such a file. */
int status_read(const char *folder, struct status *ret) must_use;

/* Copies text so that all of it is printable; what doesn't fit is left out, by whole characters. */
void status_copy_printable(const char *text, char *ret, size_t size);

/* One sentence for a person. */
void status_sentence(const struct status *s, char *ret, size_t size);

/* `muster-agent status`: prints it; stopped is the form of an agent that doesn't run,
 * listening: which systemd starts when the server connects. */
void status_show(const struct status *s);
void status_show_json(const struct status *s);
void status_show_stopped(bool json, bool listening);

#endif
