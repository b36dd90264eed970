/* SPDX-License-Identifier: MIT */
/*
 * A server for tests of the client's side, in a thread of the test: on a port of the loopback that
 * the kernel chooses it takes one connection after the other and lets a script play it.
 */
#ifndef MUSTER_PEER_H
#define MUSTER_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "lib/body.h"
#include "lib/packet.h"
#include "lib/session.h"
#include "lib/tlskey.h"
#include "lib/uplink.h"
#include "tests/unit/unit.h"

#define PEER_101                                                                                   \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"                              \
	"Upgrade: muster-packet/1\r\n\r\n"
#define PEER_PATIENCE 60 /* seconds without a byte, then a script's read fails */

struct call;
typedef void script(struct call *c);

struct peer {
	int listener;
	char server[32]; /* 127.0.0.1:PORT */
	char pin[PIN_TEXT_SIZE];
	struct tlskey tls;
	struct identity *identity; /* the server's */
	struct identity *client;   /* the machine's */
	SSL_CTX *ctx;
	script *play; /* after the handshake, or before it if raw */
	bool raw;
	void *userdata;
	pthread_t thread;
	atomic_uint calls;    /* connections taken */
	atomic_size_t bytes;  /* of requests that have come, decrypted */
	atomic_uint messages; /* opened */
	atomic_bool no_tls13; /* offer TLS 1.2 only */
};

struct call {
	struct peer *peer;
	unsigned n; /* which connection, from 1 */
	int fd;
	SSL *ssl;
	uint8_t binding[BINDING_SIZE];
	uint8_t pin[PIN_SIZE]; /* of the client's certificate */
	bool has_pin;
	struct session *session;
	struct buffer in;
	size_t taken;
};

static inline bool call_write(struct call *c, const void *data, size_t len)
{
	return SSL_write(c->ssl, data, (int)len) == (int)len;
}

static inline bool call_print(struct call *c, const char *text)
{
	return call_write(c, text, strlen(text));
}

/* More bytes into c->in. */
static inline bool call_fill(struct call *c)
{
	uint8_t chunk[16384];
	int n = SSL_read(c->ssl, chunk, sizeof chunk);

	if (n <= 0)
		return false;
	c->peer->bytes += (size_t)n;
	return buffer_append(&c->in, chunk, (size_t)n) == 0;
}

static inline bool call_take_request(struct call *c)
{
	for (;;) {
		uint8_t *end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;

		if (end) {
			buffer_consume(&c->in, (size_t)(end - c->in.data) + 4);
			return true;
		}
		if (!call_fill(c))
			return false;
	}
}

static inline bool call_begin_session(struct call *c)
{
	struct session_setup setup = { .self = FROM_SERVER, .identity = c->peer->identity };

	setup.peer = identity_public(c->peer->client);
	memcpy(setup.binding, c->binding, sizeof setup.binding);
	return session_new(&setup, &c->session) == 0;
}

/* Takes the request, answers 101, begins a session with the machine's key and a zero id. */
static inline bool call_open_channel(struct call *c)
{
	return call_take_request(c) && call_print(c, PEER_101) && call_begin_session(c);
}

static inline bool call_next(struct call *c, struct message *ret)
{
	for (;;) {
		ssize_t n;
		int r;

		buffer_consume(&c->in, c->taken);
		c->taken = 0;
		n = frame_complete(c->in.data, c->in.len);
		if (n < 0)
			return false;
		if (n == 0) {
			if (!call_fill(c))
				return false;
			continue;
		}
		c->taken = (size_t)n;
		r = session_open(c->session, c->in.data + FRAME_HEAD, (size_t)n - FRAME_HEAD, ret);
		if (r < 0)
			return false;
		if (r > 0) {
			c->peer->messages++;
			return true;
		}
	}
}

static inline bool call_say(struct call *c, enum op op, const void *body, size_t len)
{
	struct buffer out = {};
	bool done = session_seal(c->session, op, body, len, &out, NULL) == 0 &&
		    call_write(c, out.data, out.len);

	buffer_clear(&out);
	return done;
}

