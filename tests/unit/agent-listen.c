/* SPDX-License-Identifier: MIT */
/* The whole agent with Mode=listen: a scripted server connects to it, and those who aren't the server. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/port.h"
#include "agent/status.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "lib/uplink.h"
#include "tests/unit/peer.h"

#define PATIENCE 120 /* seconds, then what a test waits for won't come */

struct bench {
	struct identity *server, *client;
	struct tlskey server_tls, other_tls;
	char folder[64], config[96];
	struct agent_paths paths;
	struct sockaddr_in port;
	sd_event *event;
	struct agent *agent;
	pthread_t thread;
	void (*play)(struct bench *b);
	atomic_bool done;
	unsigned hellos;
	unsigned refused;
	bool restarted;
};

/* ---------------------------------------------------------------- the server's side */

struct line {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	struct session *session;
	struct buffer in;
	size_t taken;
};

static int any(X509_STORE_CTX *ctx, void *userdata)
{
	(void)ctx, (void)userdata;
	return 1;
}

static int reach(const struct bench *b)
{
	const struct timeval patience = { PATIENCE, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *)&b->port, sizeof b->port) < 0)
		(void)fprintf(stderr, "connect: %s\n", strerror(errno));
	return fd;
}

/* Whether the handshake succeeds on this side; tls NULL: shows no key. */
static bool shake(const struct bench *b, struct line *l, const struct tlskey *tls, const char *alpn)
{
	unsigned char protocols[64];

	*l = (struct line){ .fd = reach(b), .ctx = SSL_CTX_new(TLS_client_method()) };
	protocols[0] = (unsigned char)strlen(alpn);
	memcpy(protocols + 1, alpn, strlen(alpn));
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(l->ctx, any, NULL);
	if (tls) {
		(void)SSL_CTX_use_certificate(l->ctx, tls->certificate);
		(void)SSL_CTX_use_PrivateKey(l->ctx, tls->key);
	}
	l->ssl = SSL_new(l->ctx);
	if (*alpn)
		(void)SSL_set_alpn_protos(l->ssl, protocols, (unsigned)strlen(alpn) + 1);
	return SSL_set_fd(l->ssl, l->fd) == 1 && SSL_connect(l->ssl) == 1;
}

static void hang_up(struct line *l)
{
	if (SSL_is_init_finished(l->ssl))
		(void)SSL_shutdown(l->ssl);
	session_free(l->session);
	buffer_clear(&l->in);
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	(void)close(l->fd);
}

/* Whatever it sends; then this is not the end. */
static bool is_ended(struct line *l)
{
	char byte;

	return SSL_read(l->ssl, &byte, 1) <= 0;
}

static bool dial(struct bench *b, struct line *l)
{
	struct session_setup setup = {
		.self = FROM_SERVER, .identity = b->server, .peer = identity_public(b->client)
	};

	return shake(b, l, &b->server_tls, PACKET_PROTOCOL) &&
	       SSL_export_keying_material(l->ssl, setup.binding, BINDING_SIZE,
		       "EXPORTER-Channel-Binding", 24, NULL, 0, 0) == 1 &&
	       session_new(&setup, &l->session) == 0;
}

static bool next(struct line *l, struct message *ret)
{
	for (;;) {
		uint8_t chunk[4096];
		ssize_t n;
		int r;

		buffer_consume(&l->in, l->taken);
		l->taken = 0;
		n = frame_complete(l->in.data, l->in.len);
		if (n < 0)
			return false;
		if (n == 0) {
			int got = SSL_read(l->ssl, chunk, sizeof chunk);

			if (got <= 0 || buffer_append(&l->in, chunk, (size_t)got) < 0)
				return false;
			continue;
		}
		l->taken = (size_t)n;
		r = session_open(l->session, l->in.data + FRAME_HEAD, (size_t)n - FRAME_HEAD, ret);
		if (r != 0)
			return r > 0;
	}
}

static bool say(struct line *l, enum op op, const void *body, ssize_t len, struct buffer *ret_sent)
{
	struct buffer out = {};
	bool done = len >= 0 && session_seal(l->session, op, body, (size_t)len, &out, NULL) == 0 &&
		    SSL_write(l->ssl, out.data, (int)out.len) == (int)out.len;

	if (ret_sent && buffer_append(ret_sent, out.data, out.len) < 0)
		done = false;
	buffer_clear(&out);
	return done;
}

