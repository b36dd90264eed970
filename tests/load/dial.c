/* SPDX-License-Identifier: MIT */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/packet.h"
#include "lib/upgrade.h"

/* ---- the target */

static int check_pin(X509_STORE_CTX *store, void *userdata)
{
	const struct target *t = userdata;
	uint8_t pin[PIN_SIZE];
	X509 *certificate = X509_STORE_CTX_get0_cert(store);

	return certificate && pin_of_certificate(certificate, pin) == 0 &&
	       memcmp(pin, t->pin, PIN_SIZE) == 0;
}

static int parse_address(struct target *t)
{
	char host[32];
	unsigned port;

	if (sscanf(t->name, "%31[0-9.]:%u", host, &port) != 2 || port == 0 || port > 65535)
		return -EINVAL;
	t->address =
		(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &t->address.sin_addr) == 1 ? 0 : -EINVAL;
}

int target_prepare(struct target *t)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	static char groups[] = "X25519:P-256";
	int r = parse_address(t);

	if (r < 0)
		return r;
	t->tls = SSL_CTX_new(TLS_client_method());
	if (!t->tls || SSL_CTX_set_min_proto_version(t->tls, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set1_groups_list(t->tls, groups) != 1 ||
		SSL_CTX_set_alpn_protos(t->tls, alpn, sizeof alpn - 1) != 0)
		return -ENOMEM;
	SSL_CTX_set_mode(t->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(t->tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(t->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(t->tls, check_pin, t);
	return 0;
}

void target_free(struct target *t)
{
	SSL_CTX_free(t->tls);
	t->tls = NULL;
}

/* ---- opening */

/* 250 agents in each of the networks 127.1.0 to 127.1.255: every one is another machine. */
static struct sockaddr_in source_address(unsigned number)
{
	uint32_t host = 127u << 24 | 1u << 16 | (number / 250 % 256) << 8 | (1 + number % 250);

	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
}

int dial_socket(const struct target *t, unsigned number)
{
	static const int one = 1;
	struct sockaddr_in from = source_address(number);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
		(connect(fd, (const struct sockaddr *)&t->address, sizeof t->address) == 0 ||
			errno == EINPROGRESS))
		return fd;
	int error = -errno;

	close(fd);
	return error;
}

static int fail(struct dial *d, enum failure why)
{
	ERR_clear_error();
	d->failure = why;
	return -EPROTO;
}

int dial_open(struct dial *d, const struct target *t, unsigned number,
	const struct identity *identity, const uint8_t *client_id, const struct tlskey *tls)
{
	*d = (struct dial){ .target = t, .identity = identity, .client_id = client_id };
	d->fd = dial_socket(t, number);
	if (d->fd < 0)
		return fail(d, d->fd == -ECONNREFUSED ? FAIL_REFUSED : FAIL_LOCAL);
	d->state = DIAL_CONNECTING;
	d->wants_out = true;
	d->ssl = SSL_new(t->tls);
	if (!d->ssl || SSL_set_fd(d->ssl, d->fd) != 1)
		return fail(d, FAIL_LOCAL);
	if (tls && (SSL_use_certificate(d->ssl, tls->certificate) != 1 ||
			   SSL_use_PrivateKey(d->ssl, tls->key) != 1))
		return fail(d, FAIL_LOCAL);
	return 0;
}

void dial_close(struct dial *d)
{
	if (d->state == DIAL_NONE)
		return;
	if (d->state >= DIAL_UPGRADE) {
		(void)SSL_shutdown(d->ssl);
		ERR_clear_error();
	}
	session_free(d->session);
	SSL_free(d->ssl);
	if (d->fd >= 0)
		close(d->fd);
	buffer_clear(&d->in);
	buffer_clear(&d->out);
	*d = (struct dial){ .failure = d->failure };
}

/* ---- steps */

static int wait_for(struct dial *d, int result)
{
	int error = SSL_get_error(d->ssl, result);

	if (error == SSL_ERROR_WANT_WRITE)
		d->wants_out = true;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		ERR_clear_error();
		return 0;
	}
	if (error == SSL_ERROR_SSL)
		return fail(d, ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED
				       ? FAIL_PIN
				       : FAIL_TLS);
	return fail(d, FAIL_RESET);
}

static int flush(struct dial *d)
{
	while (d->out.len > 0) {
		int n = SSL_write(d->ssl, d->out.data, (int)d->out.len);

		if (n <= 0)
			return wait_for(d, n);
		buffer_consume(&d->out, (size_t)n);
	}
	return 0;
}

static int fetch(struct dial *d)
{
	static uint8_t record[16384];

	for (;;) {
		int n = SSL_read(d->ssl, record, sizeof record);

		if (n <= 0)
			return wait_for(d, n);
		if (buffer_append(&d->in, record, (size_t)n) < 0)
			return fail(d, FAIL_LOCAL);
	}
}

static int connected(struct dial *d)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
		return fail(d, error == ECONNREFUSED ? FAIL_REFUSED
			       : error == ETIMEDOUT  ? FAIL_TIMEOUT
						     : FAIL_RESET);
	d->state = DIAL_HANDSHAKE;
	return 0;
}

