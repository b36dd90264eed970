/* SPDX-License-Identifier: MIT */
/*
 * peer: a machine's side of muster's channel, obedient or not, for the tests of the server.
 *
 *	peer --server ADDRESS:PORT --server-key HEX66 --dir DIR [--pin PIN] [--from ADDRESS]
 *	     [--count N [--parallel M]] COMMAND...
 *
 * DIR keeps the machine's files: identity.key, tls.pem (made when they are missing) and id, its
 * client id once it has enrolled. Commands, one after the other:
 *
 *	connect               a channel without a TLS key         connect-enrolled    with the one
 *of DIR ask TOKEN             TOKEN                                enrol TOKEN         ENROL hello
 *HELLO                                leave               LEAVE guess N               N TOKENs with
 *random digits, counted say OP HEX            a message of that op code number and body; no answer
 *is awaited answer                awaits one message                  closed              awaits
 *the end call-me HEX32         writes this client id from now on record FILE           what is sent
 *from now on, also to FILE record-answers FILE   what comes from now on, also to FILE replay FILE
 *sends the file's bytes as they are raw HEX               sends these bytes mute from now on
 *nothing is sent: messages are sealed (and recorded) only flip-each-bit WHAT [TOKEN] WHAT is ask,
 *enrol or hello: one connection for each bit of the packet, sent with that bit flipped; tells how
 *many were answered close                 ends the connection wait                  until a line
 *comes on standard input
 *
 * ask and enrol connect first, without a TLS key, if there is no connection; hello and leave with
 * it. Each answer is a line "op=ENROLLED client=... ", the end of the connection "closed". --count
 * plays the commands as N machines DIR/1 ... DIR/N at once, M at a time; all of M connect before
 *the first goes on; each line starts with "n=I ".
 *
 * Exit code: 0 each message was answered by what it hoped for; 1 one was refused (NACK, or an HTTP
 * status); 2 wrong use; 3 the connection failed or ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <openssl/ssl.h>

#include "lib/body.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "lib/secret.h"
#include "lib/session.h"
#include "lib/tlskey.h"

#define PATIENCE_MS 20000
#define REFUSED     1
#define MISUSED     2
#define FAILED      3

static struct {
	struct sockaddr_in server, from;
	uint8_t server_key[PUBLIC_KEY_SIZE];
	uint8_t pin[PIN_SIZE];
	bool has_pin, has_from;
	char dir[4096];
	char prefix[32];
	int gate_ready, gate_open; /* of --count: -1 without */
} args = { .gate_ready = -1, .gate_open = -1 };

static struct {
	int fd;
	SSL *ssl;
	SSL_CTX *ctx;
	struct session *session;
	struct buffer in;
	size_t taken;
	FILE *sent, *received;
	uint8_t id[CLIENT_ID_SIZE];
	uint8_t binding[BINDING_SIZE];
	bool muted;
	long flip; /* bit of the next message's first packet, -1: none */
	struct identity *identity;
	struct tlskey tls;
} me = { .fd = -1, .flip = -1 };

static __attribute__((noreturn)) printf_like(2) void stop(int code, const char *format, ...)
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

static void must(int r, const char *what)
{
	if (r < 0)
		stop(FAILED, "%s: %s", what, strerror(-r));
}

static printf_like(1) void tell(const char *format, ...)
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

/* ---- the machine's files */

static void load_files(void)
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

static void save_id(const uint8_t id[static CLIENT_ID_SIZE])
{
	char text[CLIENT_ID_TEXT_SIZE];

	memcpy(me.id, id, CLIENT_ID_SIZE);
	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	must(file_write_atomic(in_dir("id"), text, strlen(text), 0600), "id");
}

/* ---- the connection */