static bool greet(struct bench *b, struct line *l, struct hello *ret)
{
	struct message m;
	uint8_t body[64];

	if (!next(l, &m) || m.op != OP_HELLO || hello_decode(m.body, m.len, ret) < 0)
		return false;
	b->hellos++;
	const struct ack ack = {
		.sequence = m.sequence, .time = (uint64_t)time(NULL), .heartbeat = 60
	};

	return say(l, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
}

/* ---------------------------------------------------------------- plays */

static void say_hello_twice(struct bench *b)
{
	struct hello h;

	for (int i = 0; i < 2; i++) {
		struct line l;

		if (!dial(b, &l) || !greet(b, &l, &h) || h.listens != ntohs(b->port.sin_port))
			b->refused++;
		hang_up(&l);
	}
}

/* All who are not the server; then the server. */
static void try_to_come_in(struct bench *b)
{
	static const struct {
		bool own, other;
		const char *alpn;
	} tries[] = { { false, false, PACKET_PROTOCOL }, { false, true, PACKET_PROTOCOL },
		{ true, false, "http/1.1" }, { true, false, "muster-packet/2" },
		{ true, false, "" } };
	struct hello h;
	struct line l;

	for (size_t i = 0; i < COUNT(tries); i++) {
		const struct tlskey *tls = tries[i].own     ? &b->server_tls
					   : tries[i].other ? &b->other_tls
							    : NULL;

		/* In TLS 1.3 our side may be through before the other one refuses. */
		if (!shake(b, &l, tls, tries[i].alpn) || is_ended(&l) || !*tries[i].alpn)
			b->refused++;
		hang_up(&l);
	}
	if (dial(b, &l) && greet(b, &l, &h))
		b->refused++;
	hang_up(&l);
}

/* More who say nothing than handshakes there may be. */
static void crowd_the_port(struct bench *b)
{
	int silent[4 * PORT_GUESTS];
	struct hello h;
	struct line l;

	for (size_t i = 0; i < COUNT(silent); i++)
		silent[i] = reach(b);
	if (dial(b, &l))
		(void)greet(b, &l, &h);
	hang_up(&l);
	for (size_t i = 0; i < COUNT(silent); i++)
		(void)close(silent[i]);
}

/* By one who has the server's TLS key, and what was said on another connection. */
static void replay(struct bench *b)
{
	const struct state_notice notice = { .state = MACHINE_ACTIVE };
	struct buffer recorded = {};
	uint8_t body[600];
	struct message m;
	struct hello h;
	struct line l;

	if (dial(b, &l) && greet(b, &l, &h))
		(void)say(&l, OP_STATE, body, state_notice_encode(&notice, body, sizeof body),
			&recorded);
	hang_up(&l);
	if (shake(b, &l, &b->server_tls, PACKET_PROTOCOL) && recorded.len > 0 &&
		SSL_write(l.ssl, recorded.data, (int)recorded.len) == (int)recorded.len) {
		char waste[4096];

		while (SSL_read(l.ssl, waste, sizeof waste) > 0)
			; /* its HELLO */
		b->refused++;
	}
	hang_up(&l);
	buffer_clear(&recorded);
	/* Its own words back. */
	if (dial(b, &l) && next(&l, &m) && m.op == OP_HELLO &&
		SSL_write(l.ssl, l.in.data, (int)l.taken) == (int)l.taken && is_ended(&l))
		b->refused++;
	hang_up(&l);
	if (dial(b, &l))
		(void)greet(b, &l, &h);
	hang_up(&l);
}

static void say_revoked(struct bench *b)
{
	const struct state_notice notice = { .state = MACHINE_REVOKED, .text = "sold" };
	uint8_t body[600];
	struct hello h;
	struct line l;

	if (dial(b, &l) && greet(b, &l, &h) &&
		say(&l, OP_STATE, body, state_notice_encode(&notice, body, sizeof body), NULL) &&
		is_ended(&l))
		b->refused++;
	hang_up(&l);
}

static void say_nothing(struct bench *b)
{
	(void)b;
}

/* ---------------------------------------------------------------- the bench */

static void put(const struct bench *b, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", b->folder, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

static void write_files(struct bench *b)
{
	char text[1024], key[IDENTITY_TEXT_SIZE], pin[PIN_TEXT_SIZE], path[128];
	struct tlskey tls;

	identity_public_to_text(identity_public(b->server), key);
	pin_format(b->server_tls.pin, pin);
	/* Nobody is where it would connect to. */
	(void)snprintf(text, sizeof text,
		"[agent]\nServer=127.0.0.1:1\nPins=%s\nServerKey=%s\n"
		"Client=00000000000000000000000000000000\n"
		"ReleaseKey=RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
		"Proxy=\nBackoffCap=1d\nMode=listen\nListenIdle=1s\n",
		pin, key);
	put(b, "conf", text);
	(void)snprintf(path, sizeof path, "%s/identity.key", b->folder);
	assert_int_equal(identity_save(b->client, path), 0);
	(void)snprintf(path, sizeof path, "%s/tls.pem", b->folder);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &tls), 0);
	assert_int_equal(tlskey_save(&tls, path), 0);
	tlskey_clear(&tls);
}

static void open_port(struct bench *b)
{
	socklen_t len = sizeof b->port;

	b->port = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	b->paths.port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->paths.port, (struct sockaddr *)&b->port, len), 0);
	assert_int_equal(listen(b->paths.port, 64), 0);
	assert_int_equal(getsockname(b->paths.port, (struct sockaddr *)&b->port, &len), 0);
}

static void *run_play(void *userdata)
{
	struct bench *b = userdata;

	b->play(b);
	b->done = true;
	return NULL;
}

