/* SPDX-License-Identifier: MIT */
#include "carrier_stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "carrier_internal.h"

int carrier_stream(struct api_call *call, const char *content_type, const char *headers,
	void (*gone)(void *userdata), void *userdata, struct carrier **ret)
{
	struct carrier *c = call->carrier;
	bool chunked = call->request->keep_alive;
	int r;

	if (!c)
		return -ENOTSUP;
	/* By itself the kernel lets megabytes wait for who doesn't read. */
	(void)setsockopt(
		c->visitor.fd, SOL_SOCKET, SO_SNDBUF, &(int){ CARRIER_STREAM_BUFFER }, sizeof(int));
	r = buffer_printf(&c->out,
		"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Type: %s\r\n%s%s"
		"X-Content-Type-Options: nosniff\r\n\r\n",
		chunked ? "keep-alive" : "close", content_type,
		chunked ? "Transfer-Encoding: chunked\r\n" : "", headers ? headers : "");
	if (r < 0)
		return r;
	c->stream = true;
	c->chunked = chunked;
	c->gone = gone;
	c->userdata = userdata;
	*ret = c;
	return 0;
}

static int push(struct carrier *c, const void *data, size_t len)
{
	int r = 0;

	if (c->out.len - c->sent + len > CARRIER_BACKLOG_MAX)
		return -EMSGSIZE;
	buffer_consume(&c->out, c->sent);
	c->sent = 0;
	if (c->chunked)
		r = buffer_printf(&c->out, "%zx\r\n", len);
	if (r == 0)
		r = buffer_append(&c->out, data, len);
	if (r == 0 && c->chunked)
		r = buffer_append(&c->out, "\r\n", 2);
	return r;
}

int carrier_push(struct carrier *c, const void *data, size_t len)
{
	bool idle = c->out.len == 0;
	int r;

	if (c->last || !c->stream)
		return -EPIPE;
	r = len > 0 ? push(c, data, len) : 0; /* a chunk of nothing would end the stream */
	if (r < 0) {
		c->last = true;
		c->door->server->metrics.streams_ended++;
		carrier_abort(c);
		return -EMSGSIZE;
	}
	if (c->state == CARRIER_STREAMING && idle)
		carrier_set_deadline(c, CARRIER_WRITE_SECONDS);
	carrier_watch(c);
	return 0;
}

void carrier_end(struct carrier *c)
{
	static const char end[] = "0\r\n\r\n";
	int r = c->chunked && !c->last ? buffer_append(&c->out, end, sizeof(end) - 1) : 0;

	c->gone = NULL;
	c->stream = false;
	c->last = true;
	if (c->state == CARRIER_STREAMING)
		carrier_change_state(c, CARRIER_WRITING);
	if (r < 0 || c->out.len == 0)
		carrier_abort(c);
	else
		carrier_watch(c);
}
