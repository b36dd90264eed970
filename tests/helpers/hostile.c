/* SPDX-License-Identifier: MIT */
/*
 * hostile: a server that holds a real server's keys and misbehaves in one named way.
 *
 *	hostile --state DIR --files DIR [--listen ADDRESS:PORT] [--mode MODE [ARGUMENT]]
 *	        [--times N]
 *
 * --state is muster-server's state folder (identity.key, tls.pem, release.key; made if they are
 * missing), --files a folder with linux/ARCH/muster-agent as muster-server offers it. Each line of
 * standard output tells one thing: first "port N", "pin ...", "server-key ...", "release-key ...",
 * "ready"; then what happens on connection C, as "C WHAT": "at STEP", "request METHOD PATH",
 * "received OP", "answered OP", "token arrived", "not tls", "peer left", and last "closed BYTES",
 * the bytes that came out of TLS. With --times, what is done at a step is done only so often, and
 * then the server behaves. One process a connection, blocking, until SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "hostility/offer.h"
#include "hostility/serve.h"
#include "lib/secret.h"
#include "lib/text.h"

static struct client *client; /* the handler's */

static void on_resume(int number)
{
	(void)number;
	client->resumed = true;
}

static int listen_on(const char *text, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;
	char host[64] = "";
	unsigned port = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 ||
		inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die(text, EINVAL);
	a.sin_port = htons((uint16_t)port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die(text, errno);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static _Noreturn void accept_all(const struct hostile *h, int listener)
{
	for (unsigned number = 1;; number++) {
		struct connection c = { .h = h, .number = number };
		pid_t parent = getpid();

		c.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (c.fd < 0)
			die("accept", errno);
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			serve(&c);
		}
		(void)close(c.fd);
	}
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: hostile --state DIR --files DIR [--listen ADDRESS:PORT] "
			"[--mode MODE [ARGUMENT]] [--times N]\n");
	modes_help(stderr);
	exit(2);
}

static void take_mode(struct hostile *h, const char *name)
{
	if (mode_find(name, &h->mode) < 0)
		usage();
}

static void take_argument(struct hostile *h, const char *text)
{
	char *end = NULL;

	if (mode_row(h->mode)->argument == A_NUMBER) {
		h->number = text ? strtoll(text, &end, 10) : 0;
		if (!end || end == text || *end)
			usage();
	} else if (!text || step_find(text, &h->step) < 0) {
		usage();
	}
}

struct places {
	const char *state, *files, *listen;
	uint64_t times;
};

static void take_options(struct hostile *h, char **argv, struct places *ret)
{
	for (argv++; *argv; argv += 2) {
		if (!argv[1])
			usage();
		if (strcmp(*argv, "--state") == 0) {
			ret->state = argv[1];
		} else if (strcmp(*argv, "--files") == 0) {
			ret->files = argv[1];
		} else if (strcmp(*argv, "--listen") == 0) {
			ret->listen = argv[1];
		} else if (strcmp(*argv, "--times") == 0) {
			if (text_number(argv[1], 1, UINT32_MAX, &ret->times) < 0)
				usage();
		} else if (strcmp(*argv, "--mode") == 0) {
			take_mode(h, argv[1]);
			if (mode_row(h->mode)->argument != NOTHING)
				take_argument(h, *++argv ? argv[1] : NULL);
		} else {
			usage();
		}
	}
	if (!ret->state || !ret->files)
		usage();
}

int main(int argc, char **argv)
{
	struct places places = { .listen = "127.0.0.1:0", .times = UINT32_MAX };
	struct minisign_key *release = NULL;
	struct hostile h = {};
	int listener, r = secret_init();

	(void)argc;
	if (r < 0)
		die("libsodium", r);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	take_options(&h, argv, &places);
	load_keys(&h, places.state, &release);
	make_manifest(&h, places.files, release);
	h.client = client = mmap(
		NULL, sizeof *h.client, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h.client == MAP_FAILED)
		die("memory", errno);
	h.client->times = (unsigned)places.times;
	(void)signal(SIGUSR1, on_resume);
	listener = listen_on(places.listen, &h.port);
	tell_keys(&h, release);
	if (h.mode == MODE_WRONG_TLS_KEY) {
		tlskey_clear(&h.tls);
		r = tlskey_generate(TLSKEY_P256, "muster", &h.tls);
		if (r < 0)
			die("TLS key", r);
	}
	make_context(&h);
	(void)minisign_free(release);
	accept_all(&h, listener);
}
