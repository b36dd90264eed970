/* SPDX-License-Identifier: MIT */
/*
 * The JSON API, /api/v1: one request in, one answer out, whoever carries them. What is asked for is
 * checked by name, type and size before anything is done; errors are application/problem+json
 * (RFC 9457) with a stable "code".
 */
#ifndef MUSTER_API_H
#define MUSTER_API_H

#include <jansson.h>

#include "../http.h"
#include "../server.h"

#define API_BODY_MAX    65536
#define API_CONTENT_MAX (3u << 19) /* where a body carries a configuration, in base64 */
#define API_ANSWER_MAX                                                                             \
	(64u << 20) /* a script with the programs of several architectures inside                  \
		     */
#define API_ID_SIZE 72

struct api_call {
	struct server *server;
	const struct http_request *request;
	const char *actor;    /* who asks: "uid:0(root)" */
	char id[API_ID_SIZE]; /* from the path, "" if it has none */
	json_t *body;         /* the object sent, or NULL */
	struct buffer *out;   /* the whole answer */
	int error;            /* not 0: no answer could be made */
	/* Work that takes longer is done in steps of a few milliseconds: set by a handler; returns
	 * true as long as there is more to do. It ends with an answer. */
	bool (*step)(struct api_call *c);
	uint64_t pause; /* microseconds between the steps; 0: as few as does no harm */
	void *state;    /* a handler's own, by api_state(); wiped and freed with the call */
	size_t state_size;
};

/* Handles the request. If c->step is set afterwards it's to be called until it returns false. */
void api_handle(struct api_call *c);
void *api_state(struct api_call *c, size_t size)
	must_use;                      /* zeros; NULL: no memory, c->error set */
void api_call_end(struct api_call *c); /* frees what belongs to the call, but not out */

/* Route i as it is in the table; false: there are no more. For tests. */
bool api_route(size_t i, const char **ret_method, const char **ret_path) must_use;

/* The handlers, by their routes. */
void api_description(struct api_call *c);
void api_status_show(struct api_call *c);
void api_token_create(struct api_call *c);
void api_token_list(struct api_call *c);
void api_token_show(struct api_call *c);
void api_token_revoke(struct api_call *c);
void api_client_list(struct api_call *c);
void api_client_count(struct api_call *c);
void api_client_show(struct api_call *c);
void api_client_label(struct api_call *c);
void api_client_approve(struct api_call *c);
void api_client_refuse(struct api_call *c);
void api_client_suspend(struct api_call *c);
void api_client_resume(struct api_call *c);
void api_client_revoke(struct api_call *c);
void api_client_remove(struct api_call *c);
void api_client_reset(struct api_call *c);
void api_audit_list(struct api_call *c);
void api_audit_verify(struct api_call *c);
void api_message_list(struct api_call *c);
void api_message_show(struct api_call *c);
void api_installer(struct api_call *c);
void api_config_push(struct api_call *c);
void api_config_list(struct api_call *c);
void api_config_show(struct api_call *c);
void api_config_history(struct api_call *c);
void api_config_status(struct api_call *c);
void api_config_rollback(struct api_call *c);
void api_config_remove(struct api_call *c);
void api_receipt_list(struct api_call *c);
void api_receipt_show(struct api_call *c);

#endif
