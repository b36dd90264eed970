/* SPDX-License-Identifier: MIT */
/* Mode: every agent enrols once; a certain number of them at a time. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/body.h"
#include "worker.h"

#define LIMIT_US (60 * SECOND_US)

static void next(struct worker *w)
{
	if (w->started < w->count)
		agent_arm(w, &w->agents[w->started++], 0);
}

static void start(struct worker *w)
{
	unsigned parallel = w->swarm->parallel / w->swarm->processes;

	do
		next(w);
	while (parallel-- > 1);
}

static void due(struct worker *w, struct agent *a)
{
	if (a->dial.state == DIAL_NONE)
		agent_connect(w, a, LIMIT_US);
	else
		agent_end(w, a, FAIL_TIMEOUT);
}

static int ask(struct worker *w, struct agent *a)
{
	struct token_query query = { .time = (uint64_t)time(NULL) };
	uint8_t body[BODY_ANSWER_MAX];

	memcpy(query.identity, a->member->public_key, PUBLIC_KEY_SIZE);
	memcpy(query.token, w->swarm->token, TOKEN_SIZE);
	return dial_send(&a->dial, OP_TOKEN, body, token_query_encode(&query, body, sizeof body),
		&a->awaited);
}

static int enrol(struct worker *w, struct agent *a)
{
	struct enrol_request request = { .time = (uint64_t)time(NULL) };
	uint8_t body[BODY_ANSWER_MAX];

	memcpy(request.identity, a->member->public_key, PUBLIC_KEY_SIZE);
	memcpy(request.token, w->swarm->token, TOKEN_SIZE);
	memcpy(request.tls_pin, a->member->pin, PIN_SIZE);
	facts_of(a, &request.facts);
	return dial_send(&a->dial, OP_ENROL, body,
		enrol_request_encode(&request, body, sizeof body), &a->awaited);
}

static int up(struct worker *w, struct agent *a)
{
	return w->swarm->ask ? ask(w, a) : enrol(w, a);
}

static int wrong(struct agent *a, enum failure why)
{
	a->dial.failure = why;
	return -EPROTO;
}

static int take_token(struct worker *w, struct agent *a, const struct message *m)
{
	struct token_answer answer;

	if (token_answer_decode(m->body, m->len, &answer) < 0 || answer.uses_left == 0 ||
		!w->swarm->ask)
		return wrong(a, FAIL_ANSWER);
	return enrol(w, a);
}

static int take_enrolled(struct worker *w, struct agent *a, const struct message *m)
{
	static const uint8_t zeros[CLIENT_ID_SIZE];
	struct enrolled e;

	if (enrolled_decode(m->body, m->len, &e) < 0 || e.heartbeat == 0 ||
		memcmp(e.client_id, zeros, CLIENT_ID_SIZE) == 0 || e.pin_count == 0 ||
		memcmp(e.pins[0], w->swarm->target.pin, PIN_SIZE) != 0)
		return wrong(a, FAIL_ANSWER);
	memcpy(a->member->client_id, e.client_id, CLIENT_ID_SIZE);
	board_well(w->swarm->board, a->number, a->began);
	dial_close(&a->dial);
	a->watched = 0;
	agent_arm(w, a, NEVER);
	w->swarm->board->done++;
	next(w);
	return 0;
}

static int take(struct worker *w, struct agent *a, const struct message *m)
{
	if (m->op == OP_TOKEN)
		return take_token(w, a, m);
	if (m->op == OP_ENROLLED)
		return take_enrolled(w, a, m);
	return wrong(a, m->op == OP_NACK ? FAIL_NACK : FAIL_ANSWER);
}

static void over(struct worker *w, struct agent *a, enum failure why)
{
	agent_arm(w, a, NEVER);
	board_failed(w->swarm->board, why);
	w->swarm->board->done++;
	next(w);
}

const struct mode mode_enrol = { false, start, due, up, take, over };
