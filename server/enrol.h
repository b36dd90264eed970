/* SPDX-License-Identifier: MIT */
/*
 * Enrolment (muster-protocol(7), "Enrolment"): TOKEN asks whether a token would be taken, ENROL
 * spends one use of it and makes the machine a client. What is refused is refused with a text that
 * tells the person what to do.
 */
#ifndef MUSTER_ENROL_H
#define MUSTER_ENROL_H

#include "channel.h"

int enrol_token(struct channel *c, const struct message *m) must_use;
/* The machine that has waited on this channel is told that it is enrolled. */
int enrol_approved(struct channel *c, const struct client_record *client) must_use;
int enrol_machine(struct channel *c, const struct message *m) must_use;

/* The summary of wrong tokens, log and audit: a minute after the first one, then each minute in
 * which there were more. enrol_tell() tells what has not been told yet. */
int enrol_start(struct server *s) must_use;
void enrol_tell(struct server *s);

#endif
