/* SPDX-License-Identifier: MIT */
#include "agent/post.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "agent/door.h"
#include "agent/log.h"

#define CALLERS_MAX 64
#define BATCH       16 /* requests taken in one event */

struct caller {
	struct post *post;
	struct caller *next, **previous;
	int fd;
	sd_event_source *io;
	size_t unanswered;
	struct door_answer *answers; /* DOOR_WINDOW, while there are any */
};

struct post {
	sd_event *event;
	struct spool *spool;
	const struct post_limits *limits;
	void (*on_stored)(void *userdata);
	void *userdata;
	struct sockaddr_un address;
	int fd;
	sd_event_source *accept;
	sd_event_source *commit; /* when nothing else is to be done in this turn */
	struct caller *callers;
	size_t count;
};

/* ---------------------------------------------------------------- callers */

static void caller_end(struct caller *c)
{
	struct post *p = c->post;

	sd_event_source_disable_unref(c->io);
	closep(&c->fd);
	*c->previous = c->next;
	if (c->next)
		c->next->previous = c->previous;
	p->count--;
	(void)sd_event_source_set_enabled(p->accept, SD_EVENT_ON);
	free(c->answers);
	free(c);
}

/* Answered at the turn's end. */
static int answer(struct caller *c, const uint8_t key[static SPOOL_KEY_SIZE],
	enum door_verdict verdict, const char *words)
{
	struct door_answer *a;

	if (!c->answers)
		c->answers = calloc(DOOR_WINDOW, sizeof *c->answers);
	if (!c->answers)
		return -ENOMEM;
	a = &c->answers[c->unanswered++];
	memcpy(a->key, key, SPOOL_KEY_SIZE);
	a->verdict = (uint8_t)verdict;
	(void)snprintf(a->words, sizeof a->words, "%s", words);
	return sd_event_source_set_enabled(c->post->commit, SD_EVENT_ONESHOT);
}

static int answer_full(struct caller *c, const struct door_request *q)
{
	struct post *p = c->post;
	char words[200];

	(void)snprintf(words, sizeof words,
		"%llu messages (%llu bytes) wait for the server: that is as much as this machine "
		"keeps",
		(unsigned long long)spool_count(p->spool),
		(unsigned long long)spool_bytes(p->spool));
	log_seldom(LOG_WARNING, "refused a message: %s", words);
	return answer(c, q->key, DOOR_FULL, words);
}

static int answer_failed(struct caller *c, const struct door_request *q, int error)
{
	char words[200];

	(void)snprintf(
		words, sizeof words, "the agent can't write its spool: %s", strerror(-error));
	log_seldom(LOG_ERR, "refused a message: %s", words);
	return answer(c, q->key, DOOR_FAILED, words);
}

/* What is wrong with it, or NULL. */
static const char *mistake(const struct post *p, const struct door_request *q)
{
	if (!msg_type_ok(q->type))
		return "a type is 1 to 64 characters of a-z 0-9 . _ -";
	if (q->len == 0)
		return "the message is empty";
	if (q->len > p->limits->size)
		return "the message is too long (MessageMax= in muster-agent.conf)";
	return msg_text_ok(q->text, q->len) ? NULL : "the message is not UTF-8 text";
}

static int take(struct caller *c, const struct door_request *q)
{
	struct post *p = c->post;
	struct msg m = { .time = (uint64_t)time(NULL), .text = q->text, .len = q->len };
	const char *wrong = mistake(p, q);
	int r;

	if (wrong)
		return answer(c, q->key, DOOR_WRONG, wrong);
	if (spool_knows(p->spool, q->key))
		return answer(c, q->key, DOOR_STORED, "");
	if (spool_count(p->spool) >= p->limits->messages ||
		spool_bytes(p->spool) + q->len > p->limits->bytes)
		return answer_full(c, q);
	(void)snprintf(m.type, sizeof m.type, "%s", q->type);
	r = spool_add(p->spool, q->key, &m);
	return r < 0 ? answer_failed(c, q, r) : answer(c, q->key, DOOR_STORED, "");
}

/* 1: taken; 0: nothing there; negative: the end of this caller. */
static int receive(struct caller *c, uint8_t *packet)
{
	struct door_request q;
	ssize_t n = recv(c->fd, packet, DOOR_REQUEST_MAX + 1, MSG_DONTWAIT);
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	r = door_request_decode(packet, (size_t)n, &q);
	if (r == 0)
		r = take(c, &q);
	return r < 0 ? r : 1;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct caller *c = userdata;
	uint8_t *packet = malloc(DOOR_REQUEST_MAX + 1);
	int r = packet ? 1 : -ENOMEM;

	(void)source, (void)fd, (void)events;
	for (int i = 0; r > 0 && i < BATCH && c->unanswered < DOOR_WINDOW; i++)
		r = receive(c, packet);
	free(packet);
	if (r >= 0 && c->unanswered == DOOR_WINDOW)
		r = sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	if (r < 0)
		caller_end(c);
	return 0;
}

