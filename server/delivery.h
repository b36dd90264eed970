/* SPDX-License-Identifier: MIT */
/*
 * One attempt to bring a signed message to a webhook's URL (standardwebhooks.com): a POST by libcurl
 * on the loop. Redirects are not followed, the answer's body is thrown away, and no connection is made
 * to this machine or to link-local addresses unless the configuration says so, whatever the name
 * resolves to.
 */
#ifndef MUSTER_DELIVERY_H
#define MUSTER_DELIVERY_H

#include <stdbool.h>

#include <sys/socket.h>

#include "lib/multi.h"

#define DELIVERY_ERROR_SIZE  200
#define DELIVERY_SECRET_SIZE 32

struct delivery_rules {
	bool local;          /* this machine's addresses and link-local ones too */
	bool plain;          /* http:// too */
	const char *ca_file; /* "": the system's */
};

/* What a URL may be: https (or http), a host, no user and no fragment. NULL: it may; else why not. */
const char *delivery_refuses(const char *url, const struct delivery_rules *rules);

struct delivery_spec {
	const char *url;
	const char *id;   /* the message's; no dots in it */
	const char *body; /* JSON */
	uint64_t time;    /* now, seconds since 1970 */
	uint8_t secret[DELIVERY_SECRET_SIZE];
};

struct delivery;
/* error NULL: it was taken. gone: whoever answers there says that it's for ever (410). The delivery
 * may be freed then. */
typedef void (*delivery_done)(void *userdata, const char *error, bool gone);

int delivery_multi(sd_event *loop, struct multi **ret) must_use; /* for all deliveries */
int delivery_start(struct multi *m, const struct delivery_spec *spec,
	const struct delivery_rules *rules, delivery_done done, void *userdata,
	struct delivery **ret) must_use;
struct delivery *delivery_free(struct delivery *d); /* breaks it off */

/* The header's value: "v1," and base64 of HMAC-SHA256 over "ID.TIME.BODY". */
#define DELIVERY_SIGNATURE_SIZE 48
void delivery_sign(const struct delivery_spec *spec, char ret[static DELIVERY_SIGNATURE_SIZE]);

/* As an administrator gets it: "whsec_" and base64. */
#define DELIVERY_SECRET_TEXT_SIZE 51
void delivery_secret_text(const uint8_t secret[static DELIVERY_SECRET_SIZE],
	char ret[static DELIVERY_SECRET_TEXT_SIZE]);

/* May a delivery be made to that address? */
bool delivery_address_ok(const struct sockaddr *address, const struct delivery_rules *rules);

#endif
