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
 *	connect                 a channel without a TLS key
 *	connect-enrolled        with the one of DIR
 *	listen                  from now on it listens, at a port that it tells here and in HELLO
 *	accept                  awaits the server's next connection
 *	ask TOKEN               TOKEN
 *	enrol TOKEN             ENROL
 *	hello, leave            HELLO, LEAVE
 *	beats N                 N HELLOs, one behind the other; no answer is awaited
 *	guess N                 N TOKENs with random digits, counted
 *	say OP HEX              a message of that op code number and body; no answer is awaited
 *	answer                  awaits one message
 *	update                  awaits the next UPDATE
 *	ack, nack CODE TEXT     answers to it
 *	closed                  awaits the end
 *	call-me HEX32           writes this client id from now on
 *	machine TEXT            has this machine-id from now on (otherwise one of its own)
 *	boot HEX32, up N        tells this boot id, this uptime from now on (zeros, 1000)
 *	record FILE             what is sent from now on, also to FILE
 *	record-answers FILE     what comes from now on, also to FILE
 *	replay FILE             sends the file's bytes as they are
 *	raw HEX                 sends these bytes
 *	mute                    from now on nothing is sent: messages are sealed (and recorded) only
 *	flip-each-bit WHAT [TOKEN]
 *	                        WHAT is ask, enrol or hello: one connection for each bit of the packet, sent with
 *	                        that bit flipped; tells how many were answered
 *	flood N                 HELLO after HELLO, N at most, without reading an answer
 *	close                   ends the connection
 *	wait                    until a line comes on standard input; one that is empty is for one machine of several
 *
 * ask and enrol connect first, without a TLS key, if there is no connection; hello and leave with it. Each answer
 * is a line "op=ENROLLED client=... ", the end of the connection "closed". --count plays the commands as N machines
 * DIR/1 ... DIR/N at once, M at a time; all of M connect before the first goes on; each line starts with "n=I ". Who
 * ends this process ends them all.
 *
 * Exit code: 0 each message was answered by what it hoped for; 1 one was refused (NACK, or an HTTP
 * status); 2 wrong use; 3 the connection failed or ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "tests/helpers/machine/machine.h"

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

static int do_listen(char **a)
{
	(void)a;
	listen_now();
	return 0;
}

static int do_accept(char **a)
{
	(void)a;
	accept_now();
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

static int do_beats(char **a)
{
	for (unsigned long n = strtoul(a[0], NULL, 10); n > 0; n--)
		send_hello();
	return 0;
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

static uint64_t update_sequence; /* of the last UPDATE */

static int do_update(char **a)
{
	struct message m;

	(void)a;
	do {
		if (next_message(&m) == 0) {
			tell("closed");
			return FAILED;
		}
		tell_answer(&m);
	} while (m.op != OP_UPDATE);
	update_sequence = m.sequence;
	return 0;
}

static int do_ack(char **a)
{
	struct ack ack = { .sequence = update_sequence };
	uint8_t body[64];

	(void)a;
	ssize_t len = ack_encode(&ack, body, sizeof(body));
	must((int)len, "ACK");
	send_message(OP_ACK, body, (size_t)len);
	return 0;
}

static int do_nack(char **a)
{
	struct nack nack = { .sequence = update_sequence,
		.code = (uint16_t)strtoul(a[0], NULL, 10) };
	uint8_t body[sizeof(nack.text) + 64];

	snprintf(nack.text, sizeof(nack.text), "%s", a[1]);
	ssize_t len = nack_encode(&nack, body, sizeof(body));
	must((int)len, "NACK");
	send_message(OP_NACK, body, (size_t)len);
	return 0;
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

static int do_machine(char **a)
{
	snprintf(me.machine, sizeof(me.machine), "%s", a[0]);
	return 0;
}

static int do_boot(char **a)
{
	size_t len = 0;

	if (sodium_hex2bin(me.boot_id, sizeof(me.boot_id), a[0], strlen(a[0]), NULL, &len, NULL) <
			0 ||
		len != sizeof(me.boot_id))
		stop(MISUSED, "'%s' is not a boot id", a[0]);
	return 0;
}

static int do_up(char **a)
{
	me.uptime = strtoul(a[0], NULL, 10);
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

/* HELLO after HELLO without reading one answer, until nothing more is taken for a while. */
static int do_flood(char **a)
{
	unsigned long n = 0, most = strtoul(a[0], NULL, 10);
	uint8_t body[4096];
	bool taken = true;

	me.deaf = true;
	connect_now(true);
	size_t len = hello_body(body, sizeof(body));
	for (; taken && n < most; n += taken) {
		struct buffer out = {};

		must(session_seal(me.session, OP_HELLO, body, len, &out, NULL), "sealing");
		taken = try_to_send(out.data, out.len);
		buffer_clear(&out);
	}
	tell("taken=%lu", n);
	return 0;
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
	setvbuf(stdin, NULL, _IONBF, 0); /* the lines after it are others' */
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
	{ "listen", 0, do_listen },
	{ "accept", 0, do_accept },
	{ "ask", 1, do_ask },
	{ "enrol", 1, do_enrol },
	{ "hello", 0, do_hello },
	{ "beats", 1, do_beats },
	{ "leave", 0, do_leave },
	{ "guess", 1, do_guess },
	{ "say", 2, do_say },
	{ "answer", 0, do_answer },
	{ "update", 0, do_update },
	{ "ack", 0, do_ack },
	{ "nack", 2, do_nack },
	{ "closed", 0, do_closed },
	{ "call-me", 1, do_call_me },
	{ "machine", 1, do_machine },
	{ "boot", 1, do_boot },
	{ "up", 1, do_up },
	{ "record", 1, do_record },
	{ "record-answers", 1, do_record_answers },
	{ "replay", 1, do_replay },
	{ "raw", 1, do_raw },
	{ "mute", 0, do_mute },
	{ "flip-each-bit", 2, do_flip_each_bit },
	{ "flood", 1, do_flood },
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
	const pid_t parent = getpid();
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
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(FAILED);
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
