/* SPDX-License-Identifier: MIT */
#include "enrol.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "agent.h"
#include "changes.h"
#include "channels.h"
#include "guesses.h"
#include "log.h"
#include "reply.h"
#include "server.h"

#define BUSY_SECONDS 10

static uint64_t now_ms(const struct server *s)
{
	uint64_t now = 0;

	sd_event_now(s->loop, CLOCK_MONOTONIC, &now);
	return now / 1000;
}

static void time_text(uint64_t when, char ret[static 32])
{
	time_t t = (time_t)when;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, 32, "%Y-%m-%d %H:%M UTC", &tm);
}

/* ---- wrong tokens */

/* One row of log and audit for each network, never one for a guess. */
static int tell_row(struct server *s, const char *who, uint32_t wrong)
{
	char detail[64], message[160], actor[ACTOR_SIZE];

	snprintf(detail, sizeof(detail), "%u wrong token%s in the last minute", wrong,
		wrong == 1 ? "" : "s");
	snprintf(message, sizeof(message), "%s: %s", who, detail);
	log_fields(LOG_WARNING, message, "MUSTER_ADDRESS", who, NULL);
	snprintf(actor, sizeof(actor), "address:%s", who);
	return store_audit(s->store, actor, "token.guess", "", detail);
}

void enrol_tell(struct server *s)
{
	struct guesses_row rows[GUESSES_TOLD];
	char who[ADDRESS_SIZE];
	uint32_t others, others_wrong;
	size_t n = guesses_summary(s->guesses, rows, &others, &others_wrong);

	if (n == 0)
		return;
	int r = turn_enter(s->turn);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		source_text(&rows[i].network, who);
		r = tell_row(s, who, rows[i].wrong);
	}
	if (r >= 0 && others_wrong > 0) {
		snprintf(who, sizeof(who), "%u others", others);
		r = tell_row(s, who, others_wrong);
	}
	if (r < 0) {
		turn_fail(s->turn);
		log_err(r, "cannot put the summary of wrong tokens into the audit");
	}
}

static int on_tell(sd_event_source *source, uint64_t at, void *userdata)
{
	(void)source;
	(void)at;
	enrol_tell(userdata);
	return 0;
}

int enrol_start(struct server *s)
{
	int r = sd_event_add_time(
		s->loop, &s->guess_timer, CLOCK_MONOTONIC, 0, 1000000, on_tell, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->guess_timer, SD_EVENT_OFF);
	return r < 0 ? log_err(r, "cannot make a timer") : 0;
}

static void wrong_token(struct channel *c)
{
	struct server *s = c->server;
	int enabled = SD_EVENT_OFF;

	guesses_wrong(s->guesses, stream_source(c->stream), now_ms(s));
	if (sd_event_source_get_enabled(s->guess_timer, &enabled) >= 0 && enabled != SD_EVENT_OFF)
		return;
	uint64_t at = (now_ms(s) + GUESSES_SUMMARY_MS) * 1000;
	if (sd_event_source_set_time(s->guess_timer, at) < 0 ||
		sd_event_source_set_enabled(s->guess_timer, SD_EVENT_ONESHOT) < 0)
		log_at(LOG_ERR, "cannot set the timer of the summary of wrong tokens");
}

/* 0: go on; 1: it was told to wait; or an error. */
static int too_many_guesses(struct channel *c, uint64_t sequence)
{
	uint32_t seconds =
		guesses_wait(c->server->guesses, stream_source(c->stream), now_ms(c->server));

	if (seconds == 0)
		return 0;
	int r = reply_nack(c, sequence, NACK_BUSY, seconds,
		"too many wrong tokens came from this address: try again in %u second%s", seconds,
		seconds == 1 ? "" : "s");
	return r < 0 ? r : 1;
}

/* ---- refusals */

