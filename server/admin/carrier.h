/* SPDX-License-Identifier: MIT */
/*
 * Connections that carry API calls. A connection has one request under way at a time and bounded
 * memory; an answer leaves when the turn that it depends on has committed. Who is slow is closed: a
 * request's head has CARRIER_HEAD_SECONDS from its first byte, the whole of it
 * CARRIER_REQUEST_SECONDS, a reader CARRIER_WRITE_SECONDS for each part of an answer. After a
 * refusal what the peer still sends is read and dropped for a moment, so that it gets to see the
 * answer.
 */
#ifndef MUSTER_CARRIER_H
#define MUSTER_CARRIER_H

#include "door.h"

#define CARRIER_IDLE_SECONDS    75 /* longer than proxies keep a connection to us open */
#define CARRIER_GRACE_SECONDS   2
#define CARRIER_HEAD_SECONDS    10
#define CARRIER_REQUEST_SECONDS 60
#define CARRIER_WRITE_SECONDS   30
#define CARRIER_LINGER_SECONDS  2

struct carrier;
struct sockaddr_storage;

/* One more connection by that door, which has accepted fd and no longer owns it, also where there is
 * no memory for it or the door turns it away. */
void carrier_new(struct door *d, int fd, const struct sockaddr_storage *peer);

/* Ends the connection that has been idle among the longest. false: none is, or their requests have
 * come and are yet to be read, or may be on their way: the program that has connected may not have had
 * a processor since. */
bool carrier_end_idle(struct door *d);
void carrier_end_all(struct door *d);

#endif