static inline bool call_ack(struct call *c, const struct message *m, uint32_t heartbeat)
{
	struct ack ack = {
		.sequence = m->sequence, .time = (uint64_t)time(NULL), .heartbeat = heartbeat
	};
	uint8_t body[64];
	ssize_t len = ack_encode(&ack, body, sizeof body);

	return len > 0 && call_say(c, OP_ACK, body, (size_t)len);
}

static inline bool call_nack(struct call *c, const struct message *m, struct nack nack)
{
	uint8_t body[1024];
	ssize_t len;

	nack.sequence = m->sequence;
	len = nack_encode(&nack, body, sizeof body);
	return len > 0 && call_say(c, OP_NACK, body, (size_t)len);
}

/* The other end closes the connection without a word: what a killed server or a cut line does. */
static inline void call_reset(struct call *c)
{
	struct linger now = { 1, 0 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	SSL_set_quiet_shutdown(c->ssl, 1);
}

static inline int peer_any_certificate(X509_STORE_CTX *ctx, void *userdata)
{
	(void)ctx, (void)userdata;
	return 1;
}

static inline bool call_shake_hands(struct call *c)
{
	X509 *certificate;

	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	if (c->peer->no_tls13)
		SSL_set_max_proto_version(c->ssl, TLS1_2_VERSION);
	if (SSL_accept(c->ssl) != 1)
		return false;
	certificate = SSL_get1_peer_certificate(c->ssl);
	c->has_pin = certificate && pin_of_certificate(certificate, c->pin) == 0;
	X509_free(certificate);
	return SSL_export_keying_material(c->ssl, c->binding, BINDING_SIZE,
		       "EXPORTER-Channel-Binding", 24, NULL, 0, 0) == 1;
}

static inline void peer_take(struct peer *p, int fd)
{
	struct timeval patience = { PEER_PATIENCE, 0 };
	struct call c = { .peer = p, .n = ++p->calls, .fd = fd, .ssl = SSL_new(p->ctx) };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (p->raw || call_shake_hands(&c))
		p->play(&c);
	if (!p->raw && SSL_is_init_finished(c.ssl))
		(void)SSL_shutdown(c.ssl);
	session_free(c.session);
	buffer_clear(&c.in);
	SSL_free(c.ssl);
	(void)close(fd);
}

static inline void *peer_run(void *userdata)
{
	struct peer *p = userdata;
	int fd;

	while ((fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		peer_take(p, fd);
	return NULL;
}

static inline SSL_CTX *peer_context(const struct tlskey *k)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_use_certificate(ctx, k->certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, k->key), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, peer_any_certificate, NULL);
	SSL_CTX_set_num_tickets(ctx, 0);
	return ctx;
}

static inline void peer_start(struct peer *p, script *play)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	p->play = play;
	assert_int_equal(tlskey_generate(TLSKEY_P256, "peer", &p->tls), 0);
	pin_format(p->tls.pin, p->pin);
	assert_int_equal(identity_generate(&p->identity), 0);
	assert_int_equal(identity_generate(&p->client), 0);
	p->ctx = peer_context(&p->tls);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(p->listener, 16), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(p->server, sizeof p->server, "127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

static inline void peer_stop(struct peer *p)
{
	(void)shutdown(p->listener, SHUT_RDWR); /* wakes accept() */
	assert_int_equal(pthread_join(p->thread, NULL), 0);
	(void)close(p->listener);
	SSL_CTX_free(p->ctx);
	tlskey_clear(&p->tls);
	p->identity = identity_free(p->identity);
	p->client = identity_free(p->client);
}

/* Set-up and tear-down of a program that uses lib/uplink.h. */
static inline int uplink_begin(void **state)
{
	(void)state;
	return uplink_global_init();
}

static inline int uplink_end(void **state)
{
	(void)state;
	uplink_global_end();
	return 0;
}

#endif