/* What the store says of a token that exists but isn't taken. */
static int refuse_known(
	struct channel *c, uint64_t sequence, enum nack_code code, const struct token_record *t)
{
	char when[32];

	switch (code) {
	case NACK_TOKEN_EXPIRED:
		time_text(t->expires, when);
		return reply_nack(c, sequence, code, 0,
			"this token expired at %s by the server's clock: ask the administrator for "
			"a new one",
			when);
	case NACK_TOKEN_REVOKED:
		time_text(t->revoked, when);
		return reply_nack(c, sequence, code, 0,
			"this token was revoked at %s: ask the administrator for a new one", when);
	case NACK_TOKEN_USED_UP:
		return reply_nack(c, sequence, code, 0,
			"this token is used up (%u of %u uses): ask the administrator for a new "
			"one",
			t->used, t->uses);
	default:
		return reply_nack(c, sequence, code, 0, "this token is not taken: %s",
			nack_name((uint16_t)code));
	}
}

static int refuse(struct channel *c, uint64_t sequence, enum nack_code code,
	const uint8_t token[static TOKEN_SIZE])
{
	struct token_record t;

	switch (code) {
	case NACK_TOKEN_UNKNOWN:
		wrong_token(c);
		return reply_nack(c, sequence, code, 0,
			"this server knows no such token: check its 16 digits, or ask the "
			"administrator for a new one");
	case NACK_REVOKED:
		return reply_nack(c, sequence, code, 0,
			"this machine's key was revoked, for ever: enrol it with a new one "
			"(muster-enrol --uninstall first)");
	case NACK_KEY_KNOWN:
		return reply_nack(c, sequence, code, 0,
			"this machine's key is enrolled already: remove it there first "
			"(muster-enrol "
			"--uninstall)");
	case NACK_TOKEN_EXPIRED:
	case NACK_TOKEN_REVOKED:
	case NACK_TOKEN_USED_UP:
		if (store_token_find(c->server->store, token, &t) == 0)
			return refuse_known(c, sequence, code, &t);
		break;
	default:
		break;
	}
	return reply_nack(c, sequence, code, 0, "refused: %s", nack_name((uint16_t)code));
}

static int refuse_for_now(struct channel *c, uint64_t sequence)
{
	return reply_nack(c, sequence, NACK_INTERNAL, BUSY_SECONDS,
		"the server can't use its database now: try again later");
}

/* ---- TOKEN */

static int answer_token(struct channel *c, const struct token_record *t)
{
	struct token_answer answer = { .time = store_now(c->server->store),
		.expires = t->expires,
		.uses_left = t->uses == UNLIMITED_USES ? UNLIMITED_USES
			     : t->uses > t->used       ? t->uses - t->used
						       : 0,
		.labels = t->labels };
	uint8_t body[BODY_ANSWER_MAX];

	ssize_t len = token_answer_encode(&answer, body, sizeof(body));
	return len < 0 ? (int)len : channel_send(c, OP_TOKEN, body, (size_t)len, NULL);
}

int enrol_token(struct channel *c, const struct message *m)
{
	struct token_query query;
	struct token_record token;

	stream_deadline(c->stream, DEADLINE_IDLE, config_idle_timeout(&c->server->config));
	int r = token_query_decode(m->body, m->len, &query);
	if (r < 0)
		return reply_nack_body(c, m->sequence, r);
	r = too_many_guesses(c, m->sequence);
	if (r == 0) {
		r = store_token_query(c->server->store, &query, &token);
		if (r < 0)
			r = channel_store_failed(c, r);
		else if (r > 0)
			r = refuse(c, m->sequence, (enum nack_code)r, query.token);
		else
			r = answer_token(c, &token);
	}
	sodium_memzero(query.token, sizeof(query.token));
	return r < 0 ? r : 0;
}

/* ---- ENROL */