static void close_connection(void)
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
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	static const int one = 1;

	me.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (me.fd < 0)
		stop(FAILED, "socket: %s", strerror(errno));
	setsockopt(me.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
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

static void connect_tls(bool enrolled)
{
	uint8_t pin[PIN_SIZE];

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
	must(pin_of_certificate(SSL_get0_peer_certificate(me.ssl), pin), "certificate");
	if (args.has_pin && memcmp(pin, args.pin, PIN_SIZE) != 0)
		stop(FAILED, "another key than the pinned one");
}

static void send_bytes(const void *data, size_t len)
{
	if (me.ssl == NULL)
		stop(MISUSED, "there is no connection");
	if (len > 0 && SSL_write(me.ssl, data, (int)len) <= 0)
		stop(FAILED, "sending failed");
}

/* 1: more bytes have come; 0: the connection has ended. */
static int read_more(void)
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

static void connect_now(bool enrolled)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	close_connection();
	connect_tcp();
	connect_tls(enrolled);
	upgrade();
	pass_gate();
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

/* ---- messages */

/* lib seals no message that isn't a machine's to send: such a one is sealed as MSG, and gets its op
 * code on the packets. */
static void seal(uint8_t op, const void *body, size_t len, struct buffer *out)
{
	const struct op_row *row = op_find(op);
	bool proper = row != NULL && row->from_client && len <= row->largest;

	must(session_seal(me.session, proper ? (enum op)op : OP_MSG, body, len, out, NULL),
		"sealing");
	for (size_t at = 0; !proper && at < out->len;
		at += (size_t)frame_complete(out->data + at, out->len - at))
		out->data[at + FRAME_HEAD] = op;
}

static void send_message(uint8_t op, const void *body, size_t len)
{
	struct buffer out = {};

	seal(op, body, len, &out);
	if (me.flip >= 0)
		out.data[FRAME_HEAD + me.flip / 8] ^= (uint8_t)(0x80 >> me.flip % 8);
	me.flip = -1;
	if (me.sent != NULL &&
		(fwrite(out.data, 1, out.len, me.sent) != out.len || fflush(me.sent) != 0))
		stop(FAILED, "recording failed");
	if (!me.muted)
		send_bytes(out.data, out.len);
	buffer_clear(&out);
}

static void tell_labels(const struct labels *l, char *text)
{
	labels_join(l, text);
}

static int tell_answer(const struct message *m)
{
	static char labels[LABELS_TEXT_SIZE];
	char id[CLIENT_ID_TEXT_SIZE];
	union {
		struct token_answer token;
		struct enrolled enrolled;
		struct ack ack;
		struct nack nack;
	} b;

	switch (m->op) {
	case OP_TOKEN:
		must(token_answer_decode(m->body, m->len, &b.token), "TOKEN");
		tell_labels(&b.token.labels, labels);
		tell("op=TOKEN time=%llu expires=%llu uses_left=%u labels=%s",
			(unsigned long long)b.token.time, (unsigned long long)b.token.expires,
			b.token.uses_left, labels);
		return 0;
	case OP_ENROLLED:
		must(enrolled_decode(m->body, m->len, &b.enrolled), "ENROLLED");
		tell_labels(&b.enrolled.labels, labels);
		save_id(b.enrolled.client_id);
		session_enrolled(me.session, b.enrolled.client_id);
		sodium_bin2hex(id, sizeof(id), b.enrolled.client_id, CLIENT_ID_SIZE);
		tell("op=ENROLLED client=%s heartbeat=%u pins=%u labels=%s", id,
			b.enrolled.heartbeat, b.enrolled.pin_count, labels);
		return 0;
	case OP_ACK:
		must(ack_decode(m->body, m->len, &b.ack), "ACK");
		tell("op=ACK sequence=%llu time=%llu heartbeat=%u",
			(unsigned long long)b.ack.sequence, (unsigned long long)b.ack.time,
			b.ack.heartbeat);
		return 0;
	case OP_NACK:
		must(nack_decode(m->body, m->len, &b.nack), "NACK");
		tell("op=NACK sequence=%llu code=%u retry=%u name=%s text=%s",
			(unsigned long long)b.nack.sequence, b.nack.code, b.nack.retry,
			nack_name(b.nack.code), b.nack.text);
		return REFUSED;
	default:
		tell("op=%u length=%zu", m->op, m->len);
		return 0;
	}
}

/* 1: *ret; 0: the connection has ended. */
static int next_message(struct message *ret)
{
	for (;;) {
		buffer_consume(&me.in, me.taken);
		me.taken = 0;
		ssize_t len = frame_complete(me.in.data, me.in.len);
		must((int)len, "a frame");
		if (len == 0) {
			if (read_more() == 0)
				return 0;
			continue;
		}
		if (me.received != NULL &&
			(fwrite(me.in.data, 1, (size_t)len, me.received) != (size_t)len ||
				fflush(me.received) != 0))
			stop(FAILED, "recording failed");
		int r = session_open(
			me.session, me.in.data + FRAME_HEAD, (size_t)len - FRAME_HEAD, ret);
		me.taken = (size_t)len;
		must(r, "the server's message");
		if (r == 1)
			return 1;
	}
}

static int await_answer(void)
{
	struct message m;

	if (me.muted)
		return 0;
	if (next_message(&m) == 0) {
		tell("closed");
		return FAILED;
	}
	return tell_answer(&m);
}

static int await_end(void)
{
	struct message m;

	if (next_message(&m) == 0) {
		tell("closed");
		return 0;
	}
	tell_answer(&m);
	return REFUSED;
}

static void parse_token(const char *text, uint8_t ret[static TOKEN_SIZE])
{
	if (token_parse(text, ret) < 0)
		stop(MISUSED, "'%s' is not a token", text);
}

static void send_ask(const uint8_t token[static TOKEN_SIZE])
{
	struct token_query q = { .time = (uint64_t)time(NULL) };
	uint8_t body[1024];

	memcpy(q.identity, identity_public(me.identity), PUBLIC_KEY_SIZE);
	memcpy(q.token, token, TOKEN_SIZE);
	ssize_t len = token_query_encode(&q, body, sizeof(body));
	must((int)len, "TOKEN");
	send_message(OP_TOKEN, body, (size_t)len);
}

static void send_enrol(const uint8_t token[static TOKEN_SIZE])
{
	struct enrol_request e = { .time = (uint64_t)time(NULL) };
	uint8_t body[4096];

	memcpy(e.identity, identity_public(me.identity), PUBLIC_KEY_SIZE);
	memcpy(e.token, token, TOKEN_SIZE);
	memcpy(e.tls_pin, me.tls.pin, PIN_SIZE);
	facts_gather(&e.facts);
	ssize_t len = enrol_request_encode(&e, body, sizeof(body));
	must((int)len, "ENROL");
	send_message(OP_ENROL, body, (size_t)len);
}

static void send_hello(void)
{
	struct hello h = { .time = (uint64_t)time(NULL), .uptime = 1000 };
	uint8_t body[4096];

	facts_gather(&h.facts);
	ssize_t len = hello_encode(&h, body, sizeof(body));
	must((int)len, "HELLO");
	send_message(OP_HELLO, body, (size_t)len);
}

/* ---- commands */

static int do_connect(char **a)
{
	(void)a;
	connect_now(false);
	return 0;
}

static int do_connect_enrolled(char **a)
{
	(void)a;
	connect_now(true);
	return 0;
}

static int do_ask(char **a)
{
	uint8_t token[TOKEN_SIZE];

	parse_token(a[0], token);
	if (me.ssl == NULL)
		connect_now(false);
	send_ask(token);
	return await_answer();
}

static int do_enrol(char **a)
{
	uint8_t token[TOKEN_SIZE];

	parse_token(a[0], token);
	if (me.ssl == NULL)
		connect_now(false);
	send_enrol(token);
	return await_answer();
}

static int do_hello(char **a)
{
	(void)a;
	if (me.ssl == NULL || SSL_get_certificate(me.ssl) == NULL)
		connect_now(true);
	send_hello();
	return await_answer();
}

static int do_leave(char **a)
{
	(void)a;
	if (me.ssl == NULL)
		connect_now(true);
	send_message(OP_LEAVE, NULL, 0);
	return await_answer();
}

static int do_guess(char **a)
{
	unsigned long n = strtoul(a[0], NULL, 10), unknown = 0, busy = 0, other = 0;
	struct message m;
	struct nack nack;

	if (me.ssl == NULL)
		connect_now(false);
	for (unsigned long i = 0; i < n; i++) {
		uint8_t token[TOKEN_SIZE];

		random_bytes(token, sizeof(token));
		send_ask(token);
		if (next_message(&m) == 0)
			stop(FAILED, "closed after %lu guesses", i);
		if (m.op != OP_NACK || nack_decode(m.body, m.len, &nack) < 0)
			other++;
		else if (nack.code == NACK_TOKEN_UNKNOWN)
			unknown++;
		else if (nack.code == NACK_BUSY)
			busy++;
		else
			other++;
	}
	tell("unknown=%lu busy=%lu other=%lu", unknown, busy, other);
	return other > 0 ? REFUSED : 0;
}

static size_t parse_hex(const char *text, uint8_t *ret, size_t size)
{
	size_t len;

	if (sodium_hex2bin(ret, size, text, strlen(text), " ", &len, NULL) < 0)
		stop(MISUSED, "'%s' is not hex", text);
	return len;
}

static int do_say(char **a)
{
	static uint8_t body[65536];
	size_t len = parse_hex(a[1], body, sizeof(body));

	if (me.ssl == NULL)
		connect_now(false);
	send_message((uint8_t)strtoul(a[0], NULL, 10), body, len);
	return 0;
}

static int do_answer(char **a)
{
	(void)a;
	return await_answer();
}

static int do_closed(char **a)
{
	(void)a;
	return await_end();
}

static int do_call_me(char **a)
{
	if (parse_hex(a[0], me.id, sizeof(me.id)) != sizeof(me.id))
		stop(MISUSED, "'%s' is not an id", a[0]);
	if (me.session != NULL)
		session_enrolled(me.session, me.id);
	return 0;
}

static int do_record(char **a)
{
	me.sent = fopen(a[0], "w");
	return me.sent != NULL ? 0 : FAILED;
}

static int do_record_answers(char **a)
{
	me.received = fopen(a[0], "w");
	return me.received != NULL ? 0 : FAILED;
}

static int do_replay(char **a)
{
	char *bytes;
	size_t len;

	must(file_read(a[0], 1u << 20, &bytes, &len), a[0]);
	send_bytes(bytes, len);
	free(bytes);
	return 0;
}

static int do_raw(char **a)
{
	static uint8_t bytes[65536];

	send_bytes(bytes, parse_hex(a[0], bytes, sizeof(bytes)));
	return 0;
}

static int do_mute(char **a)
{
	(void)a;
	me.muted = true;
	return 0;
}

static void send_what(const char *what, const uint8_t token[static TOKEN_SIZE])
{
	if (strcmp(what, "ask") == 0)
		send_ask(token);
	else if (strcmp(what, "enrol") == 0)
		send_enrol(token);
	else
		send_hello();
}

/* After the message our side ends, so that a server that waits for more gives up at once. */
static int do_flip_each_bit(char **a)
{
	bool enrolled = strcmp(a[0], "hello") == 0;
	uint8_t token[TOKEN_SIZE] = {};
	long bits = 1, answered = 0;
	struct message m;

	if (!enrolled)
		parse_token(a[1], token);
	for (long bit = 0; bit < bits; bit++) {
		connect_now(enrolled);
		me.flip = bit;
		struct buffer *in = &me.in;
		buffer_clear(in);
		if (bit == 0) { /* as long as one packet of the message is */
			struct buffer out = {};
			me.muted = true;
			me.sent = open_memstream((char **)&out.data, &out.len);
			me.flip = -1;
			send_what(a[0], token);
			ssize_t len = fflush(me.sent) == 0 ? frame_complete(out.data, out.len) : -1;
			fclose(give(me.sent));
			free(out.data);
			me.muted = false;
			bits = len > 0 ? (len - FRAME_HEAD) * 8 : 0;
			connect_now(enrolled);
			me.flip = bit;
		}
		send_what(a[0], token);
		SSL_shutdown(me.ssl);
		answered += next_message(&m);
	}
	tell("bits=%ld answered=%ld", bits, answered);
	return answered > 0 ? REFUSED : 0;
}

static int do_close(char **a)
{
	(void)a;
	close_connection();
	return 0;
}

static int do_wait(char **a)
{
	char line[256];

	(void)a;
	tell("waiting");
	return fgets(line, sizeof(line), stdin) != NULL ? 0 : FAILED;
}

static const struct command {
	const char *name;
	int arguments;
	int (*run)(char **arguments);
} commands[] = {
	{ "connect", 0, do_connect },
	{ "connect-enrolled", 0, do_connect_enrolled },
	{ "ask", 1, do_ask },
	{ "enrol", 1, do_enrol },
	{ "hello", 0, do_hello },
	{ "leave", 0, do_leave },
	{ "guess", 1, do_guess },
	{ "say", 2, do_say },
	{ "answer", 0, do_answer },
	{ "closed", 0, do_closed },
	{ "call-me", 1, do_call_me },
	{ "record", 1, do_record },
	{ "record-answers", 1, do_record_answers },
	{ "replay", 1, do_replay },
	{ "raw", 1, do_raw },
	{ "mute", 0, do_mute },
	{ "flip-each-bit", 2, do_flip_each_bit },
	{ "close", 0, do_close },
	{ "wait", 0, do_wait },
};

/* All commands, in order; stops at the first that the connection doesn't survive. */
static int run_commands(char **words)
{
	int worst = 0;

	load_files();
	while (*words != NULL) {
		const struct command *c = NULL;

		for (size_t i = 0; i < COUNT(commands); i++)
			if (strcmp(commands[i].name, *words) == 0)
				c = &commands[i];
		if (c == NULL)
			stop(MISUSED, "there is no command '%s'", *words);
		words++;
		int given = 0;
		while (given < c->arguments && words[given] != NULL)
			given++;
		if (given < c->arguments && c->run != do_flip_each_bit)
			stop(MISUSED, "%s lacks an argument", c->name);
		int r = c->run(words);
		words += c->run == do_flip_each_bit && strcmp(words[0], "hello") == 0 ? 1 : given;
		worst = r > worst ? r : worst;
		if (r >= MISUSED)
			break;
	}
	close_connection();
	return worst;
}

/* ---- many at once */

/* Starts machines first..last, lets them go when all stand before the gate, and counts the exit
 * codes. */
static void run_batch(unsigned first, unsigned last, char **words, unsigned codes[static 4])
{
	int ready[2], open[2], status;
	char base[sizeof(args.dir)], c;

	if (pipe(ready) < 0 || pipe(open) < 0)
		stop(FAILED, "pipe: %s", strerror(errno));
	strcpy(base, args.dir);
	for (unsigned n = first; n <= last; n++) {
		pid_t child = fork();

		if (child < 0)
			stop(FAILED, "fork: %s", strerror(errno));
		if (child > 0)
			continue;
		close(ready[0]);
		close(open[1]);
		args.gate_ready = ready[1];
		args.gate_open = open[0];
		snprintf(args.prefix, sizeof(args.prefix), "n=%u ", n);
		if ((size_t)snprintf(args.dir, sizeof(args.dir), "%s/%u", base, n) >=
			sizeof(args.dir))
			stop(MISUSED, "too long a path");
		exit(run_commands(words));
	}
	close(ready[1]);
	close(open[0]);
	if (read(ready[0], &c, 1) < 0) /* the end of all the children's copies */
		stop(FAILED, "gate: %s", strerror(errno));
	close(open[1]);
	close(ready[0]);
	while (wait(&status) > 0)
		codes[WIFEXITED(status) && WEXITSTATUS(status) < 3 ? WEXITSTATUS(status) : 3]++;
}

static int run_many(unsigned count, unsigned parallel, char **words)
{
	unsigned codes[4] = {};

	if (mkdir(args.dir, 0700) < 0 && errno != EEXIST)
		stop(FAILED, "%s: %s", args.dir, strerror(errno));
	for (unsigned n = 1; n <= count; n += parallel)
		run_batch(n, n + parallel - 1 < count ? n + parallel - 1 : count, words, codes);
	tell("granted=%u refused=%u misused=%u failed=%u", codes[0], codes[1], codes[2], codes[3]);
	return codes[3] > 0 ? FAILED : codes[2] > 0 ? MISUSED : codes[1] > 0 ? REFUSED : 0;
}

static void parse_address(const char *text, bool with_port, struct sockaddr_in *ret)
{
	char host[64] = "";
	unsigned port = 0;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != (with_port ? 2 : 1) || port > 65535 ||
		inet_pton(AF_INET, host, &ret->sin_addr) != 1)
		stop(MISUSED, "'%s' is not an address", text);
	ret->sin_family = AF_INET;
	ret->sin_port = htons((uint16_t)port);
}

