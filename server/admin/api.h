/* SPDX-License-Identifier: MIT */
/*
 * The JSON API, /api/v1: one request in, one answer out, whoever carries them. What is asked for is
 * checked by name, type and size before anything is done; errors are application/problem+json
 * (RFC 9457) with a stable "code".
 */
#ifndef MUSTER_API_H
#define MUSTER_API_H

#include <jansson.h>

#include "../http_request.h"
#include "../server.h"
#include "../source.h"
#include "../store/access.h"
#include "../store/repeats.h"
#include "lib/label.h"

#define API_BODY_MAX    65536
#define API_CONTENT_MAX (3u << 19) /* where a body carries a configuration, in base64 */
#define API_ANSWER_MAX                                                                             \
	(64u << 20) /* a script with the programs of several architectures inside                  \
		     */
#define API_ID_SIZE 72

struct carrier; /* carrier.h: the connection */

enum caller_how {
	CALLER_NOBODY,  /* has shown nothing: role none */
	CALLER_SOCKET,  /* the control socket */
	CALLER_TOKEN,   /* an API token */
	CALLER_SESSION, /* an administrator who has logged in */
	CALLER_HEADER,  /* an administrator, by the word of a trusted proxy */
};
const char *caller_how_name(enum caller_how how); /* "socket", "token", ... */
#define CSRF_SIZE 65

/* Who asks, and what they may do. */
struct caller {
	enum caller_how how;
	enum role role;
	char actor[ACTOR_SIZE];      /* for the audit: "uid:0(root)", "api-token:ID" */
	char name[ACCESS_NAME_SIZE]; /* of the administrator or the API token */
	char id[ACCESS_ID_SIZE];     /* of the session or the API token, else "" */
	char csrf[CSRF_SIZE];        /* what a browser must send with a change, or "" */
	char scope[SELECTOR_SIZE];   /* these clients only; "": all */
	uint64_t expires;            /* 0: never */
};

struct api_call {
	struct server *server;
	const struct http_request *request;
	struct carrier *carrier; /* NULL: there is no connection */
	struct source source;    /* the client's address; zeros: not by IP */
	bool https;              /* the browser's stretch of the way was */
	struct caller who;
	const char *actor;    /* who.actor */
	char id[API_ID_SIZE]; /* from the path, "" if it has none */
	json_t *body;         /* the object sent, or NULL */
	struct buffer *out;   /* the whole answer */
	bool secret;          /* the answer tells something that is told once and not kept */
	bool repeats;         /* it came with a new Idempotency-Key; repeat.h */
	uint8_t repeat_hash[REPEAT_HASH_SIZE];
	int error; /* not 0: no answer could be made */
	/* Work that takes longer is done in steps of a few milliseconds: set by a handler; returns
	 * true as long as there is more to do. It ends with an answer. */
	bool (*step)(struct api_call *c);
	uint64_t pause; /* microseconds between the steps; 0: as few as does no harm */
	void *state;    /* a handler's own, by api_state(); wiped and freed with the call */
	size_t state_size;
	void (*end)(void *state); /* before that; may be NULL */
};

/* How a route treats an API token that is for some clients only. */
enum scope_rule {
	SCOPE_REFUSED,  /* such a token may not */
	SCOPE_CLIENT,   /* {id} is a client: outside of the scope there is none */
	SCOPE_FILTERED, /* the handler shows and does only what api_selector() gives */
	SCOPE_NO_TOKEN, /* no API token at all may: people, and the control socket */
	SCOPE_FREE,     /* it's not about clients */
};

struct api_route {
	enum http_method method;
	const char *path; /* {id} and {name} stand for one part */
	void (*handler)(struct api_call *c);
	enum role role; /* at least; ROLE_NONE: anybody */
	enum scope_rule scope;
};

/* The one table of what there is and who may. */
const struct api_route *api_routes(size_t *ret_count);

/* The route that the request is for; sets c->id. NULL: there is none, and it has been refused. */
const struct api_route *api_find(struct api_call *c);
/* May who asks? If not it has been refused: 401, or 403. */
bool api_may(struct api_call *c, const struct api_route *route) must_use;