static int answer_enrolled(struct channel *c, const struct client_record *client)
{
	const struct server *s = c->server;
	struct enrolled answer = { .time = store_now(s->store),
		.heartbeat = s->config.heartbeat,
		.pin_count = 1,
		.labels = client->labels };
	uint8_t body[BODY_ANSWER_MAX];

	memcpy(answer.client_id, client->id, CLIENT_ID_SIZE);
	memcpy(answer.pins[0], s->keys.tls.pin, PIN_SIZE);
	ssize_t len = enrolled_encode(&answer, body, sizeof(body));
	int r = len < 0 ? (int)len : channel_send(c, OP_ENROLLED, body, (size_t)len, NULL);
	if (r < 0)
		return r;
	session_enrolled(c->session, client->id);
	channels_enter(c, client->id);
	c->standing = STANDING_NEW;
	return 0;
}

static void log_enrolled(const struct client_record *client, const char *address, const char *what)
{
	char id[CLIENT_ID_TEXT_SIZE], message[256];

	sodium_bin2hex(id, sizeof(id), client->id, CLIENT_ID_SIZE);
	snprintf(message, sizeof(message), "%s %s as %s by token %s from %s", what,
		client->facts.hostname, id, client->token, address);
	log_fields(LOG_INFO, message, "MUSTER_CLIENT", id, "MUSTER_TOKEN", client->token,
		"MUSTER_ADDRESS", address, NULL);
}

/* It asks again and again, which is worth a line of log once. */
static int answer_pending(
	struct channel *c, const struct client_record *client, const char *address)
{
	char id[CLIENT_ID_TEXT_SIZE], text[160];

	if (c->standing != STANDING_PENDING)
		log_enrolled(client, address, "holds until it is approved");
	channels_enter(c, client->id);
	c->standing = STANDING_PENDING;
	sodium_bin2hex(id, sizeof(id), client->id, CLIENT_ID_SIZE);
	snprintf(text, sizeof(text),
		"an administrator has to approve this machine first, as client %s", id);
	return channel_state(c, CLIENT_PENDING, text);
}

int enrol_approved(struct channel *c, const struct client_record *client)
{
	return answer_enrolled(c, client);
}

static int enrol(struct channel *c, uint64_t sequence, const struct enrol_request *request)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct metrics *metrics = &c->server->metrics;
	char address[ADDRESS_SIZE];

	int r = turn_enter(c->server->turn);
	if (r < 0)
		return refuse_for_now(c, sequence);
	source_text(stream_source(c->stream), address);
	r = store_client_enrol(c->server->store, request, address, &client);
	if (r < 0)
		return channel_store_failed(c, r);
	if (r > 0) {
		metrics->enrolments[ENROLMENT_REFUSED]++;
		return refuse(c, sequence, (enum nack_code)r, request->token);
	}
	r = agent_succeed(c->server, &client);
	if (r < 0)
		return channel_store_failed(c, r);
	changes_tell_client(c->server, CHANGE_CLIENTS, client.id);
	changes_tell(c->server, CHANGE_TOKENS, client.token);
	if (client.state == CLIENT_PENDING) {
		metrics->enrolments[ENROLMENT_PENDING] += c->standing != STANDING_PENDING;
		return answer_pending(c, &client, address);
	}
	metrics->enrolments[ENROLMENT_GRANTED]++;
	r = answer_enrolled(c, &client);
	if (r >= 0)
		log_enrolled(&client, address, "enrolled");
	return r;
}

int enrol_machine(struct channel *c, const struct message *m)
{
	struct enrol_request request;

	stream_deadline(c->stream, DEADLINE_IDLE, config_idle_timeout(&c->server->config));
	int r = enrol_request_decode(m->body, m->len, &request);
	if (r < 0)
		return reply_nack_body(c, m->sequence, r);
	r = too_many_guesses(c, m->sequence);
	if (r == 0)
		r = enrol(c, m->sequence, &request);
	sodium_memzero(request.token, sizeof(request.token));
	return r < 0 ? r : 0;
}