static void begin(struct bench *b, void (*play)(struct bench *b))
{
	*b = (struct bench){ .play = play };
	(void)snprintf(b->folder, sizeof b->folder, "/tmp/agent-listen-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	(void)snprintf(b->config, sizeof b->config, "%s/conf", b->folder);
	b->paths = (struct agent_paths){ b->config, b->folder, b->folder, -1, -1 };
	assert_int_equal(identity_generate(&b->server), 0);
	assert_int_equal(identity_generate(&b->client), 0);
	assert_int_equal(tlskey_generate(TLSKEY_P256, "server", &b->server_tls), 0);
	assert_int_equal(tlskey_generate(TLSKEY_P256, "other", &b->other_tls), 0);
	write_files(b);
	open_port(b);
	assert_true(sd_event_new(&b->event) >= 0);
}

static void finish(struct bench *b)
{
	static const char *const files[] = { "conf", "identity.key", "tls.pem", "status", "revoked",
		"reset", "listening", "send", "spool/id", "spool/acked",
		"spool/0000000000000001.log", "spool" };

	b->agent = agent_free(b->agent);
	sd_event_unref(b->event);
	(void)close(b->paths.port);
	tlskey_clear(&b->server_tls);
	tlskey_clear(&b->other_tls);
	identity_free(b->server);
	identity_free(b->client);
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[128];

		(void)snprintf(path, sizeof path, "%s/%s", b->folder, files[i]);
		(void)remove(path);
	}
	assert_int_equal(rmdir(b->folder), 0);
}

/* Until the agent ends by itself; its exit code. */
static int live(struct bench *b, void (*play)(struct bench *b))
{
	int code;

	begin(b, play);
	assert_int_equal(agent_new(b->event, &b->paths, &b->agent), 0);
	assert_int_equal(pthread_create(&b->thread, NULL, run_play, b), 0);
	code = sd_event_loop(b->event);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	assert_true(b->done);
	return code;
}

static bool exists(const struct bench *b, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", b->folder, name);
	return access(path, F_OK) == 0;
}

/* ---------------------------------------------------------------- tests */

static void it_says_hello_to_its_server_and_ends_when_nothing_more_comes(void **state)
{
	struct bench b;
	struct status s;

	(void)state;
	assert_int_equal(live(&b, say_hello_twice), AGENT_EXIT_IDLE);
	assert_int_equal(b.hellos, 2);
	assert_int_equal(b.refused, 0);
	assert_true(exists(&b, "listening"));
	assert_int_equal(status_read(b.folder, &s), 0);
	assert_int_equal(s.state, LISTENING);
	assert_true(s.hello > 0);
	finish(&b);
}

static void only_its_server_comes_in(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(live(&b, try_to_come_in), AGENT_EXIT_IDLE);
	assert_int_equal(b.hellos, 1);
	assert_int_equal(b.refused, 6);
	finish(&b);
}

static void many_who_say_nothing_do_not_keep_it_out(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(live(&b, crowd_the_port), AGENT_EXIT_IDLE);
	assert_int_equal(b.hellos, 1);
	finish(&b);
}

static void what_was_said_elsewhere_is_worth_nothing(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(live(&b, replay), AGENT_EXIT_IDLE);
	assert_int_equal(b.refused, 2);
	assert_int_equal(b.hellos, 2);
	finish(&b);
}

static void revoked_it_wipes_its_keys_and_nobody_listens_there_any_more(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(live(&b, say_revoked), AGENT_EXIT_REVOKED);
	assert_false(exists(&b, "identity.key"));
	assert_false(exists(&b, "tls.pem"));
	assert_int_equal(b.refused, 1);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&b.port, sizeof b.port), -1);
	(void)close(fd);
	finish(&b);
}

static void without_a_port_of_systemds_it_does_not_start(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, say_nothing);
	(void)close(b.paths.port);
	b.paths.port = -1;
	assert_int_equal(agent_new(b.event, &b.paths, &b.agent), -ENOTCONN);
	b.agent = NULL;
	finish(&b);
}

/* A machine whose server knows where it listens connects to nobody. */
static void it_connects_by_itself_only_while_the_server_does_not_know(void **state)
{
	struct bench b;
	struct status s;

	(void)state;
	assert_int_equal(live(&b, say_hello_twice), AGENT_EXIT_IDLE);
	b.agent = agent_free(b.agent);
	sd_event_unref(b.event);
	assert_true(sd_event_new(&b.event) >= 0);
	assert_int_equal(agent_new(b.event, &b.paths, &b.agent), 0);
	assert_int_equal(status_read(b.folder, &s), 0);
	assert_int_equal(s.state, LISTENING);
	assert_int_equal(sd_event_loop(b.event), AGENT_EXIT_IDLE);
	finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		it(it_says_hello_to_its_server_and_ends_when_nothing_more_comes),
		it(only_its_server_comes_in),
		it(many_who_say_nothing_do_not_keep_it_out),
		it(what_was_said_elsewhere_is_worth_nothing),
		it(revoked_it_wipes_its_keys_and_nobody_listens_there_any_more),
		it(without_a_port_of_systemds_it_does_not_start),
		it(it_connects_by_itself_only_while_the_server_does_not_know),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, uplink_begin, uplink_end);
}
