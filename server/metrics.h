/* SPDX-License-Identifier: MIT */
/*
 * What the server counts, and how it tells a monitoring system: Prometheus' text format 0.0.4. The
 * counters are plain numbers, counted up where things happen; everything that costs something is
 * looked up when somebody asks. The names are an interface: muster-api(7), "Metrics".
 */
#ifndef MUSTER_METRICS_H
#define MUSTER_METRICS_H

#include "lib/body.h"
#include "lib/buffer.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_NACKS        64 /* codes below it are told apart */
#define METRICS_STATUSES     6  /* hundreds of an HTTP status */

enum metric_enrolment { ENROLMENT_GRANTED, ENROLMENT_PENDING, ENROLMENT_REFUSED };
#define METRIC_ENROLMENTS 3
enum metric_handshake { HANDSHAKE_DONE, HANDSHAKE_FAILED, HANDSHAKE_LATE };
#define METRIC_HANDSHAKES 3

struct metrics {
	uint64_t packets[2][256]; /* by enum direction and op code */
	uint64_t nacks[METRICS_NACKS];
	uint64_t breaches; /* channels ended because of what came on them */
	uint64_t enrolments[METRIC_ENROLMENTS];
	uint64_t handshakes[METRIC_HANDSHAKES];
	uint64_t turned_away; /* connections, because their network has too many */
	uint64_t orders, acks, nacked;
	uint64_t messages, repeated;
	uint64_t answers[METRICS_STATUSES]; /* of the API */
	uint64_t streams, streams_ended;    /* events.h: open now; ended for reading too slowly */
};

struct server;

/* All of them. -EIO: the store didn't answer. */
int metrics_write(struct server *s, struct buffer *out) must_use;

/* How many packets a message of that body is. */
size_t metrics_packets(size_t body);

#endif
