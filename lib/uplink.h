/* SPDX-License-Identifier: MIT */
/*
 * A machine's connection to its server, over libcurl: HTTPS with TLS 1.3 and a pinned key, proxies
 * honoured (https_proxy, no_proxy or the option), downloads, and the channel (CURLOPT_CONNECT_ONLY,
 * then Upgrade: muster-packet/1, then framed packets). No byte of a request leaves before the pin
 * has been checked. A new handle and a new connection each time: connections are never reused under
 * other options.
 */
#ifndef MUSTER_UPLINK_H
#define MUSTER_UPLINK_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>

#include "session.h"
#include "tlskey.h"

struct uplink_options {
	const char *server;       /* "host:port", checked by uplink_check_server() */
	const char *pins;         /* "sha256//..;sha256//..", at most PINS_MAX */
	const char *proxy;        /* NULL: as the environment says; "": none */
	const struct tlskey *tls; /* shown to the server; NULL: none; outlives the uplink */
	unsigned connect_timeout; /* seconds, name lookup to the end of the TLS handshake, and again
				     for the answer to a blocking Upgrade; 0: 30 */
	const volatile sig_atomic_t *cancel; /* not 0: stop with -ECANCELED; may be NULL */
};

/* Why a connection failed, for people and for exit codes. */
enum uplink_failure {
	UPLINK_NO_NAME = 1, /* the name doesn't resolve */
	UPLINK_UNREACHABLE, /* refused, no route, timed out */
	UPLINK_PROXY,
	UPLINK_TLS,  /* the handshake failed */
	UPLINK_PIN,  /* another key than the pinned one */
	UPLINK_HTTP, /* answered, but not as a muster server does; status in text */
	UPLINK_LOST, /* closed or reset in the middle */
	UPLINK_CANCELED,
	UPLINK_LOCAL, /* no memory, disk full, ... */
};

struct uplink_error {
	enum uplink_failure failure;
	unsigned status; /* UPLINK_HTTP: of the answer, or 0 if it was none */
	char code[32]; /* UPLINK_HTTP: "code" of the refusal's problem+json ("not-enrolled", ...) */
	char text[384]; /* what happened, on what, and what to do; printable ASCII */
};

/* "host:port" or "[v6]:port", a host of letters, digits, dots and dashes. -EINVAL. */
int uplink_check_server(const char *server) must_use;

/* Once in a process, before threads; and at its end. SIGPIPE is ignored from then on, and no
 * configuration file of OpenSSL is read: neither can change what TLS is taken. */
int uplink_global_init(void) must_use;
void uplink_global_end(void);

/* Downloads https://server/path (GET) to fd from its start; more than limit bytes, a redirect or a
 * status other than 200 is a failure. progress (may be NULL) is called now and then. -EIO with
 * *ret_error filled. */
typedef void (*uplink_progress)(void *userdata, uint64_t done, uint64_t total);
int uplink_download(const struct uplink_options *o, const char *path, int fd, uint64_t limit,
	uplink_progress progress, void *userdata, struct uplink_error *ret_error) must_use;

/*
 * A channel. Blocking use (muster-enrol): uplink_open(), then uplink_send() and uplink_receive().
 * Use from a loop (muster-agent): uplink_prepare() gives an easy handle for the loop's multi
 * handle; when that handle's transfer is done, uplink_upgrade() and then, whenever the socket is
 * readable or writable, uplink_step(). The handle stays in the multi handle as long as the
 * uplink is used: removing it closes the connection.
 */
struct uplink;

int uplink_prepare(const struct uplink_options *o, struct uplink **ret) must_use;
CURL *uplink_handle(struct uplink *u);        /* belongs to u; NULL: adopted */
struct uplink *uplink_free(struct uplink *u); /* closes; takes NULL, returns NULL */
void uplink_freep(struct uplink **u);

/* A channel over a TLS connection that the server has opened to this machine: both keys have been
 * compared, and packets come at once. server: what messages call it. Takes ssl and fd over, also on
 * failure. There is no handle; otherwise it is used like the others. */
int uplink_adopt(const char *server, SSL *ssl, int fd, struct uplink **ret) must_use;

/* After the connect transfer ended with result: takes the exporter value, queues the Upgrade
 * request. -EIO with *ret_error. */
int uplink_upgrade(struct uplink *u, CURLcode result, struct uplink_error *ret_error) must_use;

int uplink_socket(const struct uplink *u);
bool uplink_wants_write(const struct uplink *u);
bool uplink_is_channel(const struct uplink *u); /* the 101 has come */
const uint8_t *uplink_binding(
	const struct uplink *u);             /* BINDING_SIZE bytes, after uplink_upgrade() */
struct buffer *uplink_out(struct uplink *u); /* append framed packets here, then uplink_step() */

/* Writes what is queued and reads what has come, without blocking. 0; -EIO with *ret_error: the
 * end. */
int uplink_step(struct uplink *u, struct uplink_error *ret_error) must_use;

/* The next complete packet that has been read, without its frame head; valid until the next call on
 * u. 1: *ret and *ret_len; 0: none yet; -EBADMSG: garbage on the stream. */
int uplink_next_packet(struct uplink *u, const uint8_t **ret, size_t *ret_len) must_use;

/* There may be more to read although the socket doesn't say so: after all packets have been taken,
 * call uplink_step() again without waiting. */
bool uplink_unread(const struct uplink *u);

/* Blocking: connects, upgrades and returns when the channel stands. */
int uplink_open(const struct uplink_options *o, struct uplink **ret, struct uplink_error *ret_error)
	must_use;
/* Blocking: sends one message of the session, or waits for one, at most seconds. -ETIMEDOUT,
 * -ECANCELED, -EIO (all with *ret_error), or an error of session_seal() or session_open(). */
int uplink_send(struct uplink *u, struct session *s, enum op op, const void *body, size_t len,
	unsigned seconds, struct uplink_error *ret_error) must_use;
int uplink_receive(struct uplink *u, struct session *s, struct message *ret, unsigned seconds,
	struct uplink_error *ret_error) must_use;

#endif
