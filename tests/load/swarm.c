/* SPDX-License-Identifier: MIT */
/*
 * muster-swarm: any number of simulated agents, in several processes, over real TLS with the real
 * protocol. Every answer is verified, and at the end the server is asked whether it has kept what
 * it acknowledged.
 *
 *	muster-swarm keys     --keys FILE --agents N           makes keys
 *	muster-swarm save     --keys FILE --first I --folder DIR   identity.key and tls.pem of one
 *	muster-swarm enrol    ...   each agent enrols; --parallel at a time; --ask: TOKEN before ENROL
 *	muster-swarm idle     ...   enrolled agents connect and say HELLO each heartbeat
 *	muster-swarm return   ...   the same, then waits for the server to go away and come back
 *	muster-swarm fanout   ...   the same, and then a configuration of --size bytes goes to all
 *	muster-swarm rollout  ...   the same, and then all take the release, --parallel at a time
 *	muster-swarm flood    ...   the same, and then each sends --messages of --size bytes
 *	muster-swarm browse   ...   asks the API for --path again and again, for --seconds
 *	muster-swarm misbehave ...  --agents peers of each kind that a server must get rid of
 *
 * With --enrolled only those of the agents are taken whose enrolment was acknowledged.
 *
 * It prints lines of a name and a value; "failed" and "fail-..." count what went wrong. The exit
 * code is 0 if nothing did.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "lib/text.h"
#include "measure.h"

/* ---- the board */

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

const char *failure_name(enum failure f)
{
	static const char *const names[FAILURES] = {
		[FAIL_REFUSED] = "refused",
		[FAIL_RESET] = "reset",
		[FAIL_TIMEOUT] = "timeout",
		[FAIL_TLS] = "tls",
		[FAIL_PIN] = "pin",
		[FAIL_HTTP] = "http",
		[FAIL_PACKET] = "packet",
		[FAIL_NACK] = "nack",
		[FAIL_ANSWER] = "answer",
		[FAIL_LOCAL] = "local",
	};

	return names[f];
}

void board_failed(struct board *b, enum failure f)
{
	b->failures[f]++;
}

void board_well(struct board *b, size_t agent, uint64_t began)
{
	uint64_t now = now_us(), last = b->last_well;

	b->latency[agent] = (uint32_t)(now - began);
	b->well++;
	while (last < now && !atomic_compare_exchange_weak(&b->last_well, &last, now))
		continue;
}

void board_fact(struct board *b, _Atomic uint64_t *counter, uint64_t count)
{
	*counter += count;
	b->last_fact = now_us();
}

/* ---- modes */

static int run_keys(struct swarm *s)
{
	return keys_make(s->keys, s->first + s->agents);
}

static int run_save(struct swarm *s)
{
	int r = keys_map(s->keys, s->first + 1, &s->members);

	if (r == 0)
		r = member_save(&s->members[s->first], s->folder);
	for (size_t i = 0; r == 0 && i < CLIENT_ID_SIZE; i++)
		printf("%02x%s", s->members[s->first].client_id[i],
			i + 1 == CLIENT_ID_SIZE ? "\n" : "");
	return r;
}

static int run_enrol(struct swarm *s)
{
	struct measure m = measure_start(s);
	int r = workers_start(s, &mode_enrol);

	if (r < 0)
		return r;
	m.began = now_us();
	bool finished = wait_until(s, all_done);
	printf("enrolled %ju\nseconds %.3f\n", (uintmax_t)s->board->well,
		(double)(s->board->last_well - m.began) / 1e6);
	tell_cpu(s, &m);
	workers_end(s);
	tell_clients_cpu();
	tell_latency(s);
	tell_failures(s->board);
	r = finished && board_failures(s->board) == 0 ? 0 : -EIO;
	if (s->control) {
		int asked = ask_enrolled(s);

		r = r < 0 ? r : asked;
	}
	return r;
}

static const struct command {
	const char *name;
	int (*run)(struct swarm *s);
	bool connects, members;
} commands[] = {
	{ "keys", run_keys, false, false },
	{ "save", run_save, false, false },
	{ "enrol", run_enrol, true, true },
	{ "idle", run_idle, true, true },
	{ "return", run_return, true, true },
	{ "fanout", run_fanout, true, true },
	{ "rollout", run_rollout, true, true },
	{ "flood", run_flood, true, true },
	{ "browse", run_browse, false, false },
	{ "misbehave", rogues_run, true, false },
};

/* ---- options */