/* Would a second request do it once more, or be refused because it is done? Then the route takes an
 * Idempotency-Key (repeat.h). */
bool api_creates(const struct api_route *route);

/* The selector of the clients that both who asks may see and `given` (NULL: all) means. */
#define API_SELECTOR_SIZE (2 * SELECTOR_SIZE)
const char *api_selector(
	const struct api_call *c, const char *given, char ret[static API_SELECTOR_SIZE]);

/* Handles the request. If c->step is set afterwards it's to be called until it returns false. */
void api_handle(struct api_call *c);
void *api_state(struct api_call *c, size_t size)
	must_use;                      /* zeros; NULL: no memory, c->error set */
void api_call_end(struct api_call *c); /* frees what belongs to the call, but not out */

/* Route i as it is in the table; false: there are no more. For tests. */
bool api_route(size_t i, const char **ret_method, const char **ret_path) must_use;

/* The handlers, by their routes. */
void api_description(struct api_call *c);
void api_webhook_create(struct api_call *c);
void api_webhook_list(struct api_call *c);
void api_webhook_remove(struct api_call *c);
void api_webhook_enable(struct api_call *c);
void api_webhook_test(struct api_call *c);
void api_events(struct api_call *c);
void api_metrics(struct api_call *c);
void api_health(struct api_call *c);
void api_ready(struct api_call *c);
void api_status_show(struct api_call *c);
void api_overview(struct api_call *c);
void api_token_create(struct api_call *c);
void api_token_list(struct api_call *c);
void api_token_show(struct api_call *c);
void api_token_revoke(struct api_call *c);
void api_client_list(struct api_call *c);
void api_client_count(struct api_call *c);
void api_client_show(struct api_call *c);
void api_client_timeline(struct api_call *c);
void api_client_labels(struct api_call *c);
void api_client_label(struct api_call *c);
void api_client_approve(struct api_call *c);
void api_client_refuse(struct api_call *c);
void api_client_suspend(struct api_call *c);
void api_client_resume(struct api_call *c);
void api_client_revoke(struct api_call *c);
void api_client_clear_clone(struct api_call *c);
void api_client_remove(struct api_call *c);
void api_client_reset(struct api_call *c);
void api_client_address(struct api_call *c);
void api_audit_list(struct api_call *c);
void api_audit_verify(struct api_call *c);
void api_message_list(struct api_call *c);
void api_message_show(struct api_call *c);
void api_installer(struct api_call *c);
void api_release_show(struct api_call *c);
void api_rollout_start(struct api_call *c);
void api_rollout_list(struct api_call *c);
void api_rollout_show(struct api_call *c);
void api_rollout_machines(struct api_call *c);
void api_rollout_halt(struct api_call *c);
void api_rollout_resume(struct api_call *c);
void api_rollout_end(struct api_call *c);
void api_config_push(struct api_call *c);
void api_config_list(struct api_call *c);
void api_config_show(struct api_call *c);
void api_config_history(struct api_call *c);
void api_config_diff(struct api_call *c);
void api_config_status(struct api_call *c);
void api_config_progress(struct api_call *c);
void api_config_rollback(struct api_call *c);
void api_config_remove(struct api_call *c);
void api_access_create(struct api_call *c);
void api_access_list(struct api_call *c);
void api_access_revoke(struct api_call *c);
void api_session_start(struct api_call *c);
void api_session_show(struct api_call *c);
void api_session_leave(struct api_call *c);
void api_session_password(struct api_call *c);
void api_session_list(struct api_call *c);
void api_session_end(struct api_call *c);
void api_admin_add(struct api_call *c);
void api_admin_list(struct api_call *c);
void api_admin_role(struct api_call *c);
void api_admin_password(struct api_call *c);
void api_admin_remove(struct api_call *c);
void api_receipt_list(struct api_call *c);
void api_receipt_show(struct api_call *c);

#endif