int main(int argc, char **argv)
{
	static const struct option known[] = { { "server", 1, NULL, 's' },
		{ "server-key", 1, NULL, 'k' }, { "dir", 1, NULL, 'd' }, { "pin", 1, NULL, 'p' },
		{ "from", 1, NULL, 'f' }, { "count", 1, NULL, 'c' }, { "parallel", 1, NULL, 'm' },
		{} };
	unsigned count = 0, parallel = 0;
	int which;

	if (secret_init() < 0)
		return FAILED;
	signal(SIGPIPE, SIG_IGN);
	while ((which = getopt_long(argc, argv, "+", known, NULL)) >= 0) {
		switch (which) {
		case 's':
			parse_address(optarg, true, &args.server);
			break;
		case 'k':
			if (identity_public_from_text(optarg, args.server_key) < 0)
				stop(MISUSED, "'%s' is not a key", optarg);
			break;
		case 'd':
			snprintf(args.dir, sizeof(args.dir), "%s", optarg);
			break;
		case 'p':
			if (pin_parse(optarg, args.pin) < 0)
				stop(MISUSED, "'%s' is not a pin", optarg);
			args.has_pin = true;
			break;
		case 'f':
			parse_address(optarg, false, &args.from);
			args.has_from = true;
			break;
		case 'c':
			count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			parallel = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return MISUSED;
		}
	}
	if (args.server.sin_family == 0 || args.server_key[0] != 4 || args.dir[0] == '\0')
		stop(MISUSED, "--server, --server-key and --dir are needed");
	if (count > 0)
		return run_many(count, parallel > 0 ? parallel : count, argv + optind);
	return run_commands(argv + optind);
}
