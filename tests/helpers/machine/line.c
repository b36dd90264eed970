/* SPDX-License-Identifier: MIT */
#include "tests/helpers/machine/machine.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/file.h"

#define PATIENCE      120 /* seconds: tests wait for other things than its end */
#define DEAF_PATIENCE 5

struct arguments args = { .gate_ready = -1, .gate_open = -1 };
struct machine me = { .fd = -1, .flip = -1, .uptime = 1000 };

void stop(int code, const char *format, ...)
{
	va_list a;

	va_start(a, format);
	fflush(stdout);
	fprintf(stderr, "%speer: ", args.prefix);
	vfprintf(stderr, format, a);
	fputc('\n', stderr);
	va_end(a);
	exit(code);
}

void must(int r, const char *what)
{
	if (r < 0)
		stop(FAILED, "%s: %s", what, strerror(-r));
}

void tell(const char *format, ...)
{
	va_list a;

	va_start(a, format);
	fputs(args.prefix, stdout);
	vprintf(format, a);
	putchar('\n');
	va_end(a);
	fflush(stdout);
}

static const char *in_dir(const char *name)
{
	static char path[5000];

	snprintf(path, sizeof(path), "%s/%s", args.dir, name);
	return path;
}

void load_files(void)
{
	char *text;
	size_t len;

	if (mkdir(args.dir, 0700) < 0 && errno != EEXIST)
		stop(FAILED, "%s: %s", args.dir, strerror(errno));
	int r = identity_load(in_dir("identity.key"), &me.identity);
	if (r == -ENOENT) {
		must(identity_generate(&me.identity), "identity");
		r = identity_save(me.identity, in_dir("identity.key"));
	}
	must(r, "identity.key");
	r = tlskey_load(in_dir("tls.pem"), &me.tls);
	if (r == -ENOENT) {
		must(tlskey_generate(TLSKEY_ED25519, "muster-agent", &me.tls), "TLS key");
		r = tlskey_save(&me.tls, in_dir("tls.pem"));
	}
	must(r, "tls.pem");
	if (file_read(in_dir("id"), 64, &text, &len) == 0) {
		if (sodium_hex2bin(
			    me.id, sizeof(me.id), text, strcspn(text, "\n"), NULL, NULL, NULL) < 0)
			stop(FAILED, "%s is not an id", in_dir("id"));
		free(text);
	}
}

void save_id(const uint8_t id[static CLIENT_ID_SIZE])
{
	char text[CLIENT_ID_TEXT_SIZE];

	memcpy(me.id, id, CLIENT_ID_SIZE);
	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	must(file_write_atomic(in_dir("id"), text, strlen(text), 0600), "id");
}

void close_connection(void)
{
	me.session = session_free(me.session);
	if (me.ssl != NULL)
		SSL_shutdown(me.ssl);
	SSL_free(me.ssl);
	SSL_CTX_free(me.ctx);
	if (me.fd >= 0)
		close(me.fd);
	buffer_clear(&me.in);
	me.taken = 0;
	me.ssl = NULL;
	me.ctx = NULL;
	me.fd = -1;
}