static const struct option options[] = {
	{ "server", required_argument, NULL, 's' },
	{ "pin", required_argument, NULL, 'p' },
	{ "server-key", required_argument, NULL, 'k' },
	{ "token", required_argument, NULL, 't' },
	{ "keys", required_argument, NULL, 'K' },
	{ "control", required_argument, NULL, 'c' },
	{ "folder", required_argument, NULL, 'd' },
	{ "agents", required_argument, NULL, 'n' },
	{ "first", required_argument, NULL, 'f' },
	{ "processes", required_argument, NULL, 'P' },
	{ "parallel", required_argument, NULL, 'x' },
	{ "ramp", required_argument, NULL, 'r' },
	{ "settle", required_argument, NULL, 'S' },
	{ "seconds", required_argument, NULL, 'm' },
	{ "limit", required_argument, NULL, 'l' },
	{ "watch", required_argument, NULL, 'w' },
	{ "ask", no_argument, NULL, 'a' },
	{ "messages", required_argument, NULL, 'M' },
	{ "size", required_argument, NULL, 'z' },
	{ "path", required_argument, NULL, 'u' },
	{ "enrolled", no_argument, NULL, 'e' },
	{},
};

static int take_number(struct swarm *s, int which, const char *text)
{
	uint64_t n;

	if (text_number(text, which == 'f' ? 0 : 1, 1000000, &n) < 0)
		return -EINVAL;
	switch (which) {
	case 'n':
		s->agents = n;
		return 0;
	case 'f':
		s->first = n;
		return 0;
	case 'w':
		s->watch = (pid_t)n;
		return 0;
	}
	unsigned *to = which == 'P'   ? &s->processes
		       : which == 'x' ? &s->parallel
		       : which == 'r' ? &s->ramp
		       : which == 'S' ? &s->settle
		       : which == 'm' ? &s->seconds
		       : which == 'M' ? &s->messages
		       : which == 'z' ? &s->size
				      : &s->limit;
	*to = (unsigned)n;
	return 0;
}

static int take_option(struct swarm *s, int which, const char *text)
{
	switch (which) {
	case 's':
		return (size_t)snprintf(s->target.name, sizeof s->target.name, "%s", text) <
				       sizeof s->target.name
			       ? 0
			       : -EINVAL;
	case 'p':
		return pin_parse(text, s->target.pin);
	case 'k':
		return identity_public_from_text(text, s->target.server_key);
	case 't':
		return token_parse(text, s->token);
	case 'K':
		s->keys = text;
		return 0;
	case 'c':
		s->control = text;
		return 0;
	case 'd':
		s->folder = text;
		return 0;
	case 'u':
		s->path = text;
		return 0;
	case 'a':
		s->ask = true;
		return 0;
	case 'e':
		s->enrolled = true;
		return 0;
	case '?':
		return -EINVAL;
	default:
		return take_number(s, which, text);
	}
}

static const struct command *parse(int argc, char **argv, struct swarm *s)
{
	const struct command *command = NULL;
	int which;

	for (size_t i = 0; argc > 1 && i < COUNT(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			command = &commands[i];
	if (!command)
		return NULL;
	argv++, argc--;
	while ((which = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (take_option(s, which, optarg) < 0) {
			fprintf(stderr, "muster-swarm: cannot use '%s'\n", optarg ? optarg : "");
			return NULL;
		}
	}
	return optind == argc ? command : NULL;
}

/* Copies of those that the server has acknowledged, in the place of all. */
static int keep_enrolled(struct swarm *s)
{
	static const uint8_t zeros[CLIENT_ID_SIZE];
	struct member *kept = calloc(s->agents, sizeof *kept);
	size_t count = 0;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < s->agents; i++)
		if (memcmp(s->members[s->first + i].client_id, zeros, sizeof zeros) != 0)
			kept[count++] = s->members[s->first + i];
	s->members = kept;
	s->agents = count;
	s->first = 0;
	if (s->processes > count)
		s->processes = (unsigned)count;
	return count > 0 ? 0 : -ENOENT;
}

static int prepare(struct swarm *s, const struct command *command)
{
	struct rlimit files;
	size_t size = sizeof(struct board) + s->agents * sizeof(uint32_t);
	int r = 0;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	s->board = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->board == MAP_FAILED)
		return -errno;
	if (s->processes > s->agents)
		s->processes = (unsigned)s->agents;
	if (command->connects)
		r = target_prepare(&s->target);
	if (r == 0 && command->members)
		r = keys_map(s->keys, s->first + s->agents, &s->members);
	if (r == 0 && command->members && s->enrolled)
		r = keep_enrolled(s);
	return r;
}

int main(int argc, char **argv)
{
	struct swarm s = { .agents = 1,
		.processes = 2,
		.parallel = 64,
		.ramp = 1,
		.settle = 1,
		.seconds = 1,
		.messages = 100,
		.size = 200,
		.path = "/status",
		.limit = 300 };
	const struct command *command = parse(argc, argv, &s);

	if (!command) {
		fprintf(stderr, "usage: muster-swarm "
				"keys|save|enrol|idle|return|fanout|rollout|flood|browse|"
				"misbehave [--OPTION VALUE]...; see tests/load/swarm.c\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	int r = secret_init();
	if (r == 0)
		r = prepare(&s, command);
	if (r == 0)
		r = command->run(&s);
	if (r < 0)
		fprintf(stderr, "muster-swarm: %s failed: %s\n", command->name, strerror(-r));
	target_free(&s.target);
	return r < 0 ? 1 : 0;
}
