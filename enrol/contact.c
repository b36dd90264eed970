/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "enrol/contact.h"

bool contact_is_open(const struct contact *c)
{
	return c->session != NULL;
}

void contact_close(struct contact *c)
{
	c->session = session_free(c->session);
	c->uplink = uplink_free(c->uplink);
	c->asked = 0;
}

static int failed(struct contact *c, int r)
{
	c->error.r = r;
	return r;
}

int contact_open(struct contact *c, const struct uplink_options *o, const struct identity *identity,
	const uint8_t server_key[static PUBLIC_KEY_SIZE], const uint8_t *id)
{
	struct session_setup setup = {
		.self = FROM_CLIENT, .identity = identity, .peer = server_key
	};
	int r;

	contact_close(c);
	c->error = (struct contact_error){};
	r = uplink_open(o, &c->uplink, &c->error.uplink);
	if (r < 0)
		return failed(c, r);
	memcpy(setup.binding, uplink_binding(c->uplink), sizeof setup.binding);
	if (id)
		memcpy(setup.client_id, id, sizeof setup.client_id);
	r = session_new(&setup, &c->session);
	if (r < 0) {
		contact_close(c);
		return failed(c, r);
	}
	return 0;
}

/* A NACK's own meaning comes before the question's. */
static int take_nack(struct contact *c, const struct message *m)
{
	if (nack_decode(m->body, m->len, &c->error.nack) < 0)
		return failed(c, -EBADMSG);
	if (c->error.nack.sequence != c->asked)
		return failed(c, -EPROTO);
	return failed(c, -EREMOTEIO);
}

/* 0: *ret is the answer, whatever it is. */
static int say(struct contact *c, enum op op, const void *body, size_t len, unsigned seconds,
	struct message *ret)
{
	int r;

	c->error = (struct contact_error){};
	c->asked++;
	r = uplink_send(c->uplink, c->session, op, body, len, seconds, &c->error.uplink);
	return r < 0 ? r : uplink_receive(c->uplink, c->session, ret, seconds, &c->error.uplink);
}

/* 0: *ret is the answer of the op code that was expected. Whatever else happened, the connection is
 * of no more use, but after a NACK. */
static int ask(struct contact *c, enum op op, const void *body, size_t len, enum op expected,
	unsigned seconds, struct message *ret)
{
	int r = say(c, op, body, len, seconds, ret);

	if (r == 0 && ret->op == OP_NACK)
		r = take_nack(c, ret);
	else if (r == 0 && ret->op != expected)
		r = -EPROTO;
	return r < 0 ? failed(c, r) : 0;
}

int contact_token(
	struct contact *c, const struct token_query *q, unsigned seconds, struct token_answer *ret)
{
	uint8_t body[BODY_ANSWER_MAX];
	ssize_t len = token_query_encode(q, body, sizeof body);
	struct message m;
	int r;

	if (len < 0)
		return failed(c, (int)len);
	r = ask(c, OP_TOKEN, body, (size_t)len, OP_TOKEN, seconds, &m);
	explicit_bzero(body, sizeof body);
	if (r == 0)
		r = token_answer_decode(m.body, m.len, ret);
	return r < 0 ? failed(c, r) : 0;
}

/* STATE instead of ENROLLED: not yet, or never. */
static int take_state(struct contact *c, const struct message *m)
{
	struct state_notice notice;
	int r = state_notice_decode(m->body, m->len, &notice);

	if (r < 0)
		return failed(c, r);
	c->error.nack = (struct nack){ .code = NACK_REVOKED };
	memcpy(c->error.nack.text, notice.text, sizeof c->error.nack.text);
	if (notice.state == MACHINE_PENDING)
		return failed(c, -EINPROGRESS);
	return failed(c, notice.state == MACHINE_REVOKED ? -EREMOTEIO : -EPROTO);
}

