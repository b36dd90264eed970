/* SPDX-License-Identifier: MIT */
#include "dialer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "desired.h"
#include "lib/backoff.h"
#include "lib/secret.h"
#include "log.h"
#include "presence.h"
#include "server.h"
#include "store/listening.h"
#include "store/resets.h"
#include "tls.h"
#include "updates.h"

#define LOOK_USEC 5000000u /* at least so often; other servers write to the store too */
#define SOON_USEC 20000u
#define ACCURACY  5000u
#define BATCH     32 /* machines looked at in one event */
#define BASE_MS   5000
#define FAREWELL  (7 * 86400) /* seconds that one who is a client no more is looked for */

/* One that is under way, until there is a channel. */
struct dial {
	struct server *server;
	struct stream *stream;
	struct tls_expected expected;
	uint8_t client[CLIENT_ID_SIZE];
};

struct dialer {
	sd_event_source *timer;
	SSL_CTX *tls;
	uint32_t count; /* dials and the channels that they have become */
};

/* ---- addresses */

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
					: ((const struct sockaddr_in *)a)->sin_port;
}

int dialer_parse(const char *text, struct sockaddr_storage *ret)
{
	struct listen_address a;

	if (strchr(text, ':') == NULL || address_parse(text, &a) < 0)
		return -EINVAL;
	struct source source = source_of(&a.address);
	if (!source_is_one(&source) || port_of(&a.address) == 0)
		return -EINVAL;
	*ret = a.address;
	return 0;
}

static int address_of(const struct listening_record *l, struct sockaddr_storage *ret)
{
	char text[ADDRESS_SIZE + 16];

	if (l->fixed[0] != '\0')
		return dialer_parse(l->fixed, ret);
	if (l->address[0] == '\0' || l->port == 0)
		return -EADDRNOTAVAIL;
	snprintf(text, sizeof(text), strchr(l->address, ':') != NULL ? "[%s]:%u" : "%s:%u",
		l->address, l->port);
	return dialer_parse(text, ret);
}

/* ---- when */

