/* SPDX-License-Identifier: MIT */
#include "agent/outbox.h"

#include <errno.h>
#include <string.h>

#include "agent/log.h"

struct flight {
	uint64_t sequence, number, size;
};

struct outbox {
	struct spool *spool;
	outbox_send *send;
	void *userdata;
	struct spool_cursor cursor;
	bool open;
	struct flight ring[OUTBOX_WINDOW];
	size_t first, count;
	uint64_t bytes; /* of those in the ring */
};

int outbox_new(struct spool *spool, outbox_send *send, void *userdata, struct outbox **ret)
{
	struct outbox *o = calloc(1, sizeof *o);

	if (!o)
		return -ENOMEM;
	o->spool = spool;
	o->send = send;
	o->userdata = userdata;
	*ret = o;
	return 0;
}

struct outbox *outbox_free(struct outbox *o)
{
	free(o);
	return NULL;
}

void outbox_close(struct outbox *o)
{
	o->open = false;
	o->first = o->count = 0;
	o->bytes = 0;
	o->cursor = (struct spool_cursor){};
}

void outbox_hold(struct outbox *o)
{
	o->open = false;
}

void outbox_open(struct outbox *o)
{
	outbox_close(o);
	o->open = true;
}

/* Of the spool alone: the connection is good, and for more than messages. */
static int wait_with(struct outbox *o, int error)
{
	if (error == -ENOMEM)
		return error;
	log_seldom(LOG_ERR,
		"cannot read the spool: %s; the messages in it wait until the agent is restarted",
		strerror(-error));
	o->open = false;
	return 0;
}

/* 1: sent; 0: there is none. */
static int send_next(struct outbox *o, struct buffer *text, uint8_t *body)
{
	struct flight *f = &o->ring[(o->first + o->count) % OUTBOX_WINDOW];
	struct msg m;
	ssize_t len;
	int r = spool_next(o->spool, &o->cursor, text, &m, &f->size);

	if (r < 0)
		return wait_with(o, r);
	if (r == 0)
		return 0;
	len = msg_encode(&m, body, MSG_BODY_MAX);
	r = len < 0 ? (int)len : o->send(o->userdata, body, (size_t)len, &f->sequence);
	if (r < 0)
		return r;
	f->number = m.number;
	o->count++;
	o->bytes += f->size;
	return 1;
}

int outbox_pump(struct outbox *o)
{
	struct buffer text = {};
	uint8_t *body;
	int r = 1;

	if (!o->open || spool_count(o->spool) <= o->count)
		return 0;
	body = malloc(MSG_BODY_MAX);
	if (!body)
		return -ENOMEM;
	while (r > 0 && o->count < OUTBOX_WINDOW && o->bytes < OUTBOX_BYTES)
		r = send_next(o, &text, body);
	buffer_clear(&text);
	free(body);
	return r < 0 ? r : 0;
}

static bool under_way(const struct outbox *o, uint64_t sequence)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->ring[(o->first + i) % OUTBOX_WINDOW].sequence == sequence)
			return true;
	return false;
}

/* Takes all up to that sequence number out; the last one's number. */
static uint64_t land(struct outbox *o, uint64_t sequence)
{
	uint64_t number = 0, size = 0;

	while (o->count > 0 && o->ring[o->first].sequence <= sequence) {
		number = o->ring[o->first].number;
		size += o->ring[o->first].size;
		o->first = (o->first + 1) % OUTBOX_WINDOW;
		o->count--;
	}
	o->bytes -= size;
	spool_acked(o->spool, number, size);
	return number;
}

bool outbox_acked(struct outbox *o, uint64_t sequence)
{
	return under_way(o, sequence) && land(o, sequence) > 0;
}

uint64_t outbox_refused(struct outbox *o, uint64_t sequence)
{
	return under_way(o, sequence) ? land(o, sequence) : 0;
}

uint64_t outbox_oldest(const struct outbox *o)
{
	return o->count > 0 ? o->ring[o->first].sequence : 0;
}
