/* SPDX-License-Identifier: MIT */
#include "messages.h"

#include <errno.h>

#include "agent.h"
#include "changes.h"
#include "lib/msg.h"
#include "log.h"
#include "outlet.h"
#include "reply.h"
#include "server.h"
#include "store/messages.h"

#define EXPIRE_ROWS 200      /* in one turn */
#define EXPIRE_USEC 60000000 /* between looks, and while there is more: */
#define EXPIRE_MORE 100000

int messages_take(struct channel *c, const struct message *m)
{
	static struct client_record client; /* large, and used nowhere beyond this call */
	struct server *s = c->server;
	struct msg msg;

	int r = msg_decode(m->body, m->len, &msg);
	if (r < 0) {
		r = reply_flush_acks(c);
		return r < 0 ? r : reply_nack_body(c, m->sequence, -EBADMSG);
	}
	r = agent_check(c, m->sequence, &client);
	if (r != 0)
		return r < 0 ? r : 0;
	if (c->mail_put_off || turn_enter(s->turn) < 0)
		return reply_put_off(c, m->sequence, OP_MSG);
	r = store_message_add(s->store, c->id, &msg, &s->config.messages);
	if (r < 0)
		return channel_store_failed(c, r);
	c->unacknowledged = m->sequence;
	s->metrics.messages += r == 0;
	s->metrics.repeated += r > 0;
	if (r == 0) {
		outlet_wake(s);
		changes_tell_client(s, CHANGE_MESSAGES, c->id);
	}
	return 0;
}

static int expire(struct server *s, uint32_t *ret_count)
{
	uint64_t now = store_now(s->store), keep = s->config.messages_keep;
	int r = turn_enter(s->turn);

	*ret_count = 0;
	if (r < 0)
		return r;
	r = store_message_expire(s->store, now > keep ? now - keep : 0, EXPIRE_ROWS, ret_count);
	if (r < 0)
		turn_fail(s->turn);
	return r;
}

static int on_expire(sd_event_source *source, uint64_t usec, void *userdata)
{
	uint32_t count;
	int r = expire(userdata, &count);

	(void)usec;
	if (r < 0)
		log_err(r, "old messages can't be taken out now");
	r = sd_event_source_set_time_relative(
		source, count == EXPIRE_ROWS ? EXPIRE_MORE : EXPIRE_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int messages_start(struct server *s)
{
	int r = sd_event_add_time_relative(s->loop, &s->message_timer, CLOCK_MONOTONIC, EXPIRE_USEC,
		EXPIRE_MORE, on_expire, s);

	return r < 0 ? log_err(r, "cannot set a timer") : 0;
}

void messages_stop(struct server *s)
{
	s->message_timer = sd_event_source_disable_unref(s->message_timer);
}
