/* SPDX-License-Identifier: MIT */
#include "deferred.h"

#include <errno.h>
#include <string.h>

#include "channel.h"
#include "server.h"

struct deferred {
	struct work work;        /* first: cast back */
	struct channel *channel; /* NULL: it has ended */
	struct deferred *next;   /* of the channel, in order */
	void (*take)(struct channel *c, const struct message *m);
	struct message message;
	uint8_t bytes[]; /* what it points to, which is the session's only until the next one */
};

void deferred_init(struct deferrals *all)
{
	*all = (struct deferrals){ .last = &all->first };
}

/* ENROL has a token in it. */
static void wipe(struct deferred *d)
{
	explicit_bzero(d->bytes, d->message.signed_len);
	free(d);
}

static void run(struct work *w, int error)
{
	struct deferred *d = (struct deferred *)w;
	struct channel *c = d->channel;

	(void)error;
	if (c != NULL) {
		struct deferrals *all = &c->deferred;

		all->first = d->next;
		if (all->first == NULL)
			all->last = &all->first;
		all->count--;
		stream_enter(c->stream); /* c is there until all of the message is taken */
		d->take(c, &d->message);
		stream_leave(c->stream);
	}
	wipe(d);
}

int deferred_add(struct channel *c, const struct message *m,
	void (*take)(struct channel *c, const struct message *m))
{
	struct deferred *d = calloc(1, sizeof(*d) + m->signed_len + SIGNATURE_SIZE);

	if (d == NULL)
		return -ENOMEM;
	memcpy(d->bytes, m->signed_bytes, m->signed_len);
	memcpy(d->bytes + m->signed_len, m->signature, SIGNATURE_SIZE);
	d->message = *m;
	d->message.signed_bytes = d->bytes;
	d->message.body = d->bytes + (m->body - m->signed_bytes);
	d->message.signature = d->bytes + m->signed_len;
	d->work.run = run;
	d->channel = c;
	d->take = take;
	*c->deferred.last = d;
	c->deferred.last = &d->next;
	c->deferred.count++;
	turn_queue(c->server->turn, &d->work);
	return 0;
}

void deferred_drop(struct deferrals *all)
{
	for (struct deferred *d = all->first; d != NULL; d = d->next)
		d->channel = NULL;
	deferred_init(all);
}
