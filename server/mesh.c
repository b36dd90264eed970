/* SPDX-License-Identifier: MIT */
#include "mesh.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

#include "changes.h"
#include "channel.h"
#include "channels.h"
#include "configs.h"
#include "dblink.h"
#include "lib/buffer.h"
#include "lib/text.h"
#include "log.h"
#include "outlet.h"
#include "presence.h"
#include "server.h"
#include "updates.h"
#include "webhooks.h"

#define NOTICE_MAX    960 /* bytes of one notice, but for its head */
#define PENDING_MAX   (64u << 10)
#define RELAY_USEC    200000u
#define RETRY_USEC    50000u
#define NOTICES_BATCH 32 /* in one event */

struct mesh {
	struct server *server;
	struct mesh_sockets *sockets; /* NULL: by the database */
	sd_event_source *io, *relay_timer, *retry_timer;
	struct watcher watcher;
	struct held held;
	struct buffer pending;  /* words, each with a blank behind it */
	uint32_t topics;        /* to be relayed, bit by bit */
	bool missed;            /* something could not be kept: all have to look at everything */
	bool deaf[WORKERS_MAX]; /* whose socket was full: the same, for that one */
};

/* ---- sockets */

int mesh_sockets_open(struct mesh_sockets *m, unsigned count)
{
	m->count = 0;
	for (unsigned i = 0; i < count; i++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
			return -errno;
		m->read[i] = ends[0];
		m->write[i] = ends[1];
		m->count++;
	}
	return 0;
}

void mesh_sockets_close(struct mesh_sockets *m)
{
	while (m->count > 0) {
		m->count--;
		close(m->read[m->count]);
		close(m->write[m->count]);
	}
}

/* ---- out */

static void arm(sd_event_source *timer, uint64_t usec)
{
	if (sd_event_source_set_time_relative(timer, usec) < 0 ||
		sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) < 0)
		log_at(LOG_ERR, "cannot set a timer of what is told to other servers");
}

