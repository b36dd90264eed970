/* SPDX-License-Identifier: MIT */
#include "carrier_call.h"

#include <errno.h>

#include "../http_answer.h"
#include "carrier_internal.h"

#define STEP_PAUSE_USEC 500 /* between the steps of a long work: others have their turn */

/* The door's headers into the head of every answer, whoever made it; and nothing is to be kept by
 * a cache that does not say so itself. */
static int add_headers(struct carrier *c)
{
	const char *headers = c->door->headers;
	int r = 0;

	if (headers && !http_answer_has(&c->out, "Cache-Control"))
		r = http_answer_insert(&c->out, "Cache-Control: no-store\r\n");
	return r < 0 ? r : http_answer_insert(&c->out, headers ? headers : "");
}

void carrier_release(struct held *h, bool committed)
{
	struct carrier *c = (struct carrier *)((char *)h - offsetof(struct carrier, held));

	if (!committed) {
		buffer_clear(&c->out);
		c->last = true;
		c->stream = false;
		if (http_answer_problem(&c->out, 503, "store-failed",
			    "the database failed; nothing was changed; see the server's log", false,
			    NULL) < 0 ||
			add_headers(c) < 0)
			carrier_abort(c);
	}
	carrier_change_state(c, c->stream ? CARRIER_STREAMING : CARRIER_WRITING);
	carrier_watch(c);
}

/* "HTTP/1.1 200 ..." */
static void count_answer(struct carrier *c)
{
	unsigned hundreds = c->out.len > 9 ? c->out.data[9] - (unsigned)'0' : 0;

	if (hundreds < METRICS_STATUSES)
		c->door->server->metrics.answers[hundreds]++;
}

/* The answer is in out: it leaves when the turn has committed. */
static int answered(struct carrier *c)
{
	const struct http_request *q = http_parser_request(c->parser);
	int r = add_headers(c);

	if (r < 0)
		return r;
	count_answer(c);
	if (q->method == HTTP_METHOD_HEAD) {
		http_answer_cut_body(&c->out, 0);
		c->last |= c->stream;
		c->stream = false;
	}
	if (!q->keep_alive && !c->stream) /* a stream ends when its owner says so */
		c->last = true;
	api_call_end(&c->call);
	http_parser_next(c->parser);
	turn_hold(c->door->server->turn, &c->held);
	return 0;
}

/* Negative: the connection must end. */
static int call_done(struct carrier *c)
{
	return c->call.error < 0 ? -ECONNABORTED : answered(c);
}

static uint64_t pause_of(const struct carrier *c)
{
	return c->call.pause > 0 ? c->call.pause : STEP_PAUSE_USEC;
}

static int on_work(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct carrier *c = userdata;

	(void)usec;
	if (c->call.step(&c->call)) {
		sd_event_source_set_time(source, carrier_from_now(pause_of(c)));
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	if (call_done(c) < 0)
		carrier_free(c);
	return 0;
}

static int start_work(struct carrier *c)
{
	c->work = sd_event_source_disable_unref(c->work);
	return sd_event_add_time(c->door->server->loop, &c->work, CLOCK_MONOTONIC,
		carrier_from_now(pause_of(c)), 1, on_work, c);
}

void carrier_hasten(struct carrier *c, uint64_t usec)
{
	uint64_t due = 0, sooner = carrier_from_now(usec);

	if (c->work && sd_event_source_get_time(c->work, &due) >= 0 && sooner < due)
		sd_event_source_set_time(c->work, sooner);
}

int carrier_handle(struct carrier *c)
{
	carrier_change_state(c, CARRIER_BUSY);
	c->call = (struct api_call){
		.server = c->door->server,
		.request = http_parser_request(c->parser),
		.carrier = c,
		.actor = c->visitor.actor,
		.out = &c->out,
	};
	c->door->handle(c->door, &c->visitor, &c->call);
	return c->call.step && c->call.error == 0 ? start_work(c) : call_done(c);
}

int carrier_refuse(struct carrier *c, int status)
{
	c->last = true;
	buffer_clear(&c->in);
	if (http_answer_problem(&c->out, status, "bad-request",
		    status == 413 ? "the body is longer than this request's may be"
				  : "this is not an HTTP/1.1 request as muster takes them",
		    false, NULL) < 0)
		return -ENOMEM;
	carrier_change_state(c, CARRIER_WRITING);
	return add_headers(c);
}