/* ---------------------------------------------------------------- the turn's end */

static int send_answers(struct caller *c, int stored)
{
	uint8_t packet[DOOR_ANSWER_MAX];

	for (size_t i = 0; i < c->unanswered; i++) {
		struct door_answer *a = &c->answers[i];
		ssize_t len;

		if (stored < 0 && a->verdict == DOOR_STORED) {
			a->verdict = DOOR_FAILED;
			(void)snprintf(a->words, sizeof a->words,
				"the agent can't write its spool: %s", strerror(-stored));
		}
		len = door_answer_encode(a, packet, sizeof packet);
		if (len < 0)
			return (int)len;
		/* Who doesn't read its answers asks again. */
		if (send(c->fd, packet, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return -errno;
	}
	free(give(c->answers));
	c->unanswered = 0;
	return sd_event_source_set_enabled(c->io, SD_EVENT_ON);
}

static int on_commit(sd_event_source *source, void *userdata)
{
	struct post *p = userdata;
	int stored = spool_sync(p->spool);

	(void)source;
	if (stored < 0)
		log_seldom(LOG_ERR, "cannot write the spool: %s", strerror(-stored));
	for (struct caller *c = p->callers, *next; c; c = next) {
		next = c->next;
		if (c->unanswered > 0 && send_answers(c, stored) < 0)
			caller_end(c);
	}
	if (stored >= 0)
		p->on_stored(p->userdata);
	return 0;
}

/* ---------------------------------------------------------------- the socket */

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct post *p = userdata;
	struct caller *c = calloc(1, sizeof *c);
	int r;

	(void)events;
	if (!c)
		return 0;
	c->post = p;
	c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	r = c->fd < 0 ? -errno : sd_event_add_io(p->event, &c->io, c->fd, EPOLLIN, on_io, c);
	if (r < 0) {
		closep(&c->fd);
		free(c);
		return 0;
	}
	c->next = p->callers;
	c->previous = &p->callers;
	if (c->next)
		c->next->previous = &c->next;
	p->callers = c;
	if (++p->count == CALLERS_MAX)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

/* Its group may use it too: which one that is, is the unit's business. */
static int listen_at(struct post *p, const char *runtime)
{
	char *path = p->address.sun_path;
	mode_t before;
	int r;

	p->address.sun_family = AF_UNIX;
	if ((size_t)snprintf(path, sizeof p->address.sun_path, "%s/" DOOR_NAME, runtime) >=
		sizeof p->address.sun_path)
		return -ENAMETOOLONG;
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT) /* of an agent that was killed */
		return -errno;
	before = umask(0117);
	r = bind(p->fd, (const struct sockaddr *)&p->address, sizeof p->address) < 0 ? -errno : 0;
	(void)umask(before);
	return r < 0 ? r : listen(p->fd, 64) < 0 ? -errno : 0;
}

/* systemd's are blocking. */
static int use_given(struct post *p, int given)
{
	p->fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
	return p->fd < 0 || fcntl(given, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int post_new(sd_event *event, const char *runtime, int given, struct spool *spool,
	const struct post_limits *limits, void (*on_stored)(void *userdata), void *userdata,
	struct post **ret)
{
	struct post *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return -ENOMEM;
	p->event = event;
	p->spool = spool;
	p->limits = limits;
	p->on_stored = on_stored;
	p->userdata = userdata;
	p->fd = -1;
	r = given >= 0 ? use_given(p, given) : listen_at(p, runtime);
	if (r >= 0)
		r = sd_event_add_io(event, &p->accept, p->fd, EPOLLIN, on_accept, p);
	if (r >= 0)
		r = sd_event_add_defer(event, &p->commit, on_commit, p);
	if (r >= 0)
		r = sd_event_source_set_priority(p->commit, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->commit, SD_EVENT_OFF);
	if (r < 0) {
		post_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct post *post_free(struct post *p)
{
	if (!p)
		return NULL;
	while (p->callers)
		caller_end(p->callers);
	sd_event_source_disable_unref(p->accept);
	sd_event_source_disable_unref(p->commit);
	if (p->fd >= 0 && p->address.sun_path[0])
		(void)unlink(p->address.sun_path);
	closep(&p->fd);
	free(p);
	return NULL;
}
