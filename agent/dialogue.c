/* SPDX-License-Identifier: MIT */
#include "agent/dialogue.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/ending.h"
#include "agent/greeting.h"
#include "agent/listen.h"
#include "lib/body.h"
#include "lib/memory.h"

#define HEARTBEAT_LEAST 5    /* seconds */
#define HEARTBEAT_MOST  3600 /* seconds */
#define RETRY_MOST      3600 /* seconds that a server may put us off */

static void seal(struct agent *a, enum op op, const void *body, ssize_t len, uint64_t *ret_sequence)
{
	int r = (int)len;

	if (len >= 0)
		r = session_seal(
			a->session, op, body, (size_t)len, uplink_out(a->uplink), ret_sequence);
	if (r < 0)
		agent_lose(a, WAITING, 0, "cannot send a message: %s", strerror(-r));
}

void dialogue_hello(struct agent *a)
{
	uint8_t body[BODY_ANSWER_MAX];
	struct hello hello;

	greeting_gather(&hello);
	hello.holdings = *orders_holdings(a->orders);
	hello.listens = a->listens;
	agent_arm(a, ANSWER_WAIT, agent_on_silence);
	seal(a, OP_HELLO, body, hello_encode(&hello, body, sizeof body), &a->awaited);
}

static void on_heartbeat(struct agent *a)
{
	dialogue_hello(a);
	agent_watch(a);
}

/* The first heartbeat comes early, at a random time: machines that came back together, after the
 * server's restart say, do not stay together. */