static void send_to(struct mesh *m, unsigned worker, const char *text, size_t len)
{
	if (send(m->sockets->write[worker], text, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	m->deaf[worker] = true;
	arm(m->retry_timer, RETRY_USEC);
}

/* With the number of who tells it: it comes back to him as well. A database that can't be reached
 * tells nobody anything; then the machines' HELLOs do. */
static void notify(struct mesh *m, const char *text, size_t len)
{
	char notice[NOTICE_MAX + 32];

	snprintf(notice, sizeof(notice), "%llu %.*s", (unsigned long long)presence_self(m->server),
		(int)len, text);
	(void)!store_notify(m->server->store, notice);
}

static void send_all(struct mesh *m, const char *text, size_t len)
{
	if (m->sockets == NULL) {
		notify(m, text, len);
		return;
	}
	for (unsigned i = 0; i < m->sockets->count; i++)
		if (i != m->server->worker)
			send_to(m, i, text, len);
}

/* Parts of whole words. */
static void flush(struct mesh *m)
{
	const char *at = (const char *)m->pending.data;
	size_t left = m->pending.len;

	if (m->missed)
		send_all(m, "* ", 2);
	while (left > 0 && !m->missed) {
		size_t len = left < NOTICE_MAX ? left : NOTICE_MAX;

		while (at[len - 1] != ' ')
			len--;
		send_all(m, at, len);
		at += len;
		left -= len;
	}
	m->missed = false;
	buffer_clear(&m->pending);
}

static void on_release(struct held *h, bool committed)
{
	struct mesh *m = (struct mesh *)((char *)h - offsetof(struct mesh, held));

	if (committed)
		flush(m);
	else
		buffer_clear(&m->pending);
}

static void tell(struct server *s, const char *word)
{
	struct mesh *m = s->mesh;

	if (m == NULL)
		return;
	if (buffer_append(&m->pending, word, strlen(word)) < 0 ||
		buffer_append(&m->pending, " ", 1) < 0) {
		m->missed = true;
		buffer_clear(&m->pending);
	}
	turn_hold(s->turn, &m->held);
}

void mesh_look(struct server *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	char word[CLIENT_ID_TEXT_SIZE + 1] = "l";

	sodium_bin2hex(word + 1, CLIENT_ID_TEXT_SIZE, client, CLIENT_ID_SIZE);
	tell(s, word);
}

void mesh_configs(struct server *s)
{
	tell(s, "c");
}

void mesh_updates(struct server *s)
{
	tell(s, "u");
}

void mesh_peers(struct server *s)
{
	tell(s, "p");
}

static int on_retry(sd_event_source *source, uint64_t at, void *userdata)
{
	struct mesh *m = userdata;

	(void)source;
	(void)at;
	for (unsigned i = 0; i < m->sockets->count; i++) {
		if (!m->deaf[i])
			continue;
		m->deaf[i] = false;
		send_to(m, i, "* ", 2);
	}
	return 0;
}

/* ---- changes, for those who watch at the first worker */

static void on_changed(struct watcher *w, const struct change *changes, size_t count)
{
	struct mesh *m = (struct mesh *)((char *)w - offsetof(struct mesh, watcher));
	unsigned before = m->topics;

	for (size_t i = 0; i < count; i++)
		if (changes[i].topic != CHANGE_DATABASE)
			m->topics |= 1u << changes[i].topic;
	if (before == 0 && m->topics != 0)
		arm(m->relay_timer, RELAY_USEC);
}

static int on_relay(sd_event_source *source, uint64_t at, void *userdata)
{
	struct mesh *m = userdata;
	char word[16];

	(void)source;
	(void)at;
	int len = snprintf(word, sizeof(word), "t%u ", m->topics);
	m->topics = 0;
	if (m->server->worker == 0 || m->sockets == NULL)
		send_all(m, word, (size_t)len);
	else
		send_to(m, 0, word, (size_t)len);
	return 0;
}

static void hear_topics(struct mesh *m, uint64_t topics)
{
	struct change changes[CHANGE_TOPICS] = {};
	size_t count = 0;

	for (unsigned i = 0; i < CHANGE_TOPICS; i++)
		if (i != CHANGE_DATABASE && (topics & (1u << i)) != 0)
			changes[count++].topic = (enum change_topic)i;
	if (count == 0)
		return;
	changes_pass_on(m->server, &m->watcher, changes, count);
	if ((topics & (1u << CHANGE_MESSAGES)) != 0)
		outlet_wake(m->server);
	if ((topics & (1u << CHANGE_ACCESS)) != 0)
		webhooks_changed(m->server);
}

/* ---- in */

static void look(struct server *s, const uint8_t id[static CLIENT_ID_SIZE])
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	int r = channels_has(s->channels, id) ? store_client_by_id(s->store, id, &client) : -ENOENT;
	int elsewhere = r == 0 ? presence_elsewhere(s, id) : 0;

	if (r == 0 && elsewhere >= 0)
		channels_look(s->channels, &client, elsewhere > 0);
}

static void look_at_channel(void *userdata, struct channel *c)
{
	struct buffer *ids = userdata;

	if (buffer_append(ids, c->id, CLIENT_ID_SIZE) < 0)
		log_warning("cannot look at all machines: there is no memory");
}

/* One look may end channels, so all are noted first. */
static void look_at_all(struct mesh *m)
{
	struct server *s = m->server;
	struct buffer ids = { .limit = SIZE_MAX / 2 };

	channels_each(s->channels, look_at_channel, &ids);
	for (size_t at = 0; at + CLIENT_ID_SIZE <= ids.len; at += CLIENT_ID_SIZE)
		look(s, ids.data + at);
	buffer_clear(&ids);
	presence_refresh(s);
	updates_look(s);
	hear_topics(m, (1u << CHANGE_TOPICS) - 1);
}

static void hear_word(struct mesh *m, const char *word)
{
	struct server *s = m->server;
	uint8_t id[CLIENT_ID_SIZE];
	uint64_t topics;

	if (word[0] == 'l' &&
		sodium_hex2bin(id, sizeof(id), word + 1, strlen(word + 1), NULL, NULL, NULL) == 0)
		look(s, id);
	else if (strcmp(word, "c") == 0)
		configs_all_due_here(s);
	else if (strcmp(word, "u") == 0)
		updates_look(s);
	else if (strcmp(word, "p") == 0)
		presence_refresh(s);
	else if (word[0] == 't' && text_number(word + 1, 0, UINT32_MAX, &topics) == 0)
		hear_topics(m, topics);
	else if (strcmp(word, "*") == 0)
		look_at_all(m);
}

static void hear(struct mesh *m, char *text)
{
	char *next = NULL;

	for (char *word = strtok_r(text, " ", &next); word; word = strtok_r(NULL, " ", &next))
		hear_word(m, word);
}

static int on_notices(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct mesh *m = userdata;
	char text[NOTICE_MAX + 1];

	(void)source;
	(void)events;
	for (int i = 0; i < NOTICES_BATCH; i++) {
		ssize_t n = recv(fd, text, NOTICE_MAX, MSG_DONTWAIT);

		if (n <= 0)
			return 0;
		text[n] = '\0';
		hear(m, text);
	}
	return 0;
}

/* What the database passes on. */
static void on_heard(void *userdata, const char *text)
{
	struct mesh *m = userdata;
	char copy[NOTICE_MAX + 32];
	uint64_t who = 0;

	if (text == NULL) {
		look_at_all(m);
		return;
	}
	int len = snprintf(copy, sizeof(copy), "%s", text);
	char *words = strchr(copy, ' ');
	if (len < 0 || (size_t)len >= sizeof(copy) || words == NULL)
		return;
	*words++ = '\0';
	if (text_number(copy, 0, UINT64_MAX, &who) == 0 && who != presence_self(m->server))
		hear(m, words);
}

/* ---- start and stop */

static int make_timer(struct mesh *m, sd_event_source **ret, sd_event_time_handler_t handler)
{
	int r = sd_event_add_time(m->server->loop, ret, CLOCK_MONOTONIC, 0, 0, handler, m);

	return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int watch(struct mesh *m)
{
	struct server *s = m->server;

	if (m->sockets != NULL)
		return sd_event_add_io(
			s->loop, &m->io, m->sockets->read[s->worker], EPOLLIN, on_notices, m);
	dblink_listen(s, on_heard, m);
	return 0;
}

int mesh_start(struct server *s)
{
	struct mesh *m;

	if (!turn_is_shared(s->turn))
		return 0;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -ENOMEM;
	m->server = s;
	m->sockets = s->config.store[0] == '\0' ? s->mesh_sockets : NULL;
	m->held.release = on_release;
	m->pending.limit = PENDING_MAX;
	m->watcher.changed = on_changed;
	s->mesh = m;
	int r = watch(m);
	if (r >= 0)
		r = make_timer(m, &m->relay_timer, on_relay);
	if (r >= 0)
		r = make_timer(m, &m->retry_timer, on_retry);
	changes_watch(s, &m->watcher);
	return r < 0 ? log_err(r, "cannot hear of the other servers") : 0;
}

void mesh_stop(struct server *s)
{
	struct mesh *m = s->mesh;

	if (m == NULL)
		return;
	s->mesh = NULL;
	if (m->sockets == NULL)
		dblink_listen(s, NULL, NULL);
	turn_forget(&m->held);
	changes_unwatch(s, &m->watcher);
	sd_event_source_disable_unref(m->io);
	sd_event_source_disable_unref(m->relay_timer);
	sd_event_source_disable_unref(m->retry_timer);
	buffer_clear(&m->pending);
	free(m);
}
