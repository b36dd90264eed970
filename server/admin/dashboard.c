/* SPDX-License-Identifier: MIT */
#include "dashboard.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "../log.h"
#include "access.h"
#include "answer.h"
#include "carrier.h"
#include "hosts.h"
#include "pages.h"

#define CONNECTIONS_MAX 512
#define PER_NETWORK_MAX 64 /* of these, but for listed proxies: one party can't have them all */

struct dashboard {
	struct door door;
	struct crowd *crowd;
	char address[DASHBOARD_TEXT];
};

static const char security_headers[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
	"img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
	"frame-ancestors 'none'\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n";

/* ---- one request */

/* What a proxy, or a file system, could take for another path than it is. None of ours has it. */
static bool is_plain(const char *path)
{
	if (strpbrk(path, "%;\\") || strstr(path, "//"))
		return false;
	for (const char *part = path; part; part = strchr(part + 1, '/'))
		if (part[1] == '.')
			return false;
	return true;
}

/* In any case of its letters: /API is no page, it is nothing. */
static bool is_api(const char *path)
{
	static const char *const roots[] = { "/api", "/metrics", "/healthz", "/readyz" };

	for (size_t i = 0; i < COUNT(roots); i++) {
		size_t len = strlen(roots[i]);

		if (strncasecmp(path, roots[i], len) == 0 && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

static void refuse_host(struct api_call *c, const char *host)
{
	answer_refuse(c, 403, "bad-host",
		"this server is not known by the name '%.200s' (Host= in muster-server.conf)",
		host ? host : "");
}

static void answer_api(struct api_call *c, const struct approach *a)
{
	c->source = a->source;
	c->https = a->https;
	if (access_find(c->server, c->request, a, &c->who) < 0)
		answer_store_error(c, -EIO, "");
	else if (access_guard(c, a))
		api_handle(c);
}

void dashboard_answer(struct api_call *c, const struct visitor *v, const struct source *local)
{
	const struct http_request *q = c->request;
	const struct config *config = &c->server->config;
	struct approach a;

	proxy_judge(config, &v->source, q, &a);
	if (!host_accepted(config, local, q->host))
		refuse_host(c, q->host);
	else if (!host_accepted(config, local, a.host))
		refuse_host(c, a.host);
	else if (!is_plain(q->path))
		answer_refuse(c, 404, "not-found", "there is nothing at '%.200s'", q->path);
	else if (is_api(q->path))
		answer_api(c, &a);
	else
		c->error = pages_answer(q, NULL, c->out);
}

static struct source local_of(int fd)
{
	struct sockaddr_storage own = {};
	socklen_t len = sizeof(own);

	getsockname(fd, (struct sockaddr *)&own, &len);
	return source_of(&own);
}

static void handle(struct door *d, const struct visitor *v, struct api_call *c)
{
	struct source local = local_of(v->fd);

	(void)d;
	dashboard_answer(c, v, &local);
}

/* A body larger than most are is taken from those only who may send one. */
static size_t body_max(struct door *d, const struct visitor *v, const struct http_request *head)
{
	struct approach a;
	struct caller who;

	proxy_judge(&d->server->config, &v->source, head, &a);
	if (access_find(d->server, head, &a, &who) < 0 || who.role < ROLE_OPERATOR)
		return API_BODY_MAX;
	return API_CONTENT_MAX;
}

static struct crowd *crowd_of(const struct door *d)
{
	return d->server->dashboard->crowd;
}

static int enter(struct door *d, struct visitor *v)
{
	static const int one = 1;
	static struct log_rate rate;
	struct source network = source_network(&v->source);
	char address[ADDRESS_SIZE];

	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (proxy_is_listed(&d->server->config, &v->source))
		return 0;
	if (crowd_enter(crowd_of(d), &network, PER_NETWORK_MAX) < 0) {
		source_text(&v->source, address);
		log_limited(&rate, LOG_WARNING,
			"refused a connection to the dashboard: %s has too many "
			"(TrustedProxy= if that is a proxy)",
			address);
		return -EUSERS;
	}
	v->counted = true;
	return 0;
}

static void leave(struct door *d, struct visitor *v)
{
	struct source network = source_network(&v->source);

	if (v->counted)
		crowd_leave(crowd_of(d), &network);
}

/* ---- the listener */

void dashboard_address(const struct server *s, char ret[static DASHBOARD_TEXT])
{
	snprintf(ret, DASHBOARD_TEXT, "%s", s->dashboard ? s->dashboard->address : "");
}

static int open_door(struct server *s, struct dashboard *d)
{
	int r = door_listen(&d->door, &s->config.dashboard, d->address);

	if (r == -EADDRINUSE && !s->config.dashboard_given) {
		log_warning("there is no dashboard: its default address, 127.0.0.1:8080, is taken; "
			    "set Listen= in [dashboard], or none");
		return 0;
	}
	if (r == 0)
		log_info("the dashboard is at http://%s", d->address);
	return r;
}

int dashboard_start(struct server *s)
{
	struct dashboard *d;
	int r;

	if (s->config.dashboard.len == 0)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return log_err(-ENOMEM, "cannot listen for the dashboard");
	d->door = (struct door){ .server = s,
		.limit = CONNECTIONS_MAX,
		.idle = CARRIER_IDLE_SECONDS,
		.grace = CARRIER_GRACE_SECONDS,
		.body_limit = API_CONTENT_MAX,
		.headers = security_headers,
		.enter = enter,
		.leave = leave,
		.handle = handle,
		.body_max = body_max,
		.watched = s->config.trusted_header };
	s->dashboard = d;
	r = crowd_new(&d->crowd);
	if (r == 0)
		r = open_door(s, d);
	if (r == 0)
		return 0;
	dashboard_stop(s);
	return log_err(r, "cannot listen for the dashboard");
}

void dashboard_stop(struct server *s)
{
	if (!s->dashboard)
		return;
	door_close(&s->dashboard->door);
	crowd_free(s->dashboard->crowd);
	free(give(s->dashboard));
}