static int handshake(struct dial *d)
{
	int r = SSL_connect(d->ssl);

	if (r != 1)
		return wait_for(d, r);
	if (upgrade_request(d->target->name, &d->out) < 0)
		return fail(d, FAIL_LOCAL);
	d->state = DIAL_UPGRADE;
	return 0;
}

static int begin_session(struct dial *d)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	struct session_setup setup = {
		.self = FROM_CLIENT, .identity = d->identity, .peer = d->target->server_key
	};

	memcpy(setup.client_id, d->client_id, CLIENT_ID_SIZE);
	if (SSL_export_keying_material(
		    d->ssl, setup.binding, BINDING_SIZE, label, strlen(label), NULL, 0, 1) != 1 ||
		session_new(&setup, &d->session) < 0)
		return fail(d, FAIL_LOCAL);
	d->state = DIAL_CHANNEL;
	return 1;
}

static int upgrade(struct dial *d)
{
	struct upgrade_answer answer;
	int r = flush(d);

	if (r == 0)
		r = fetch(d);
	if (d->in.len == 0)
		return r;
	int known = upgrade_answer(d->in.data, d->in.len, r < 0, &answer);

	if (known == 0)
		return r;
	if (known < 0 || answer.status != 101)
		return fail(d, FAIL_HTTP);
	buffer_consume(&d->in, answer.len);
	return begin_session(d);
}

int dial_step(struct dial *d)
{
	int r = 0;

	d->wants_out = false;
	if (d->state == DIAL_CONNECTING)
		r = connected(d);
	if (r == 0 && d->state == DIAL_HANDSHAKE)
		r = handshake(d);
	if (r == 0 && d->state == DIAL_UPGRADE)
		return upgrade(d);
	if (r == 0 && d->state == DIAL_CHANNEL) {
		r = flush(d);
		if (r == 0)
			r = fetch(d);
		if (r < 0 && d->in.len > 0) /* what came before the end counts */
			r = 0;
	}
	return r;
}

int dial_next(struct dial *d, struct message *ret)
{
	int r = 0;

	while (r == 0) {
		ssize_t len = frame_complete(d->in.data, d->in.len);

		if (len == 0)
			return 0;
		if (len < 0)
			return fail(d, FAIL_PACKET);
		r = session_open(
			d->session, d->in.data + FRAME_HEAD, (size_t)len - FRAME_HEAD, ret);
		buffer_consume(&d->in, (size_t)len);
	}
	return r < 0 ? fail(d, FAIL_PACKET) : r;
}

int dial_send(struct dial *d, enum op op, const void *body, ssize_t len, uint64_t *ret_sequence)
{
	if (len < 0 || session_seal(d->session, op, body, (size_t)len, &d->out, ret_sequence) < 0)
		return fail(d, FAIL_LOCAL);
	return flush(d);
}
