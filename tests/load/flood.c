/* SPDX-License-Identifier: MIT */
/*
 * Mode: enrolled agents of which each has so many messages for the server. As muster-agent does,
 * each has up to a window of them under way and goes on when some are acknowledged.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/body.h"
#include "lib/msg.h"
#include "worker.h"

#define WINDOW  128
#define WAIT_US (60 * SECOND_US)
#define LOOK_US (10 * 1000u)

static int send_one(struct worker *w, struct agent *a)
{
	char text[MSG_TEXT_MAX];
	static uint8_t body[MSG_BODY_MAX];
	struct msg m = { .number = a->sent + 1, .time = (uint64_t)time(NULL), .text = text };
	uint64_t sequence = 0;

	memcpy(m.spool, a->member->pin, sizeof m.spool);
	strcpy(m.type, "load");
	memset(text, '.', w->swarm->size);
	m.len = w->swarm->size;
	int head = snprintf(text, sizeof text, "%zu %u ", a->number, a->sent);
	if (head < (int)m.len)
		text[head] = '.';
	int r = dial_send(&a->dial, OP_MSG, body, msg_encode(&m, body, sizeof body), &sequence);
	if (r == 0 && a->sent++ == 0)
		a->first_message = sequence;
	return r;
}

static int send_some(struct worker *w, struct agent *a)
{
	int r = 0;

	while (r == 0 && a->sent < w->swarm->messages && a->sent - a->stored < WINDOW)
		r = send_one(w, a);
	agent_arm(w, a, now_us() + WAIT_US);
	return r;
}

/* Before the flood: is it time? After that: the server doesn't answer. */
static void due(struct worker *w, struct agent *a)
{
	if (!a->up)
		life_due(w, a);
	else if (a->sent > 0)
		agent_end(w, a, FAIL_TIMEOUT);
	else if (!w->swarm->board->flood)
		agent_arm(w, a, now_us() + LOOK_US);
	else if (send_some(w, a) < 0)
		agent_end(w, a, a->dial.failure);
}

static int take_ack(struct worker *w, struct agent *a, const struct message *m)
{
	struct board *b = w->swarm->board;
	struct ack ack;

	if (m->op != OP_ACK || ack_decode(m->body, m->len, &ack) < 0 ||
		ack.sequence < a->first_message + a->stored ||
		ack.sequence >= a->first_message + a->sent) {
		a->dial.failure = m->op == OP_NACK ? FAIL_NACK : FAIL_ANSWER;
		return -EPROTO;
	}
	unsigned stored = (unsigned)(ack.sequence - a->first_message) + 1;
	board_fact(b, &b->stored, stored - a->stored);
	a->stored = stored;
	if (stored < w->swarm->messages)
		return send_some(w, a);
	b->done++;
	agent_arm(w, a, NEVER);
	return 0;
}

static int take(struct worker *w, struct agent *a, const struct message *m)
{
	if (a->sent > 0)
		return take_ack(w, a, m);
	int r = life_take(w, a, m);
	if (r == 0 && a->up)
		agent_arm(w, a, now_us() + LOOK_US);
	return r;
}

/* Connections must stand: what they lost would have to be sent again. */
static void over(struct worker *w, struct agent *a, enum failure why)
{
	if (a->sent > 0) {
		board_failed(w->swarm->board, why);
		w->swarm->board->done++;
		agent_arm(w, a, NEVER);
	} else {
		life_over(w, a, why);
	}
}

const struct mode mode_flood = { true, life_start, due, life_up, take, over };
