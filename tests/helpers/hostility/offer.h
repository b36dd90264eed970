/* SPDX-License-Identifier: MIT */
/* The keys that the server holds and the files it offers. Failures end the program. */
#ifndef HOSTILE_OFFER_H
#define HOSTILE_OFFER_H

#include "connection.h"
#include "lib/minisign.h"

/* From muster-server's state folder; what is missing is made. */
void load_keys(struct hostile *h, const char *state, struct minisign_key **ret_release);
/* What a client must be told to trust this server, and the port, on standard output. */
void tell_keys(const struct hostile *h, const struct minisign_key *release);
/* Reads the files and signs a manifest of them. */
void make_manifest(struct hostile *h, const char *files, struct minisign_key *release);
void make_context(struct hostile *h);

#endif
