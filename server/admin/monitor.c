/* SPDX-License-Identifier: MIT */
#include "monitor.h"

#include <errno.h>
#include <string.h>

#include "../listener.h"
#include "../log.h"
#include "answer.h"
#include "carrier.h"
#include "read.h"

#define CONNECTIONS_MAX 64
#define METRICS_MAX     (1u << 20)

struct monitor {
	struct door door;
};

/* ---- the routes */

static void answer_line(struct api_call *c, const char *line)
{
	struct buffer text = {};

	if (buffer_printf(&text, "%s\n", line) < 0)
		c->error = -ENOMEM;
	else
		answer_text(c, "text/plain; charset=utf-8", &text);
	buffer_clear(&text);
}

void api_metrics(struct api_call *c)
{
	struct buffer text = { .limit = METRICS_MAX };
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = metrics_write(c->server, &text);
	if (r == -EIO)
		answer_refuse(c, 503, "not-ready", "the database doesn't answer");
	else if (r < 0)
		c->error = r;
	else
		answer_text(c, METRICS_CONTENT_TYPE, &text);
	buffer_clear(&text);
}

/* Whoever gets an answer at all knows. */
void api_health(struct api_call *c)
{
	if (read_query(c, NULL, 0))
		answer_line(c, "ok");
}

/* To ask the store for something small says more than that it is open. */
void api_ready(struct api_call *c)
{
	uint64_t entries;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = store_audit_count(c->server->store, &entries);
	if (r == -ENOTCONN)
		answer_store_error(c, r, "");
	else if (r < 0)
		answer_refuse(c, 503, "not-ready", "the database doesn't answer");
	else if (!listener_is_open(c->server))
		answer_refuse(c, 503, "not-ready", "the client port is not open");
	else
		answer_line(c, "ready");
}

/* ---- the listener */

/* As a viewer, who may see these three. */
static void handle(struct door *d, const struct visitor *v, struct api_call *c)
{
	static const char *const paths[] = { "/metrics", "/healthz", "/readyz" };
	size_t i = 0;

	(void)d, (void)v;
	while (i < COUNT(paths) && strcmp(c->request->path, paths[i]) != 0)
		i++;
	if (i == COUNT(paths)) {
		answer_refuse(
			c, 404, "not-found", "there is nothing at '%.200s'", c->request->path);
		return;
	}
	c->who = (struct caller){ .how = CALLER_NOBODY, .role = ROLE_VIEWER };
	api_handle(c);
}

int monitor_start(struct server *s)
{
	char address[ADDRESS_TEXT_SIZE];
	struct monitor *m;
	int r;

	if (s->config.monitor.len == 0)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return log_err(-ENOMEM, "cannot listen for MetricsListen=");
	m->door = (struct door){ .server = s,
		.limit = CONNECTIONS_MAX,
		.idle = CARRIER_IDLE_SECONDS,
		.grace = CARRIER_GRACE_SECONDS,
		.handle = handle };
	s->monitor = m;
	r = door_listen(&m->door, &s->config.monitor, address);
	if (r == 0) {
		log_info("metrics are at http://%s/metrics", address);
		return 0;
	}
	monitor_stop(s);
	return log_err(r, "cannot listen at the address of MetricsListen=");
}

void monitor_stop(struct server *s)
{
	if (!s->monitor)
		return;
	door_close(&s->monitor->door);
	free(give(s->monitor));
}
