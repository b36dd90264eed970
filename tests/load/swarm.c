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
 *	muster-swarm misbehave ...  --agents peers of each kind that a server must get rid of
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
#include "proc.h"
#include "swarm.h"

#define POLL_US 5000u

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

static uint64_t failures(const struct board *b)
{
	uint64_t sum = 0;

	for (size_t f = 0; f < FAILURES; f++)
		sum += b->failures[f];
	return sum;
}

static void tell_failures(const struct board *b)
{
	printf("failed %ju\n", (uintmax_t)failures(b));
	for (enum failure f = 0; f < FAILURES; f++)
		if (b->failures[f])
			printf("fail-%s %ju\n", failure_name(f), (uintmax_t)b->failures[f]);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of those that went well. */
static void tell_latency(const struct swarm *s)
{
	size_t count = 0;
	scoped(freep) uint32_t *sorted = calloc(s->agents, sizeof *sorted);

	for (size_t i = 0; sorted && i < s->agents; i++)
		if (s->board->latency[i])
			sorted[count++] = s->board->latency[i];
	if (count == 0)
		return;
	qsort(sorted, count, sizeof *sorted, by_size);
	printf("p50_ms %.2f\np99_ms %.2f\nmax_ms %.2f\n", sorted[count / 2] / 1e3,
		sorted[count * 99 / 100] / 1e3, sorted[count - 1] / 1e3);
}

/* ---- measuring */

struct measure {
	uint64_t began, cpu, acks;
};

static struct measure measure_start(const struct swarm *s)
{
	struct measure m = { .began = now_us(), .acks = s->board->acks };

	if (s->watch && proc_cpu(s->watch, &m.cpu) < 0)
		m.cpu = 0;
	return m;
}

static void tell_cpu(const struct swarm *s, const struct measure *m)
{
	uint64_t cpu;

	if (s->watch && proc_cpu(s->watch, &cpu) == 0)
		printf("server_cpu_ms %.3f\n", (double)(cpu - m->cpu) / 1e6);
}

static void tell_memory(const struct swarm *s)
{
	uint64_t resident, private;

	if (s->watch && proc_memory(s->watch, &resident, &private) == 0)
		printf("server_resident_kib %ju\nserver_private_kib %ju\n", (uintmax_t)resident,
			(uintmax_t) private);
}

static void tell_clients_cpu(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_CHILDREN, &u) == 0)
		printf("swarm_cpu_ms %.1f\n",
			(double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
				(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3);
}

/* true: it became so in time */
static bool wait_until(const struct swarm *s, bool (*done)(const struct swarm *s))
{
	uint64_t until = now_us() + s->limit * 1000000ull;

	while (!done(s) && now_us() < until)
		usleep(POLL_US);
	return done(s);
}

static bool all_done(const struct swarm *s)
{
	return s->board->done == s->agents;
}

static bool all_up(const struct swarm *s)
{
	return s->board->up == s->agents;
}

static bool all_lost(const struct swarm *s)
{
	return s->board->lost >= s->agents;
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
	r = finished && failures(s->board) == 0 ? 0 : -EIO;
	if (s->control) {
		int asked = ask_enrolled(s);

		r = r < 0 ? r : asked;
	}
	return r;
}

static bool connect_all(struct swarm *s, const struct mode *mode)
{
	uint64_t began = now_us();

	if (workers_start(s, mode) < 0)
		return false;
	if (!wait_until(s, all_up)) {
		printf("connected %ju\n", (uintmax_t)s->board->up);
		tell_failures(s->board);
		return false;
	}
	printf("connected %ju\nconnected_seconds %.1f\n", (uintmax_t)s->board->up,
		(double)(now_us() - began) / 1e6);
	fflush(stdout);
	return true;
}

static int finish_life(struct swarm *s, bool good, uint64_t since)
{
	int r = 0;

	if (s->control)
		r = ask_connected(s, since);
	workers_end(s);
	tell_failures(s->board);
	return good ? r : -EIO;
}

static int run_idle(struct swarm *s)
{
	uint64_t since = (uint64_t)time(NULL) - 1;
	bool good = connect_all(s, &mode_steady);

	if (!good)
		return finish_life(s, false, 0);
	sleep(s->settle);
	struct measure m = measure_start(s);
	tell_memory(s);
	sleep(s->seconds);
	printf("seconds %.3f\nacks %ju\n", (double)(now_us() - m.began) / 1e6,
		(uintmax_t)(s->board->acks - m.acks));
	tell_cpu(s, &m);
	printf("lost %ju\n", (uintmax_t)s->board->lost);
	return finish_life(s, all_up(s) && s->board->lost == 0, since);
}

static int run_return(struct swarm *s)
{
	struct board *b = s->board;

	if (!connect_all(s, &mode_return) || !wait_until(s, all_lost))
		return finish_life(s, false, 0);
	uint64_t refused = b->failures[FAIL_REFUSED], before = failures(b);
	printf("lost %ju\n", (uintmax_t)b->lost);
	fflush(stdout);
	bool good = wait_until(s, all_up);
	printf("back %ju\nback_seconds %.3f\nsecond_attempts %ju\nrefused_attempts %ju\n"
	       "other_failures %ju\n",
		(uintmax_t)b->up, (double)(b->last_well - b->first_loss) / 1e6, (uintmax_t)b->again,
		(uintmax_t)b->failures[FAIL_REFUSED],
		(uintmax_t)(failures(b) - before - (b->failures[FAIL_REFUSED] - refused)));
	tell_latency(s);
	tell_memory(s);
	fflush(stdout);
	return finish_life(s, good, 0);
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
	case 'a':
		s->ask = true;
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
		.limit = 300 };
	const struct command *command = parse(argc, argv, &s);

	if (!command) {
		fprintf(stderr, "usage: muster-swarm keys|save|enrol|idle|return|misbehave "
				"[--OPTION VALUE]...; see tests/load/swarm.c\n");
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
	return r < 0 ? 1 : 0;
}