static int take_enrolled(struct contact *c, const struct message *m, struct enrolled *ret)
{
	int r;

	if (m->op == OP_NACK)
		return take_nack(c, m);
	if (m->op == OP_STATE)
		return take_state(c, m);
	r = m->op == OP_ENROLLED ? enrolled_decode(m->body, m->len, ret) : -EPROTO;
	if (r < 0)
		return failed(c, r);
	session_enrolled(c->session, ret->client_id);
	return 0;
}

int contact_enrol(
	struct contact *c, const struct enrol_request *e, unsigned seconds, struct enrolled *ret)
{
	uint8_t body[BODY_ANSWER_MAX];
	ssize_t len = enrol_request_encode(e, body, sizeof body);
	struct message m;
	int r;

	if (len < 0)
		return failed(c, (int)len);
	r = say(c, OP_ENROL, body, (size_t)len, seconds, &m);
	explicit_bzero(body, sizeof body);
	return r < 0 ? failed(c, r) : take_enrolled(c, &m, ret);
}

int contact_await(struct contact *c, unsigned seconds, struct enrolled *ret)
{
	struct message m;
	int r;

	c->error = (struct contact_error){};
	r = uplink_receive(c->uplink, c->session, &m, seconds, &c->error.uplink);
	return r < 0 ? failed(c, r) : take_enrolled(c, &m, ret);
}

int contact_leave(struct contact *c, unsigned seconds)
{
	struct message m;
	struct ack ack;
	int r = ask(c, OP_LEAVE, NULL, 0, OP_ACK, seconds, &m);

	if (r == 0)
		r = ack_decode(m.body, m.len, &ack);
	if (r == 0 && ack.sequence != c->asked)
		r = -EPROTO;
	return r < 0 ? failed(c, r) : 0;
}

/* ---- what it means */

static const char *advice_of(const struct nack *n)
{
	switch ((enum nack_code)n->code) {
	case NACK_TOKEN_UNKNOWN:
		return ": compare its digits with those that were shown when it was made";
	case NACK_TOKEN_EXPIRED:
	case NACK_TOKEN_USED_UP:
	case NACK_TOKEN_REVOKED:
		return ": ask the administrator for a new one";
	case NACK_INTERNAL:
	case NACK_BUSY:
		return ": try again later";
	case NACK_UNSUPPORTED:
		return ": get the installer script of this server's version";
	case NACK_MALFORMED:
	case NACK_KEY_KNOWN:
	case NACK_NOT_ENROLLED:
	case NACK_REVOKED:
	case NACK_SUSPENDED:
	case NACK_HASH: /* this and those below are a machine's to say */
	case NACK_OLDER:
	case NACK_FULL:
	case NACK_STORAGE:
	case NACK_CHECK:
	case NACK_APPLY:
	case NACK_RESTORE:
	case NACK_HOOK:
	case NACK_OLDER_ORDER:
	case NACK_UPDATE:
	case NACK_PUT_BACK:
	case NACK_HALF_DONE:
	case NACK_NO_UPDATES:
		break;
	}
	return "";
}

static int exit_of_nack(const struct nack *n)
{
	switch ((enum nack_code)n->code) {
	case NACK_TOKEN_UNKNOWN:
	case NACK_TOKEN_EXPIRED:
	case NACK_TOKEN_USED_UP:
	case NACK_TOKEN_REVOKED:
	case NACK_KEY_KNOWN:
		return EXIT_TOKEN;
	case NACK_INTERNAL:
	case NACK_BUSY:
		return EXIT_LATER;
	case NACK_REVOKED:
	case NACK_SUSPENDED:
		return EXIT_REFUSED;
	case NACK_MALFORMED:
	case NACK_UNSUPPORTED:
	case NACK_NOT_ENROLLED:
	case NACK_HASH: /* this and those below are a machine's to say */
	case NACK_OLDER:
	case NACK_FULL:
	case NACK_STORAGE:
	case NACK_CHECK:
	case NACK_APPLY:
	case NACK_RESTORE:
	case NACK_HOOK:
	case NACK_OLDER_ORDER:
	case NACK_UPDATE:
	case NACK_PUT_BACK:
	case NACK_HALF_DONE:
	case NACK_NO_UPDATES:
		break;
	}
	return EXIT_NOT_AUTHENTIC;
}