static void arm_heartbeat(struct agent *a, uint32_t seconds, bool first)
{
	uint64_t period;

	if (a->listening) { /* its server ends the connection, or it ends itself */
		(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
		return;
	}
	seconds = seconds < HEARTBEAT_LEAST ? HEARTBEAT_LEAST : seconds;
	seconds = seconds > HEARTBEAT_MOST ? HEARTBEAT_MOST : seconds;
	period = seconds * SECOND;
	if (first)
		agent_arm(a, agent_between(period / 5, period), on_heartbeat);
	else
		agent_arm(
			a, agent_between(period - period / 10, period + period / 10), on_heartbeat);
}

/* A suspension is more to know than a clock that is wrong. */
static void show_connection(struct agent *a, const char *odd)
{
	agent_change_state(a, a->suspended ? SUSPENDED : CONNECTED, a->suspended ? a->reason : odd);
}

/* What of messages was sent has failed: as with any other. */
static void check_sent(struct agent *a, int r)
{
	if (r < 0)
		agent_lose(a, WAITING, 0, "cannot send a message: %s", strerror(-r));
}

int dialogue_send_msg(void *userdata, const void *body, size_t len, uint64_t *ret_sequence)
{
	struct agent *a = userdata;

	return session_seal(a->session, OP_MSG, body, len, uplink_out(a->uplink), ret_sequence);
}

void dialogue_sent(void *userdata, int r)
{
	check_sent(userdata, r);
	agent_watch(userdata);
}

static void on_hello_ack(struct agent *a, const struct ack *ack)
{
	bool first = !a->greeted, begin = first || a->put_off;
	char odd[GREETING_ODD_SIZE];

	a->awaited = 0;
	a->lasted = !first;
	a->greeted = true;
	a->put_off = false;
	a->complaints[a->place].text[0] = '\0';
	a->status.hello = time(NULL);
	listen_greeted(a);
	greeting_check_clock(ack->time, odd);
	if (odd[0] && strcmp(odd, a->status.detail) != 0)
		log_seldom(LOG_WARNING, "%s", odd);
	show_connection(a, odd);
	arm_heartbeat(a, ack->heartbeat, first);
	if (first) {
		log_seldom(LOG_INFO, "connected to %s", agent_server(a));
		memory_give_back(); /* what connecting took */
	} else {
		memory_rest();
	}
	if (begin && !a->suspended)
		check_sent(a, mail_begin(a->mail));
}

static void on_ack(struct agent *a, const struct message *m)
{
	struct ack ack;
	int r = ack_decode(m->body, m->len, &ack);

	if (r == 0 && a->awaited != 0 && ack.sequence == a->awaited &&
		!mail_overdue(a->mail, ack.sequence)) {
		on_hello_ack(a, &ack);
		return;
	}
	r = r < 0 ? 0 : mail_acked(a->mail, ack.sequence);
	if (r == 0)
		agent_lose(a, WAITING, 0,
			"%s acknowledged what was not said, or in an unknown form",
			agent_server(a));
	else
		check_sent(a, r);
}

/* For ever, by the server's signed word: there is nothing left to do but to say why. */
static void end_revoked(struct agent *a, const char *why)
{
	char text[sizeof a->status.detail];
	int r;

	status_copy_printable(why, text, sizeof text);
	agent_disconnect(a);
	r = ending_make(a->paths->state, text);
	if (r < 0)
		(void)log_err(r, "cannot wipe the keys in '%s'", a->paths->state);
	log_say(LOG_ERR,
		"%s has revoked this machine%s%s; its keys are wiped; to enrol it anew, run "
		"muster-enrol --uninstall and then the installer",
		agent_server(a), *text ? ": " : "", text);
	listen_shut(a->paths);
	a->status.next = 0;
	agent_change_state(a, REVOKED, text);
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	(void)sd_event_exit(a->event, AGENT_EXIT_REVOKED);
}

static void on_state(struct agent *a, const struct message *m)
{
	struct state_notice notice;

	if (state_notice_decode(m->body, m->len, &notice) < 0 || notice.state == MACHINE_PENDING) {
		agent_lose(a, WAITING, 0, "%s told a state in an unknown form", agent_server(a));
		return;
	}
	if (notice.state == MACHINE_REVOKED) {
		end_revoked(a, notice.text);
		return;
	}
	a->suspended = notice.state == MACHINE_SUSPENDED;
	status_copy_printable(notice.text, a->reason, sizeof a->reason);
	log_seldom(LOG_NOTICE, "%s has %s this machine%s%s", agent_server(a),
		a->suspended ? "suspended" : "resumed", *a->reason ? ": " : "", a->reason);
	if (a->suspended)
		mail_hold(a->mail);
	if (!a->greeted)
		return;
	show_connection(a, "");
	if (!a->suspended)
		check_sent(a, mail_begin(a->mail));
}

/* It can't write down what this machine says, but the connection is good: to leave it would only mean to
 * come back together with all the others. */
static void put_off(struct agent *a, uint32_t seconds, const char *why)
{
	char text[sizeof a->status.detail];

	status_copy_printable(why, text, sizeof text);
	if (!a->put_off)
		log_seldom(LOG_WARNING, "%s", text[0] ? text : "the server has put off a report");
	a->awaited = 0;
	a->put_off = true;
	mail_hold(a->mail);
	show_connection(a, text);
	agent_arm(a, agent_between(seconds * SECOND / 2, seconds * SECOND * 3 / 2), on_heartbeat);
}

static void on_nack(struct agent *a, const struct message *m)
{
	const char *server = agent_server(a), *colon;
	struct nack nack;
	int r = nack_decode(m->body, m->len, &nack);

	if (r < 0) {
		agent_lose(a, WAITING, 0, "%s sent a refusal in an unknown form", server);
		return;
	}
	colon = nack.text[0] ? ": " : "";
	if (nack.code == NACK_INTERNAL || nack.code == NACK_BUSY) {
		uint32_t retry = nack.retry < RETRY_MOST ? nack.retry : RETRY_MOST;

		if (nack.code == NACK_INTERNAL && a->greeted && retry > 0 && a->awaited != 0 &&
			nack.sequence == a->awaited) {
			put_off(a, retry, nack.text);
			return;
		}
		agent_lose(a, WAITING, retry * SECOND, "%s cannot serve this machine now: %s%s%s",
			server, nack_name(nack.code), colon, nack.text);
		return;
	}
	if (nack.code == NACK_REVOKED && a->awaited != 0 && nack.sequence == a->awaited) {
		end_revoked(a, nack.text);
		return;
	}
	/* What is under way comes again when it is resumed. */
	if (nack.code == NACK_SUSPENDED && a->suspended && nack.sequence != a->awaited) {
		mail_end(a->mail);
		return;
	}
	if (nack.code == NACK_MALFORMED || nack.code == NACK_UNSUPPORTED) {
		r = mail_refused(a->mail, nack.sequence, nack.text);
		check_sent(a, r);
		if (r != 0)
			return;
	}
	agent_lose(a, REFUSED, 0, "%s refuses this machine: %s%s%s", server, nack_name(nack.code),
		colon, nack.text);
}

static void refuse(struct agent *a, uint64_t sequence, enum nack_code code, const char *text)
{
	struct nack nack = { .sequence = sequence, .code = (uint16_t)code };
	uint8_t body[1024];

	(void)snprintf(nack.text, sizeof nack.text, "%s", text);
	seal(a, OP_NACK, body, nack_encode(&nack, body, sizeof body), NULL);
}

/* What a later server may send; it learns that this agent doesn't know it. */
static void on_unknown(struct agent *a, const struct message *m)
{
	refuse(a, m->sequence, NACK_UNSUPPORTED, "");
}

static void on_config(struct agent *a, const struct message *m)
{
	orders_take(a->orders, m, identity_public(a->setup->identity), session_binding(a->session));
}

/* To an order; the connection that it came on is still there. */
static void answer(struct agent *a, uint64_t sequence, uint16_t code, const char *text,
	const struct subject *subject)
{
	struct nack nack = { .sequence = sequence, .code = code, .subject = *subject };
	struct ack ack = { .sequence = sequence, .subject = *subject };
	uint8_t body[1024];

	listen_exchange(a);
	(void)snprintf(nack.text, sizeof nack.text, "%s", text);
	if (code)
		seal(a, OP_NACK, body, nack_encode(&nack, body, sizeof body), NULL);
	else
		seal(a, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
	agent_watch(a);
}

void dialogue_verdict(void *userdata, uint64_t sequence, const struct verdict *v)
{
	answer(userdata, sequence, v->code, v->text, &v->subject);
}

void dialogue_updated(void *userdata, uint64_t sequence, uint16_t code, const char *text)
{
	const struct subject none = {};

	answer(userdata, sequence, code, text, &none);
}

static void refuse_unread(struct agent *a, const struct message *m, int error)
{
	refuse(a, m->sequence, error == -EPROTONOSUPPORT ? NACK_UNSUPPORTED : NACK_MALFORMED,
		"the order can't be read");
}

static void on_reset(struct agent *a, const struct message *m)
{
	struct ack ack = { .sequence = m->sequence };
	struct reset_order order;
	uint8_t body[64];
	int r = reset_order_decode(m->body, m->len, &order);

	if (r < 0)
		refuse_unread(a, m, r);
	else if (reset_take(a->reset, order.number, m->sequence))
		seal(a, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
}

static void on_update(struct agent *a, const struct message *m)
{
	const struct config *c = &a->setup->config;
	struct update_order order;
	uint8_t giver[GIVER_SIZE];
	int r = update_order_decode(m->body, m->len, &order);

	if (r < 0) {
		refuse_unread(a, m, r);
		return;
	}
	if (!c->updates) {
		refuse(a, m->sequence, NACK_NO_UPDATES,
			"Updates=no in this machine's configuration");
		return;
	}
	newest_giver(c->server_key, c->client_id, giver);
	update_take(a->update, &order, m, giver, identity_public(a->setup->identity),
		session_binding(a->session));
}

bool dialogue_busy(void *userdata)
{
	const struct agent *a = userdata;

	return orders_busy(a->orders) || update_waits(a->update);
}

void dialogue_reset_failed(void *userdata, uint64_t sequence, int error)
{
	refuse(userdata, sequence, NACK_STORAGE, strerror(-error));
	agent_watch(userdata);
}

void dialogue_restart(void *userdata)
{
	struct agent *a = userdata;

	log_say(LOG_NOTICE, "restarting, as %s has asked", agent_server(a));
	agent_disconnect(a);
	agent_change_state(a, STARTING, "restarting, as the server has asked");
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	(void)sd_event_exit(a->event, AGENT_EXIT_RESTART);
}

typedef void handler(struct agent *a, const struct message *m);

static handler *const handlers[] = {
	[OP_CONFIG] = on_config,
	[OP_RESET] = on_reset,
	[OP_UPDATE] = on_update,
	[OP_STATE] = on_state,
	[OP_ACK] = on_ack,
	[OP_NACK] = on_nack,
};

void dialogue_take(struct agent *a, const struct message *m)
{
	handler *h = m->op < COUNT(handlers) ? handlers[m->op] : NULL;

	listen_exchange(a);
	(h ? h : on_unknown)(a, m);
}
