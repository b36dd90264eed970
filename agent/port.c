/* SPDX-License-Identifier: MIT */
#include "agent/port.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "agent/log.h"
#include "lib/packet.h"
#include "lib/tlscontext.h"

#define BATCH    16 /* connections taken in one event */
#define ACCURACY 100000u
#define USEC     1000000ull

/* One who has not proved anything yet. */
struct guest {
	struct port *port;
	struct guest *next, **previous; /* the newest first */
	int fd;
	SSL *ssl;
	sd_event_source *io, *deadline;
};

struct port {
	sd_event *event;
	SSL_CTX *ctx;
	sd_event_source *accept;
	port_guest *ready;
	void *userdata;
	struct guest *guests;
	size_t count;
	const struct pins *pins;
};

/* ---------------------------------------------------------------- who may come in */

/* Only the key counts; that the peer has it, the handshake proves. */
static int judge(X509_STORE_CTX *store, void *userdata)
{
	const struct port *p = userdata;
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	bool known = certificate && pins_fit(p->pins, certificate);

	if (!known)
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return known;
}

static int make_context(struct port *p, const struct tlskey *tls)
{
	int r = tlscontext_new(TLS_server_method(), tls, &p->ctx);

	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	/* What came before a connection's end counts, however it ended: packets bear signatures. */
	(void)SSL_CTX_set_options(p->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(p->ctx, judge, p);
	tlscontext_speak(p->ctx, "\x0f" PACKET_PROTOCOL);
	return 0;
}

/* ---------------------------------------------------------------- guests */

/* Closes what is still its own. */
static void guest_end(struct guest *g)
{
	struct port *p = g->port;

	sd_event_source_disable_unref(g->io);
	sd_event_source_disable_unref(g->deadline);
	SSL_free(g->ssl);
	closep(&g->fd);
	*g->previous = g->next;
	if (g->next)
		g->next->previous = g->previous;
	p->count--;
	free(g);
}

static void welcome(struct guest *g)
{
	struct port *p = g->port;
	SSL *ssl = give(g->ssl);
	int fd = g->fd;

	g->fd = -1;
	guest_end(g);
	p->ready(p->userdata, ssl, fd);
}

static void shake_hands(struct guest *g)
{
	int result = SSL_accept(g->ssl), error = SSL_get_error(g->ssl, result);
	uint32_t events = EPOLLIN;

	ERR_clear_error();
	if (result == 1) {
		welcome(g);
		return;
	}
	if (error == SSL_ERROR_WANT_WRITE)
		events |= EPOLLOUT;
	else if (error != SSL_ERROR_WANT_READ)
		log_seldom(LOG_NOTICE, "refused a connection of one who is not the server");
	if ((error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) ||
		sd_event_source_set_io_events(g->io, events) < 0)
		guest_end(g);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source, (void)fd, (void)events;
	shake_hands(userdata);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	guest_end(userdata);
	return 0;
}

/* Of many who stay silent, the server's handshake is among the newest. */
static void make_room(struct port *p)
{
	struct guest *oldest = p->guests;

	if (p->count < PORT_GUESTS)
		return;
	while (oldest->next)
		oldest = oldest->next;
	log_seldom(LOG_NOTICE, "many connections of those who are not the server");
	guest_end(oldest);
}

static void take(struct port *p, int fd)
{
	static const int one = 1;
	struct guest *g = calloc(1, sizeof *g);
	int r;

	if (!g) {
		(void)close(fd);
		return;
	}
	make_room(p);
	*g = (struct guest){ .port = p, .fd = fd, .next = p->guests, .previous = &p->guests };
	if (g->next)
		g->next->previous = &g->next;
	p->guests = g;
	p->count++;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	g->ssl = SSL_new(p->ctx);
	r = g->ssl && SSL_set_fd(g->ssl, fd) == 1 ? 0 : -ENOMEM;
	if (r >= 0)
		r = sd_event_add_io(p->event, &g->io, fd, EPOLLIN, on_io, g);
	if (r >= 0)
		r = sd_event_add_time_relative(p->event, &g->deadline, CLOCK_MONOTONIC,
			PORT_PATIENCE * USEC, ACCURACY, on_deadline, g);
	if (r < 0)
		guest_end(g);
}

static int on_accept(sd_event_source *source, int listening, uint32_t events, void *userdata)
{
	(void)source, (void)events;
	for (int i = 0; i < BATCH; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return 0;
		take(userdata, fd);
	}
	return 0;
}

/* ---------------------------------------------------------------- the port */

int port_new(sd_event *event, int listening, const struct tlskey *tls, const struct pins *pins,
	port_guest *guest, void *userdata, struct port **ret)
{
	struct port *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return -ENOMEM;
	p->event = event;
	p->ready = guest;
	p->userdata = userdata;
	p->pins = pins;
	r = pins->count > 0 && sd_is_socket(listening, AF_UNSPEC, SOCK_STREAM, 1) > 0 ? 0 : -EINVAL;
	if (r >= 0)
		r = make_context(p, tls);
	if (r >= 0 && fcntl(listening, F_SETFL, O_NONBLOCK) < 0) /* systemd's are blocking */
		r = -errno;
	if (r >= 0)
		r = sd_event_add_io(event, &p->accept, listening, EPOLLIN, on_accept, p);
	if (r < 0) {
		port_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct port *port_free(struct port *p)
{
	if (!p)
		return NULL;
	while (p->guests)
		guest_end(p->guests);
	sd_event_source_disable_unref(p->accept);
	SSL_CTX_free(p->ctx);
	free(p);
	return NULL;
}

bool port_busy(const struct port *p)
{
	return p->count > 0;
}

void port_shut(int listening)
{
	(void)shutdown(listening, SHUT_RDWR);
}
