/* SPDX-License-Identifier: MIT */
#include "agent/send.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "agent/door.h"
#include "lib/secret.h"
#include "lib/text.h"

#define TIMEOUT   30   /* seconds without any progress */
#define RETRY_MS  50   /* between attempts to reach the agent */
#define DENIED_MS 2000 /* the socket has its group only a moment after the agent's start */
#define TYPE      "text"

/* What has been handed in and not been answered yet, in order. */
struct waiting {
	uint64_t n;
	char *text; /* owned */
	size_t len;
};

struct sender {
	const char *runtime, *type;
	int fd; /* -1: not connected */
	uint64_t timeout_ms, deadline;
	uint8_t random[8]; /* a message's key: this, then its number */
	uint64_t count;
	struct waiting ring[DOOR_WINDOW];
	size_t first, waiting;
};

static int say(int code, const char *format, ...) printf_like(2);

static int say(int code, const char *format, ...)
{
	scoped(freep) char *clean = NULL;
	va_list values;

	va_start(values, format);
	clean = text_vescape(format, values);
	va_end(values);
	(void)fprintf(stderr, "muster-agent: %s\n", clean ? clean : "no memory");
	return code;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void progress(struct sender *s)
{
	s->deadline = now_ms() + s->timeout_ms;
}

/* ---------------------------------------------------------------- the agent's door */

static int connect_to(struct sender *s, const char *path)
{
	const struct timeval patience = { .tv_sec = 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >=
		sizeof address.sun_path)
		return -ENAMETOOLONG;
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	r = setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (r == 0)
		r = connect(s->fd, (const struct sockaddr *)&address, sizeof address);
	if (r == 0)
		return 0;
	r = -errno;
	closep(&s->fd);
	s->fd = -1;
	return r;
}

/* Of a machine that listens, systemd has the door, and the agent sleeps behind it. */
static int try_connect(struct sender *s)
{
	char path[256];
	int r, other;

	if ((size_t)snprintf(path, sizeof path, "%s/" DOOR_NAME, s->runtime) >= sizeof path)
		return -ENAMETOOLONG;
	r = connect_to(s, path);
	if (r != -ENOENT)
		return r;
	other = connect_to(s, DOOR_OF_SYSTEMD);
	return other == -ENOENT ? r : other;
}

/* An agent that is being started again is waited for. */
static int reach(struct sender *s)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000 };
	uint64_t denied = now_ms() + DENIED_MS;
	int r;

	while ((r = try_connect(s)) < 0) {
		if ((r == -EACCES || r == -EPERM) && now_ms() >= denied)
			return say(SEND_DENIED,
				"only root and members of the group muster may send messages");
		if (now_ms() >= s->deadline)
			return say(SEND_NOBODY,
				"no agent takes messages at %s/" DOOR_NAME " (%s); is "
				"muster-agent.service running?",
				s->runtime, strerror(-r));
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static void key_of(const struct sender *s, uint64_t n, uint8_t ret[static SPOOL_KEY_SIZE])
{
	memcpy(ret, s->random, sizeof s->random);
	memcpy(ret + sizeof s->random, &n, sizeof n);
}

/* false: the connection is lost. */
static bool hand_in(struct sender *s, const struct waiting *w)
{
	struct door_request q = { .text = w->text, .len = w->len };
	uint8_t *packet = malloc(DOOR_REQUEST_MAX);
	ssize_t len = -1, n = -1;

	key_of(s, w->n, q.key);
	(void)snprintf(q.type, sizeof q.type, "%s", s->type);
	if (packet)
		len = door_request_encode(&q, packet, DOOR_REQUEST_MAX);
	if (len > 0)
		n = send(s->fd, packet, (size_t)len, MSG_NOSIGNAL);
	free(packet);
	if (n == len && n > 0)
		return true;
	closep(&s->fd);
	s->fd = -1;
	return false;
}

/* Connects if need be, and then hands in again what has no answer: the agent knows what it has. */
static int connected(struct sender *s)
{
	while (s->fd < 0) {
		int r = reach(s);

		if (r != 0)
			return r;
		for (size_t i = 0; i < s->waiting && s->fd >= 0; i++)
			(void)hand_in(s, &s->ring[(s->first + i) % DOOR_WINDOW]);
		if (s->fd < 0 && now_ms() >= s->deadline)
			return say(SEND_NOBODY, "the agent ends connections");
	}
	return 0;
}

/* ---------------------------------------------------------------- answers */

static int judge(struct sender *s, const struct door_answer *a)
{
	unsigned long long n = s->ring[s->first].n;
	static const struct {
		int code;
		const char *words;
	} verdicts[] = {
		[DOOR_WRONG] = { SEND_USAGE, "was not taken" },
		[DOOR_FULL] = { SEND_FULL, "was not taken: the spool is full" },
		[DOOR_FAILED] = { SEND_FAILED, "was not taken" },
	};

	if (a->verdict == DOOR_STORED)
		return 0;
	if (a->verdict >= COUNT(verdicts))
		return say(SEND_FAILED, "message %llu: the agent's answer isn't understood", n);
	return say(verdicts[a->verdict].code, "message %llu %s: %s; %llu before it are stored", n,
		verdicts[a->verdict].words, a->words, n - 1);
}

static int take_answer(struct sender *s)
{
	uint8_t packet[DOOR_ANSWER_MAX], key[SPOOL_KEY_SIZE];
	struct waiting *w = &s->ring[s->first];
	struct door_answer a;
	ssize_t n = recv(s->fd, packet, sizeof packet, MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* the agent has ended: connected() goes on */
		closep(&s->fd);
		s->fd = -1;
		return 0;
	}
	key_of(s, w->n, key);
	if (door_answer_decode(packet, (size_t)n, &a) < 0 || memcmp(a.key, key, sizeof key) != 0 ||
		s->waiting == 0)
		return say(SEND_FAILED, "the agent's answer isn't understood");
	r = judge(s, &a);
	if (r != 0)
		return r;
	free(give(w->text));
	s->first = (s->first + 1) % DOOR_WINDOW;
	s->waiting--;
	progress(s);
	return 0;
}

/* Waits for an answer, or for input (a descriptor, or -1). *ret_input: there is some. */
static int wait_for(struct sender *s, int input, bool *ret_input)
{
	struct pollfd p[] = { { .events = POLLIN }, { .fd = input, .events = POLLIN } };
	int r = s->waiting > 0 ? connected(s) : 0;

	if (r != 0)
		return r;
	p[0].fd = s->waiting > 0 ? s->fd : -1;
	if (poll(p, COUNT(p), s->waiting > 0 ? 100 : -1) < 0 && errno != EINTR)
		return say(SEND_FAILED, "cannot wait: %s", strerror(errno));
	*ret_input = p[1].revents != 0;
	if (p[0].revents)
		return take_answer(s);
	if (s->waiting > 0 && now_ms() >= s->deadline)
		return say(SEND_NOBODY, "the agent doesn't answer");
	return 0;
}

static int finish(struct sender *s)
{
	bool input;
	int r = 0;

	while (r == 0 && s->waiting > 0)
		r = wait_for(s, -1, &input);
	return r;
}

/* Takes text over. */
static int post_text(struct sender *s, char *text, size_t len)
{
	struct waiting *w;
	bool input;
	int r = 0;

	while (r == 0 && s->waiting == DOOR_WINDOW)
		r = wait_for(s, -1, &input);
	if (r == 0 && s->waiting == 0)
		progress(s);
	if (r == 0)
		r = connected(s);
	if (r != 0) {
		free(text);
		return r;
	}
	w = &s->ring[(s->first + s->waiting) % DOOR_WINDOW];
	*w = (struct waiting){ .n = ++s->count, .text = text, .len = len };
	s->waiting++;
	(void)hand_in(s, w); /* lost: handed in again with the next connection */
	return 0;
}

/* ---------------------------------------------------------------- what is to be sent */

static int post_copy(struct sender *s, const char *text, size_t len)
{
	char *copy;

	if (!msg_text_ok(text, len))
		return say(SEND_USAGE,
			"message %llu is not 1 to %d bytes of UTF-8 text; %llu before it are "
			"stored",
			(unsigned long long)s->count + 1, MSG_TEXT_MAX,
			(unsigned long long)(finish(s) == 0 ? s->count : 0));
	copy = malloc(len);
	if (!copy)
		return say(SEND_FAILED, "no memory");
	memcpy(copy, text, len);
	return post_text(s, copy, len);
}

/* One byte more than a message may have tells that it is too long. 0: the end. */
static ssize_t fill(int fd, struct buffer *b)
{
	size_t room = MSG_TEXT_MAX + 2 - b->len;
	uint8_t *to = buffer_reserve(b, room);
	ssize_t n = to ? read(fd, to, room) : -1;

	if (n > 0)
		buffer_grew(b, (size_t)n);
	return n < 0 && to && errno == EINTR ? fill(fd, b) : n;
}

/* All of a file as one message; its last line end isn't part of it. */
static int post_file(struct sender *s, int fd, struct buffer *b)
{
	ssize_t n;

	do
		n = b->len < MSG_TEXT_MAX + 2 ? fill(fd, b) : 0;
	while (n > 0);
	if (n < 0)
		return say(SEND_FAILED, "cannot read the message: %s", strerror(errno));
	if (b->len > 0 && b->data[b->len - 1] == '\n')
		b->len--;
	return post_copy(s, (const char *)b->data, b->len);
}

/* The whole lines that have come, and at the end the last one without a line end. */
static int post_whole_lines(struct sender *s, struct buffer *b, bool end)
{
	int r = 0;

	while (r == 0 && b->len > 0) {
		const uint8_t *at = memchr(b->data, '\n', b->len);
		size_t len = at ? (size_t)(at - b->data) : b->len;

		if (!at && !end && len <= MSG_TEXT_MAX)
			break;
		if (len > 0)
			r = post_copy(s, (const char *)b->data, len);
		buffer_consume(b, len + (at != NULL));
	}
	return r;
}

static int post_lines(struct sender *s, int fd, struct buffer *b)
{
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0) {
		bool input = false;

		r = wait_for(s, s->waiting < DOOR_WINDOW ? fd : -1, &input);
		if (r != 0 || !input)
			continue;
		n = fill(fd, b);
		if (n < 0)
			return say(SEND_FAILED, "cannot read: %s", strerror(errno));
		r = post_whole_lines(s, b, n == 0);
	}
	return r;
}

