/* SPDX-License-Identifier: MIT */
/* A server that is asked over HTTP: where it is, and what opens it. */
#ifndef MUSTER_CTL_REMOTE_H
#define MUSTER_CTL_REMOTE_H

#include <curl/curl.h>

#include "ctl.h"

struct remote {
	char base[1024];     /* the URL, without a last slash; "": the control socket instead */
	char *authorization; /* the whole header line; secret memory */
	char pin[64];        /* "sha256//...", or "" */
};

/* Checks what the options and the environment say, and reads the token's file; at the first request.
 * An exit code, and it has been said why. */
int remote_start(struct ctl *c, struct remote *r);
void remote_end(struct remote *r);

/* Of a request to it: nothing but HTTP to this machine, HTTPS to others; the key if one is pinned.
 */
CURLcode remote_prepare(const struct remote *r, CURL *curl);

/* Why no answer came. */
int remote_failed(const struct remote *r, CURLcode code);

#endif