static void arm(struct server *s, uint64_t usec)
{
	struct dialer *d = s->dialer;
	int r = sd_event_source_set_time_relative(d->timer, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_err(r, "cannot set the timer of machines that listen");
}

/* After a HELLO: about every Every=. */
static uint64_t every(struct server *s)
{
	uint64_t period = s->config.dial_every, random;

	random_bytes(&random, sizeof(random));
	return store_now(s->store) + period - period / 10 + random % (period / 5 + 1);
}

uint64_t dialer_longest(const struct config *c)
{
	return c->dial_every + c->dial_every / 10 + 1;
}

static uint64_t again(struct server *s, uint32_t fails)
{
	struct backoff b = { BASE_MS, s->config.dial_every * 1000ull, fails };

	return store_now(s->store) + (backoff_next(&b) + 999) / 1000;
}

static void failed(struct server *s, int error, const char *what)
{
	static struct log_rate rate;

	turn_fail(s->turn);
	log_limited(&rate, LOG_ERR, "%s: %s", what, strerror(-error));
}

static void tell_at(struct server *s, const uint8_t client[static CLIENT_ID_SIZE], uint64_t when)
{
	int r;

	if (s->dialer == NULL || turn_enter(s->turn) < 0)
		return;
	r = store_listening_by(s->store, client, when);
	if (r < 0)
		failed(s, r, "cannot note that a machine is to be dialled");
	arm(s, SOON_USEC);
}

void dialer_tell(struct server *s, const uint8_t client[static CLIENT_ID_SIZE])
{
	if (!presence_connected(s, client))
		tell_at(s, client, store_now(s->store));
}

void dialer_tell_after(
	struct server *s, const uint8_t client[static CLIENT_ID_SIZE], uint32_t seconds)
{
	tell_at(s, client, store_now(s->store) + seconds);
}

void dialer_tell_all(struct server *s)
{
	int r;

	if (s->dialer == NULL || turn_enter(s->turn) < 0)
		return;
	r = store_listening_doubt(s->store);
	if (r < 0)
		failed(s, r, "cannot note that machines may have to be dialled");
	arm(s, SOON_USEC);
}

int dialer_hello(struct channel *c, const struct hello *hello, const struct client_record *client)
{
	struct server *s = c->server;
	char address[ADDRESS_SIZE] = "";
	struct listening_hello h = { .client = client->id,
		.tls_pin = client->tls_pin,
		.address = address,
		.port = hello->listens,
		.dialled = c->dialled,
		.next = every(s) };

	if (hello->listens == 0) {
		struct listening_record former;
		int r = c->dialled ? -ENOENT : store_listening_get(s->store, client->id, &former);

		return r == 0 ? store_listening_end(s->store, client->id) : r == -ENOENT ? 0 : r;
	}
	if (source_may_be_dialled(stream_source(c->stream)))
		source_text(stream_source(c->stream), address);
	return store_listening_hello(s->store, &h);
}

/* ---- one dial */

static void one_less(struct server *s)
{
	if (s->dialer != NULL && s->dialer->count-- == s->config.dial_at_once)
		arm(s, SOON_USEC);
}

static const char *why(const struct dial *d, char text[static NOTE_SIZE])
{
	int error = stream_why(d->stream);

	if (d->expected.wrong)
		return "another TLS key is shown there than the machine enrolled with";
	if (error != 0)
		snprintf(text, NOTE_SIZE, "%s", strerror(error));
	else
		snprintf(text, NOTE_SIZE, "no answer as of a machine that listens for this server");
	return text;
}

static void note_failure(
	struct server *s, const uint8_t client[static CLIENT_ID_SIZE], const char *what)
{
	static struct log_rate rate;
	char id[CLIENT_ID_TEXT_SIZE];
	int r;

	sodium_bin2hex(id, sizeof(id), client, CLIENT_ID_SIZE);
	log_limited(&rate, LOG_WARNING, "cannot reach machine %s: %s", id, what);
	if (turn_enter(s->turn) < 0)
		return;
	r = store_listening_failed(s->store, client, what);
	if (r < 0)
		failed(s, r, "cannot note that a machine wasn't reached");
}

/* Before there was a channel. */
static void on_end(void *owner)
{
	struct dial *d = owner;
	char text[NOTE_SIZE];

	if (d->server->dialer != NULL && d->server->turn != NULL)
		note_failure(d->server, d->client, why(d, text));
	one_less(d->server);
	free(d);
}

/* The handshake has succeeded, so it is the machine. */
static int on_up(void *owner)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct dial *d = owner;
	struct stream *stream = d->stream;
	int r;

	if (!tls_speaks_packets(stream_tls(stream)))
		return -EPROTO;
	r = store_client_by_id(d->server->store, d->client, &client);
	if (r == 0)
		r = channel_start(stream, &client, NULL, 0);
	if (r == 0)
		free(d); /* the channel counts now */
	return r;
}

static int on_input(void *owner, const uint8_t *data, size_t len)
{
	(void)owner, (void)data, (void)len; /* not before the channel */
	return -EPROTO;
}

static const struct stream_user dial_user = { on_input, on_up, on_end, NULL };

static int dial(struct server *s, const struct listening_record *l)
{
	struct sockaddr_storage to;
	struct dial *d = calloc(1, sizeof(*d));
	SSL *ssl = d != NULL ? SSL_new(s->dialer->tls) : NULL;
	int r;

	if (ssl == NULL) {
		free(d);
		return -ENOMEM;
	}
	d->server = s;
	memcpy(d->client, l->client, sizeof(d->client));
	memcpy(d->expected.pin, l->tls_pin, sizeof(d->expected.pin));
	SSL_set_app_data(ssl, &d->expected);
	r = address_of(l, &to);
	if (r < 0)
		SSL_free(ssl);
	else
		r = stream_dial(s, &to, ssl, &dial_user, d, &d->stream);
	if (r < 0) {
		free(d);
		return r;
	}
	s->dialer->count++;
	return 0;
}

/* The machine judges the server's key after our side of the handshake is over. */
void dialer_left(struct channel *c)
{
	if (c->server->dialer == NULL)
		return;
	if (!c->heard && c->standing != STANDING_OVER)
		note_failure(c->server, c->id,
			"it ended the connection before a HELLO: are its Pins= this server's?");
	one_less(c->server);
}

/* ---- whom */

