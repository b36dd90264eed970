/* SPDX-License-Identifier: MIT */
/* The server's one aggregate: what the modules share. */
#ifndef MUSTER_SERVER_H
#define MUSTER_SERVER_H

#include <openssl/ssl.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "keys.h"
#include "release.h"
#include "sockets.h"
#include "store/store.h"
#include "tally.h"
#include "turn.h"

struct webhooks;  /* webhooks.h: entries of the audit log to URLs */
struct monitor;   /* admin/monitor.h: a listener for metrics */
struct events;    /* admin/events.h: changes as Server-Sent Events */
struct changes;   /* changes.h: who is told of what happens */
struct channels;  /* channels.h: those whose client is known */
struct guesses;   /* guesses.h: the rate limit on wrong tokens */
struct dblink;    /* dblink.h: the store's connection to its database */
struct deadlines; /* deadline.h: one timer for all connections */
struct beats;     /* beats.h: heartbeats that wait */
struct poller;    /* poller.h: the connections' sockets */
struct stream;    /* stream.h: every accepted connection */
struct configs;   /* configs.h: configurations under way */
struct updates;   /* updates.h: updates of machines */
struct lost;      /* lost.h: those that fall silent meanwhile */
struct dialer;    /* dialer.h: connections to machines that listen */
struct outlet;    /* outlet.h: messages to a file or a command */
struct presence;  /* presence.h: who is connected where */
struct mesh;      /* mesh.h: what other processes are told */
struct control;   /* admin/control.h: the control socket and its API */
struct access;    /* admin/access.h: logging in */
struct dashboard; /* admin/dashboard.h: the API over HTTP, and the pages */

struct server {
	sd_event *loop;
	struct config config;
	unsigned worker; /* of several processes (workers.h): from 0; the first has the duties */
	struct sockets sockets;            /* of the client port */
	struct board *board;               /* workers.h; NULL: there is but one process */
	struct mesh_sockets *mesh_sockets; /* mesh.h; NULL: the same */
	struct presence *presence;
	struct mesh *mesh;
	struct keys keys;       /* identity, TLS, release, token key; keys.h */
	struct release release; /* the manifest and the files offered; release.h */
	struct store *store;
	struct turn *turn;
	struct changes *changes; /* NULL: nobody is told */
	struct events *events;
	struct monitor *monitor;
	struct webhooks *webhooks;
	SSL_CTX *tls;
	struct channels *channels;
	struct guesses *guesses;
	struct configs *configs;
	struct updates *updates;
	struct lost *lost;
	struct dialer *dialer;
	struct control *control;
	struct access *access;
	struct dashboard *dashboard; /* NULL: none */
	struct outlet *outlet;
	sd_event_source *message_timer;   /* messages.h: for what has become too old */
	bool ephemeral_tended;            /* since the start */
	sd_event_source *ephemeral_timer; /* ephemeral.h */
	struct listener *listeners;       /* listener.h */
	struct dblink *dblink;
	struct deadlines *deadlines;
	struct poller *poller;
	struct beats *beats;
	struct stream *streams;
	sd_event_source *life_timer;  /* workers.h */
	sd_event_source *guess_timer; /* enrol.h: armed while there are wrong tokens to tell of */
	uint64_t started;             /* store_now() */
	struct metrics metrics;
	struct tally tally_base; /* tally.h: what a process in this one's place had counted */
	sd_event_source *tally_timer;
};

/* Starts all that there is, with the configuration, sockets and guesses that *s has; signals that
 * the loop is to hear are blocked. What failed has been logged. */
int server_start(struct server *s) must_use;
/* Ends it all, also what has been started in part only; *s keeps what it had before. */
void server_stop(struct server *s);

#endif