/* ---------------------------------------------------------------- the command */

struct options {
	const char *type, *file, *timeout, *text;
	bool lines;
};

static int once(const char **option, const char *name)
{
	if (*option)
		return say(SEND_USAGE, "--%s is given twice", name);
	*option = optarg;
	return 0;
}

static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "type", required_argument, NULL, 't' },
		{ "file", required_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 'w' },
		{ "lines", no_argument, NULL, 'l' },
		{},
	};
	int which, r = 0;

	while (r == 0 && (which = getopt_long(argc, argv, "t:f:", known, NULL)) != -1) {
		if (which == 't')
			r = once(&ret->type, "type");
		else if (which == 'f')
			r = once(&ret->file, "file");
		else if (which == 'w')
			r = once(&ret->timeout, "timeout");
		else if (which == 'l')
			ret->lines = true;
		else
			return SEND_USAGE; /* getopt has said what is wrong */
	}
	if (r == 0 && optind < argc)
		ret->text = argv[optind++];
	if (r == 0 && (optind < argc || (ret->text && ret->file)))
		r = say(SEND_USAGE, "one message: TEXT, - or -f FILE");
	if (r == 0 && ret->lines && ret->text && strcmp(ret->text, "-") != 0)
		r = say(SEND_USAGE, "--lines are read from a file or standard input");
	return r;
}