/* Of one who is a client no more: it is to be told, but not for ever. 1: dial. */
static int is_worth_it(struct server *s, const struct listening_record *l)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	int r = store_client_by_id(s->store, l->client, &client);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && (client.state == CLIENT_REVOKED || client.state == CLIENT_REMOVED) &&
		client.since + FAREWELL > store_now(s->store))
		return 1;
	if (r == 0 && client.state != CLIENT_LEFT && client.state != CLIENT_REVOKED &&
		client.state != CLIENT_REMOVED)
		return 1;
	r = store_listening_drop(s->store, l->client);
	return r < 0 ? r : 0;
}

/* 1: one was dealt with; 0: there is none. */
static int dial_one(struct server *s)
{
	struct listening_record l;
	int r = store_listening_due(s->store, store_now(s->store), &l);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = turn_enter(s->turn);
	if (r >= 0)
		r = is_worth_it(s, &l);
	if (r <= 0)
		return r < 0 ? r : 1;
	r = store_listening_claim(
		s->store, &l, presence_connected(s, l.client) ? every(s) : again(s, l.fails));
	if (r <= 0 || presence_connected(s, l.client))
		return r < 0 ? r : 1;
	r = dial(s, &l);
	if (r == -EADDRNOTAVAIL)
		note_failure(s, l.client, "its address isn't known: musterctl client address");
	else if (r < 0)
		note_failure(s, l.client, strerror(-r));
	return 1;
}

/* 1: there is something for it; 0. */
static int has_something(struct server *s, const struct listening_record *l)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct desired_order next;
	struct reset_record reset;
	int r = store_client_by_id(s->store, l->client, &client);

	if (r < 0 || client.state != CLIENT_ENROLLED)
		return r < 0 && r != -ENOENT ? r : 0;
	r = store_reset_get(s->store, l->client, &reset);
	if (r == 0 && reset.state == RESET_WANTED)
		return 1;
	if (r == 0 || r == -ENOENT)
		r = desired_next(s, &client, &next);
	return r != 0 ? r : updates_worth_dialling(s, &client, l->fails);
}

static int judge_one(struct server *s)
{
	struct listening_record l;
	int r = store_listening_doubtful(s->store, &l);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = turn_enter(s->turn);
	if (r >= 0)
		r = store_listening_sure(s->store, l.client);
	if (r >= 0)
		r = has_something(s, &l);
	if (r > 0)
		r = store_listening_by(s->store, l.client, store_now(s->store));
	return r < 0 ? r : 1;
}

/* Whether there is more to do at once; negative: the store failed. */
static int work(struct server *s)
{
	int r = 1;

	for (size_t i = 0; r > 0 && i < BATCH; i++)
		r = judge_one(s);
	if (r != 0)
		return r;
	r = 1;
	for (size_t i = 0; r > 0 && i < BATCH && s->dialer->count < s->config.dial_at_once; i++)
		r = dial_one(s);
	return r < 0 ? r : r > 0 && s->dialer->count < s->config.dial_at_once;
}

static int on_timer(sd_event_source *source, uint64_t at, void *userdata)
{
	struct server *s = userdata;
	int r = presence_leads(s) ? work(s) : 0;

	(void)source;
	(void)at;
	if (r < 0)
		failed(s, r, "cannot look for machines that are to be dialled");
	arm(s, r > 0 ? SOON_USEC : LOOK_USEC);
	return 0;
}

void dialer_over(struct channel *c)
{
	struct server *s = c->server;
	int r;

	if (!c->dialled || turn_enter(s->turn) < 0)
		return;
	r = store_listening_drop(s->store, c->id);
	if (r < 0)
		failed(s, r, "cannot forget where a machine listened");
}

int dialer_start(struct server *s)
{
	struct dialer *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return log_err(-ENOMEM, "cannot dial machines");
	r = tls_dial_context_new(&s->keys.tls, &d->tls);
	if (r >= 0)
		r = sd_event_add_time_relative(
			s->loop, &d->timer, CLOCK_MONOTONIC, SOON_USEC, ACCURACY, on_timer, s);
	s->dialer = d;
	if (r < 0)
		dialer_stop(s);
	return r;
}

void dialer_stop(struct server *s)
{
	struct dialer *d = s->dialer;

	if (d == NULL)
		return;
	s->dialer = NULL;
	sd_event_source_disable_unref(d->timer);
	SSL_CTX_free(d->tls);
	free(d);
}
