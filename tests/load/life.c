/* SPDX-License-Identifier: MIT */
/*
 * Modes: enrolled agents that stay connected and say HELLO each heartbeat, as muster-agent does
 * (agent/agent.c): its time-outs, its spread of heartbeats, its back-off. They differ in the first
 * heartbeat: "steady" agents are spread evenly over a period, as those are that have been
 * connected for long; "returning" ones have it early, as they really do.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/body.h"
#include "worker.h"

#define WAIT_US     (30 * SECOND_US) /* for the connection, and for each answer */
#define BACKOFF_MS  1000
#define BACKOFF_CAP 300000

void life_start(struct worker *w)
{
	uint64_t now = now_us(), spread = w->swarm->ramp * SECOND_US;

	for (size_t i = 0; i < w->count; i++) {
		w->agents[i].backoff = (struct backoff){ BACKOFF_MS, BACKOFF_CAP, 0 };
		agent_arm(w, &w->agents[i], now + random_between(0, spread));
	}
}

static int hello(struct agent *a)
{
	struct hello h = { .time = (uint64_t)time(NULL), .uptime = 1000 + a->number };
	uint8_t body[BODY_ANSWER_MAX];

	memcpy(h.boot_id, a->member->pin, sizeof h.boot_id);
	facts_of(a, &h.facts);
	if (a->holding.revision && holdings_put(&h.holdings, &a->holding) < 0)
		return -E2BIG;
	return dial_send(
		&a->dial, OP_HELLO, body, hello_encode(&h, body, sizeof body), &a->awaited);
}

int life_up(struct worker *w, struct agent *a)
{
	agent_arm(w, a, now_us() + WAIT_US);
	return hello(a);
}

void life_due(struct worker *w, struct agent *a)
{
	if (a->dial.state == DIAL_NONE)
		agent_connect(w, a, WAIT_US);
	else if (a->dial.state != DIAL_CHANNEL || a->awaited != 0)
		agent_end(w, a, FAIL_TIMEOUT);
	else if (life_up(w, a) < 0)
		agent_end(w, a, a->dial.failure);
}

static void came_up(struct worker *w, struct agent *a)
{
	struct board *b = w->swarm->board;

	a->up = true;
	b->up++;
	if (a->repeated)
		b->again++;
	a->repeated = false;
	board_well(b, a->number, a->began);
	backoff_reset(&a->backoff); /* as after a heartbeat */
}

/* As a machine without a hook: it holds what is of its hash, and says so. */
static int take_config(struct worker *w, struct agent *a, const struct message *m)
{
	struct board *b = w->swarm->board;
	uint8_t body[BODY_ANSWER_MAX], hash[CONFIG_HASH_SIZE];
	struct ack ack = { .sequence = m->sequence };
	struct config_order o;

	if (config_order_decode(m->body, m->len, &o) < 0 || o.kind != ORDER_SET) {
		a->dial.failure = FAIL_ANSWER;
		return -EPROTO;
	}
	config_hash(o.content, o.len, hash);
	if (memcmp(hash, o.hash, sizeof hash) != 0 || o.revision <= a->holding.revision) {
		a->dial.failure = FAIL_ANSWER;
		return -EPROTO;
	}
	ack.subject = (struct subject){
		.time = (uint64_t)time(NULL), .revision = o.revision, .kind = o.kind
	};
	a->holding = (struct holding){ .revision = o.revision };
	memcpy(a->holding.name, o.name, sizeof o.name);
	memcpy(a->holding.hash, hash, sizeof hash);
	memcpy(ack.subject.name, o.name, sizeof o.name);
	memcpy(ack.subject.hash, hash, sizeof hash);
	int r = dial_send(&a->dial, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
	if (r == 0)
		board_fact(b, &b->taken, 1);
	return r;
}

/* As a machine that runs the release already. */
static int take_update(struct worker *w, struct agent *a, const struct message *m)
{
	struct ack ack = { .sequence = m->sequence };
	struct board *b = w->swarm->board;
	uint8_t body[BODY_ANSWER_MAX];
	struct update_order o;

	if (update_order_decode(m->body, m->len, &o) < 0) {
		a->dial.failure = FAIL_ANSWER;
		return -EPROTO;
	}
	int r = dial_send(&a->dial, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
	if (r == 0)
		board_fact(b, &b->taken, 1);
	return r;
}

int life_take(struct worker *w, struct agent *a, const struct message *m)
{
	bool steady = w->mode != &mode_return, first = !a->up;
	struct ack ack;

	if (m->op == OP_CONFIG)
		return take_config(w, a, m);
	if (m->op == OP_UPDATE)
		return take_update(w, a, m);
	if (m->op != OP_ACK || ack_decode(m->body, m->len, &ack) < 0 || a->awaited == 0 ||
		ack.sequence != a->awaited || ack.heartbeat == 0) {
		a->dial.failure = m->op == OP_NACK ? FAIL_NACK : FAIL_ANSWER;
		return -EPROTO;
	}
	uint64_t period = ack.heartbeat * SECOND_US;
	uint64_t delay = !first   ? random_between(period - period / 10, period + period / 10)
			 : steady ? random_between(0, period)
				  : random_between(period / 5, period);

	a->awaited = 0;
	w->swarm->board->acks++;
	if (first)
		came_up(w, a);
	agent_arm(w, a, now_us() + delay);
	return 0;
}

void life_over(struct worker *w, struct agent *a, enum failure why)
{
	struct board *b = w->swarm->board;
	uint64_t none = 0, now = now_us();

	if (a->up) {
		b->up--;
		b->lost++;
		(void)atomic_compare_exchange_strong(&b->first_loss, &none, now);
	} else {
		board_failed(b, why);
		a->repeated = a->repeated || why != FAIL_REFUSED;
	}
	a->up = false;
	a->awaited = 0;
	agent_arm(w, a, now + backoff_next(&a->backoff) * 1000);
}

const struct mode mode_steady = { true, life_start, life_due, life_up, life_take, life_over };
const struct mode mode_return = { true, life_start, life_due, life_up, life_take, life_over };