static int post(struct sender *s, const struct options *o)
{
	struct buffer b = {};
	int fd = STDIN_FILENO, r;

	if (o->text && strcmp(o->text, "-") != 0)
		return post_copy(s, o->text, strlen(o->text));
	if (o->file)
		fd = open(o->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return say(SEND_USAGE, "cannot read '%s': %s", o->file, strerror(errno));
	r = o->lines ? post_lines(s, fd, &b) : post_file(s, fd, &b);
	buffer_clear(&b);
	if (o->file)
		closep(&fd);
	return r;
}

int send_command(const char *runtime, int argc, char **argv)
{
	struct sender s = { .runtime = runtime, .fd = -1 };
	struct options o = {};
	uint64_t seconds = TIMEOUT;
	int r = read_options(argc, argv, &o);

	if (r != 0)
		return r;
	s.type = o.type ? o.type : TYPE;
	if (!msg_type_ok(s.type))
		return say(SEND_USAGE, "--type: 1 to 64 characters of a-z 0-9 . _ -");
	if (o.timeout && (text_duration(o.timeout, &seconds) < 0 || seconds < 1 || seconds > 86400))
		return say(SEND_USAGE, "--timeout: a duration from 1s to 1d");
	if (secret_init() < 0)
		return say(SEND_FAILED, "cannot start");
	s.timeout_ms = seconds * 1000;
	random_bytes(s.random, sizeof s.random);
	progress(&s);
	r = post(&s, &o);
	if (r == 0)
		r = finish(&s);
	while (s.waiting > 0) {
		free(s.ring[s.first].text);
		s.first = (s.first + 1) % DOOR_WINDOW;
		s.waiting--;
	}
	closep(&s.fd);
	return r;
}
