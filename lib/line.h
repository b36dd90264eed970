/* SPDX-License-Identifier: MIT */
/*
 * What a download and a channel have in common, for lib/uplink.c and lib/download.c: one easy
 * handle for one connection, its options, the judgement of the server's key, and the words for
 * failures.
 */
#ifndef MUSTER_LINE_H
#define MUSTER_LINE_H

#include "uplink.h"

#define LINE_SERVER_SIZE 264 /* a DNS name of 253, brackets, colon, port, NUL */
#define LINE_TIMEOUT     30  /* seconds, where the caller named none */

struct line {
	CURL *curl;
	char server[LINE_SERVER_SIZE];
	const struct tlskey *tls;
	const volatile sig_atomic_t *cancel;
	struct pins pins;
	bool judged;    /* the pin was checked and is right; binding is set */
	bool wrong_pin; /* it was checked and is wrong */
	uint8_t binding[BINDING_SIZE];
	char why[CURL_ERROR_SIZE]; /* libcurl's words for the last failure */
};

/* Makes the handle and sets what all connections have. l must stay where it is: libcurl keeps
 * pointers to it. -EINVAL: a malformed option; -ENOMEM; -ENOTSUP: a libcurl that can't do this. */
int line_prepare(struct line *l, const struct uplink_options *o, const char *path) must_use;
void line_close(struct line *l);

/* A libcurl progress callback over a struct line: stops the transfer when *cancel is set. */
int line_progress(
	void *line, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up_done);

/* Sets an option; r remembers the first that could not be set. */
#define LINE_SET(r, l, option, value)                                                              \
	((r) = (r) ? (r) : curl_easy_setopt((l)->curl, (option), (value)))

/* Fill *ret and return -EIO (canceled: -ECANCELED). Bytes that could do something to a terminal or
 * a log become '?'. */
int line_fail(struct uplink_error *ret, enum uplink_failure failure, const char *format, ...)
	printf_like(3);
int line_fail_local(struct uplink_error *ret, const char *what, int error);
int line_fail_canceled(struct uplink_error *ret);
int line_fail_curl(struct uplink_error *ret, const struct line *l, CURLcode result);

#endif