/* The server's own words, if it has any, say more than the code. */
static int explain_nack(const struct nack *n, const char *server, char *ret, size_t size)
{
	char wait[REPORT_AMOUNT_SIZE], more[64] = "";

	if (n->retry > 0)
		snprintf(more, sizeof more, " (in %s)", report_duration(n->retry, wait));
	if (*n->text)
		snprintf(ret, size, "%s refuses: %s", server, n->text);
	else
		snprintf(ret, size, "%s refuses: %s%s%s", server, nack_name(n->code), advice_of(n),
			more);
	return exit_of_nack(n);
}

/* Too many requests, service unavailable: RFC 6585, RFC 9110. */
static bool is_for_now(const struct uplink_error *e)
{
	return e->failure == UPLINK_HTTP && (e->status == 429 || e->status == 503);
}

static int exit_of_uplink(const struct uplink_error *e, int signal)
{
	switch (e->failure) {
	case UPLINK_NO_NAME:
	case UPLINK_UNREACHABLE:
	case UPLINK_PROXY:
	case UPLINK_TLS:
	case UPLINK_LOST:
		return EXIT_UNREACHABLE;
	case UPLINK_PIN:
		return EXIT_PIN;
	case UPLINK_HTTP:
		return is_for_now(e) ? EXIT_LATER : EXIT_NOT_AUTHENTIC;
	case UPLINK_CANCELED:
		return EXIT_SIGNAL + signal;
	case UPLINK_LOCAL:
		break;
	}
	return EXIT_INTERNAL;
}

/* Errors of session_open() and of the bodies' decoders. */
static const char *why_not_understood(int r)
{
	switch (-r) {
	case EBADMSG:
		return "it does not open, or is malformed";
	case EKEYREJECTED:
		return "its signature is not by the server's key";
	case EILSEQ:
		return "it is out of sequence, or meant for another machine";
	case EPROTO:
		return "it is none to what was asked";
	case EMSGSIZE:
		return "it is too long";
	case EPROTONOSUPPORT:
		return "it is of another version of the protocol";
	default:
		return strerror(-r);
	}
}

int contact_explain(
	const struct contact_error *e, const char *server, int signal, char *ret, size_t size)
{
	if (e->r == -EREMOTEIO)
		return explain_nack(&e->nack, server, ret, size);
	if (e->uplink.failure == 0) {
		snprintf(ret, size, "the answer of %s is not understood (%s)", server,
			why_not_understood(e->r));
		return e->r == -ENOMEM ? EXIT_INTERNAL : EXIT_NOT_AUTHENTIC;
	}
	snprintf(ret, size, "%s", e->uplink.text);
	return exit_of_uplink(&e->uplink, signal);
}

bool contact_is_away(const struct uplink_error *e)
{
	switch (e->failure) {
	case UPLINK_NO_NAME:
	case UPLINK_UNREACHABLE:
	case UPLINK_PROXY:
	case UPLINK_TLS:
	case UPLINK_PIN:
	case UPLINK_LOST:
		return true;
	case UPLINK_HTTP:
	case UPLINK_CANCELED:
	case UPLINK_LOCAL:
		break;
	}
	return false;
}

bool contact_may_retry(const struct contact_error *e)
{
	if (e->r == -EREMOTEIO)
		return false;
	return e->uplink.failure == UPLINK_LOST || e->uplink.failure == UPLINK_UNREACHABLE ||
	       e->uplink.failure == UPLINK_TLS || is_for_now(&e->uplink);
}

bool contact_is_unknown(const struct contact_error *e)
{
	return e->uplink.failure == UPLINK_HTTP && e->uplink.status == 403 &&
	       strcmp(e->uplink.code, "not-enrolled") == 0;
}