static void connect_tcp(void)
{
	struct timeval patience = { .tv_sec = me.deaf ? DEAF_PATIENCE : PATIENCE };
	static const int one = 1;

	me.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (me.fd < 0)
		stop(FAILED, "socket: %s", strerror(errno));
	setsockopt(me.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (me.deaf)
		setsockopt(me.fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
	setsockopt(me.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(me.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (args.has_from && bind(me.fd, (struct sockaddr *)&args.from, sizeof(args.from)) < 0)
		stop(FAILED, "bind: %s", strerror(errno));
	if (connect(me.fd, (struct sockaddr *)&args.server, sizeof(args.server)) < 0)
		stop(FAILED, "connect: %s", strerror(errno));
}

static int any_certificate(X509_STORE_CTX *store, void *userdata)
{
	(void)store;
	(void)userdata;
	return 1;
}

static void check_pin(void)
{
	uint8_t pin[PIN_SIZE];

	must(pin_of_certificate(SSL_get0_peer_certificate(me.ssl), pin), "certificate");
	if (args.has_pin && memcmp(pin, args.pin, PIN_SIZE) != 0)
		stop(FAILED, "another key than the pinned one");
}

static void connect_tls(bool enrolled)
{
	me.ctx = SSL_CTX_new(TLS_client_method());
	if (me.ctx == NULL)
		stop(FAILED, "no memory");
	SSL_CTX_set_min_proto_version(me.ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(me.ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(me.ctx, any_certificate, NULL);
	if (enrolled && (SSL_CTX_use_certificate(me.ctx, me.tls.certificate) != 1 ||
				SSL_CTX_use_PrivateKey(me.ctx, me.tls.key) != 1))
		stop(FAILED, "cannot use the TLS key");
	me.ssl = SSL_new(me.ctx);
	if (me.ssl == NULL || SSL_set_fd(me.ssl, me.fd) != 1 || SSL_connect(me.ssl) != 1)
		stop(FAILED, "the TLS handshake failed");
	check_pin();
}

bool try_to_send(const void *data, size_t len)
{
	if (me.ssl == NULL)
		stop(MISUSED, "there is no connection");
	return len == 0 || SSL_write(me.ssl, data, (int)len) > 0;
}

void send_bytes(const void *data, size_t len)
{
	if (!try_to_send(data, len))
		stop(FAILED, "sending failed");
}

/* 1: more bytes have come; 0: the connection has ended. */
int read_more(void)
{
	uint8_t *room = buffer_reserve(&me.in, 16384);

	if (room == NULL)
		stop(FAILED, "too much has come");
	int n = SSL_read(me.ssl, room, 16384);
	if (n > 0) {
		buffer_grew(&me.in, (size_t)n);
		return 1;
	}
	if (SSL_get_error(me.ssl, n) == SSL_ERROR_WANT_READ ||
		(SSL_get_error(me.ssl, n) == SSL_ERROR_SYSCALL && errno == EAGAIN))
		stop(FAILED, "nothing comes");
	return 0;
}

static void upgrade(void)
{
	static const char request[] = "GET /v1/channel HTTP/1.1\r\nHost: muster\r\n"
				      "Connection: Upgrade\r\nUpgrade: muster-packet/1\r\n\r\n";
	const char *end;

	send_bytes(request, strlen(request));
	do {
		if (read_more() == 0)
			stop(FAILED, "closed instead of an answer");
		end = memmem(me.in.data, me.in.len, "\r\n\r\n", 4);
	} while (end == NULL);
	if (memcmp(me.in.data, "HTTP/1.1 101 ", 13) != 0) {
		tell("status=%.3s", (const char *)me.in.data + 9);
		exit(REFUSED);
	}
	buffer_consume(&me.in, (size_t)(end + 4 - (const char *)me.in.data));
}

static void pass_gate(void)
{
	char c;

	if (args.gate_ready < 0)
		return;
	close(args.gate_ready); /* the last one closed lets the parent open the gate */
	args.gate_ready = -1;
	if (read(args.gate_open, &c, 1) < 0)
		stop(FAILED, "gate: %s", strerror(errno));
}

static void begin_session(bool enrolled)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	struct session_setup setup = {
		.self = FROM_CLIENT, .identity = me.identity, .peer = args.server_key
	};
	if (SSL_export_keying_material(
		    me.ssl, me.binding, BINDING_SIZE, label, strlen(label), NULL, 0, 1) != 1)
		stop(FAILED, "no exporter value");
	memcpy(setup.binding, me.binding, BINDING_SIZE);
	if (enrolled)
		memcpy(setup.client_id, me.id, CLIENT_ID_SIZE);
	must(session_new(&setup, &me.session), "session");
}

void connect_now(bool enrolled)
{
	close_connection();
	connect_tcp();
	connect_tls(enrolled);
	upgrade();
	pass_gate();
	begin_session(enrolled);
}

/* ---- the other way round */

void listen_now(void)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(own);

	me.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (me.listener < 0 || bind(me.listener, (struct sockaddr *)&own, sizeof(own)) < 0 ||
		listen(me.listener, 1) < 0 ||
		getsockname(me.listener, (struct sockaddr *)&own, &len) < 0)
		stop(FAILED, "listen: %s", strerror(errno));
	me.listens = ntohs(own.sin_port);
	tell("listens=127.0.0.1:%u", me.listens);
}

static int choose_packets(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
	const unsigned char *offered, unsigned offered_len, void *userdata)
{
	static const unsigned char own[] = "\x0f" PACKET_PROTOCOL;

	(void)ssl;
	(void)userdata;
	return SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, own,
		       sizeof(own) - 1, offered, offered_len) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void accept_tls(void)
{
	me.ctx = SSL_CTX_new(TLS_server_method());
	if (me.ctx == NULL)
		stop(FAILED, "no memory");
	SSL_CTX_set_min_proto_version(me.ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(me.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(me.ctx, any_certificate, NULL);
	SSL_CTX_set_alpn_select_cb(me.ctx, choose_packets, NULL);
	if (SSL_CTX_use_certificate(me.ctx, me.tls.certificate) != 1 ||
		SSL_CTX_use_PrivateKey(me.ctx, me.tls.key) != 1)
		stop(FAILED, "cannot use the TLS key");
	me.ssl = SSL_new(me.ctx);
	if (me.ssl == NULL || SSL_set_fd(me.ssl, me.fd) != 1 || SSL_accept(me.ssl) != 1)
		stop(FAILED, "the TLS handshake failed");
	check_pin();
}

void accept_now(void)
{
	struct timeval patience = { .tv_sec = PATIENCE };

	close_connection();
	me.fd = accept(me.listener, NULL, NULL);
	if (me.fd < 0)
		stop(FAILED, "accept: %s", strerror(errno));
	setsockopt(me.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	accept_tls();
	begin_session(true);
}
