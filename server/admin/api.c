/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../http_answer.h"
#include "answer.h"
#include "repeat.h"

#define VIEWER        ROLE_VIEWER
#define OPERATOR      ROLE_OPERATOR
#define ADMINISTRATOR ROLE_ADMINISTRATOR
#define GET           HTTP_METHOD_GET
#define POST          HTTP_METHOD_POST
#define DELETE        HTTP_METHOD_DELETE

static const struct api_route routes[] = {
	{ GET, "/api/v1/status", api_status_show, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/overview", api_overview, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/openapi.json", api_description, ROLE_NONE, SCOPE_FREE },
	{ GET, "/api/v1/events", api_events, VIEWER, SCOPE_REFUSED },
	{ GET, "/metrics", api_metrics, VIEWER, SCOPE_REFUSED },
	{ GET, "/healthz", api_health, ROLE_NONE, SCOPE_FREE },
	{ GET, "/readyz", api_ready, ROLE_NONE, SCOPE_FREE },
	{ POST, "/api/v1/tokens", api_token_create, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/tokens", api_token_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/tokens/{id}", api_token_show, VIEWER, SCOPE_REFUSED },
	{ POST, "/api/v1/tokens/{id}/revoke", api_token_revoke, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/clients", api_client_list, VIEWER, SCOPE_FILTERED },
	{ GET, "/api/v1/clients/count", api_client_count, VIEWER, SCOPE_FILTERED },
	{ GET, "/api/v1/clients/{id}", api_client_show, VIEWER, SCOPE_CLIENT },
	{ GET, "/api/v1/clients/{id}/timeline", api_client_timeline, VIEWER, SCOPE_CLIENT },
	{ GET, "/api/v1/clients/{id}/labels", api_client_labels, VIEWER, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/labels", api_client_label, OPERATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/clients/{id}/approve", api_client_approve, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/refuse", api_client_refuse, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/suspend", api_client_suspend, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/resume", api_client_resume, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/revoke", api_client_revoke, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/remove", api_client_remove, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/clear-clone", api_client_clear_clone, OPERATOR,
		SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/reset", api_client_reset, OPERATOR, SCOPE_CLIENT },
	{ POST, "/api/v1/clients/{id}/address", api_client_address, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/audit", api_audit_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/audit/verify", api_audit_verify, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/messages", api_message_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/messages/{id}", api_message_show, VIEWER, SCOPE_REFUSED },
	{ POST, "/api/v1/installer", api_installer, OPERATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/configs", api_config_push, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/configs", api_config_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/configs/{name}", api_config_show, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/configs/{name}/history", api_config_history, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/configs/{name}/diff", api_config_diff, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/configs/{name}/status", api_config_status, VIEWER, SCOPE_FILTERED },
	{ GET, "/api/v1/configs/{name}/progress", api_config_progress, VIEWER, SCOPE_FILTERED },
	{ POST, "/api/v1/configs/{name}/rollback", api_config_rollback, OPERATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/configs/{name}/remove", api_config_remove, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/release", api_release_show, VIEWER, SCOPE_REFUSED },
	{ POST, "/api/v1/rollouts", api_rollout_start, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/rollouts", api_rollout_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/rollouts/{id}", api_rollout_show, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/rollouts/{id}/machines", api_rollout_machines, VIEWER, SCOPE_REFUSED },
	{ POST, "/api/v1/rollouts/{id}/halt", api_rollout_halt, OPERATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/rollouts/{id}/resume", api_rollout_resume, OPERATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/rollouts/{id}/end", api_rollout_end, OPERATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/receipts", api_receipt_list, VIEWER, SCOPE_REFUSED },
	{ GET, "/api/v1/receipts/{id}", api_receipt_show, VIEWER, SCOPE_REFUSED },
	{ POST, "/api/v1/session", api_session_start, ROLE_NONE, SCOPE_FREE },
	{ GET, "/api/v1/session", api_session_show, VIEWER, SCOPE_FREE },
	{ DELETE, "/api/v1/session", api_session_leave, ROLE_NONE, SCOPE_FREE },
	{ POST, "/api/v1/session/password", api_session_password, VIEWER, SCOPE_NO_TOKEN },
	{ GET, "/api/v1/sessions", api_session_list, VIEWER, SCOPE_NO_TOKEN },
	{ POST, "/api/v1/sessions/{id}/end", api_session_end, VIEWER, SCOPE_NO_TOKEN },
	{ POST, "/api/v1/admins", api_admin_add, ADMINISTRATOR, SCOPE_NO_TOKEN },
	{ GET, "/api/v1/admins", api_admin_list, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/admins/{name}/role", api_admin_role, ADMINISTRATOR, SCOPE_NO_TOKEN },
	{ POST, "/api/v1/admins/{name}/password", api_admin_password, ADMINISTRATOR,
		SCOPE_NO_TOKEN },
	{ POST, "/api/v1/admins/{name}/remove", api_admin_remove, ADMINISTRATOR, SCOPE_NO_TOKEN },
	{ POST, "/api/v1/api-tokens", api_access_create, ADMINISTRATOR, SCOPE_NO_TOKEN },
	{ GET, "/api/v1/api-tokens", api_access_list, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/webhooks", api_webhook_create, ADMINISTRATOR, SCOPE_REFUSED },
	{ GET, "/api/v1/webhooks", api_webhook_list, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/webhooks/{id}/remove", api_webhook_remove, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/webhooks/{id}/enable", api_webhook_enable, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/webhooks/{id}/test", api_webhook_test, ADMINISTRATOR, SCOPE_REFUSED },
	{ POST, "/api/v1/api-tokens/{id}/revoke", api_access_revoke, ADMINISTRATOR,
		SCOPE_NO_TOKEN },
};

const struct api_route *api_routes(size_t *ret_count)
{
	*ret_count = COUNT(routes);
	return routes;
}

static const char *const method_names[] = {
	[HTTP_METHOD_GET] = "GET",
	[HTTP_METHOD_POST] = "POST",
	[HTTP_METHOD_DELETE] = "DELETE",
};

/* Ids have letters, digits and dashes, names dots and underscores too; nothing is decoded, so
 * nothing can look like one. */
static const char id_characters[] =
	"-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char name_characters[] = "-._@0123456789abcdefghijklmnopqrstuvwxyz";

static bool match(const char *pattern, const char *path, char ret_id[static API_ID_SIZE])
{
	size_t len = 0;

	*ret_id = '\0';
	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strspn(path, pattern[1] == 'n' ? name_characters : id_characters);
		if (len == 0 || len >= API_ID_SIZE)
			return false;
		memcpy(ret_id, path, len);
		ret_id[len] = '\0';
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return *path == '\0';
}

static bool asks_for(const struct api_route *r, const struct api_call *c)
{
	return r->method == c->request->method ||
	       (r->method == HTTP_METHOD_GET && c->request->method == HTTP_METHOD_HEAD);
}

static void refuse_method(struct api_call *c, const char *allowed)
{
	char header[96], detail[96];
	int r;

	snprintf(header, sizeof(header), "Allow: %s\r\n", allowed);
	snprintf(detail, sizeof(detail), "only %s can be done with this", allowed);
	r = http_answer_problem(
		c->out, 405, "method-not-allowed", detail, c->request->keep_alive, header);
	if (r < 0)
		c->error = r;
}

const struct api_route *api_find(struct api_call *c)
{
	char allowed[64] = "";

	c->actor = c->who.actor;
	for (size_t i = 0; i < COUNT(routes); i++) {
		if (!match(routes[i].path, c->request->path, c->id))
			continue;
		if (asks_for(&routes[i], c))
			return &routes[i];
		if (*allowed)
			strcat(allowed, ", ");
		strcat(allowed, method_names[routes[i].method]);
	}
	if (!*allowed) {
		answer_refuse(
			c, 404, "not-found", "there is nothing at '%.200s'", c->request->path);
		return NULL;
	}
	refuse_method(c, allowed);
	return NULL;
}

static bool is_json(const char *content_type)
{
	size_t len = strcspn(content_type, "; \t");

	return len == strlen("application/json") &&
	       strncasecmp(content_type, "application/json", len) == 0;
}

static size_t body_max(const struct api_route *r)
{
	return r->handler == api_config_push ? API_CONTENT_MAX : API_BODY_MAX;
}

bool api_creates(const struct api_route *r)
{
	static void (*const handlers[])(struct api_call * c) = { api_token_create, api_config_push,
		api_config_rollback, api_config_remove, api_access_create, api_admin_add,
		api_webhook_create, api_client_reset, api_rollout_start };

	for (size_t i = 0; i < COUNT(handlers); i++)
		if (r->handler == handlers[i])
			return true;
	return false;
}

/* A body is one JSON object, and only a POST has one. */
static bool read_body(struct api_call *c, size_t limit)
{
	const struct http_request *q = c->request;
	json_error_t error;

	if (q->body_len == 0)
		return true;
	if (q->body_len > limit) {
		answer_refuse(c, 413, "bad-request", "the body is longer than %zu bytes", limit);
		return false;
	}
	if (q->method != HTTP_METHOD_POST) {
		answer_refuse(c, 400, "bad-request", "only a POST has a body");
		return false;
	}
	if (q->content_type && !is_json(q->content_type)) {
		answer_refuse(c, 415, "not-json", "the body must be application/json");
		return false;
	}
	c->body = json_loadb(q->body, q->body_len, JSON_REJECT_DUPLICATES, &error);
	if (!c->body) {
		answer_refuse(c, 400, "not-json", "the body is not JSON: line %d: %s", error.line,
			error.text);
		return false;
	}
	if (json_is_object(c->body))
		return true;
	answer_refuse(c, 400, "not-json", "the body must be a JSON object");
	return false;
}

/* ---- who may */

const char *caller_how_name(enum caller_how how)
{
	static const char *const names[] = {
		[CALLER_NOBODY] = "nobody",
		[CALLER_SOCKET] = "socket",
		[CALLER_TOKEN] = "token",
		[CALLER_SESSION] = "session",
		[CALLER_HEADER] = "header",
	};

	return names[how];
}

bool api_may(struct api_call *c, const struct api_route *route)
{
	const struct caller *who = &c->who;

	if (who->role == ROLE_NONE && route->role > ROLE_NONE) {
		answer_login_first(c);
		return false;
	}
	if (who->role < route->role) {
		answer_refuse(c, 403, "forbidden", "this takes the role %s; yours is %s",
			role_name(route->role), role_name(who->role));
		return false;
	}
	if (route->scope == SCOPE_NO_TOKEN && who->how == CALLER_TOKEN) {
		answer_refuse(c, 403, "forbidden", "this is for people, not for an API token");
		return false;
	}
	if (route->scope == SCOPE_REFUSED && *who->scope) {
		answer_refuse(c, 403, "forbidden",
			"this can't be limited to the clients that your API token is for");
		return false;
	}
	return true;
}

const char *api_selector(
	const struct api_call *c, const char *given, char ret[static API_SELECTOR_SIZE])
{
	const char *scope = c->who.scope;

	if (!*scope || strcmp(scope, "*") == 0)
		return given;
	if (!given || strcmp(given, "*") == 0)
		return scope;
	snprintf(ret, API_SELECTOR_SIZE, "%s,%s", scope, given);
	return ret;
}

/* The client of the path, if it's one of those that who asks may see; then its whole id takes the
 * short one's place, so that nothing tells of the others. */
static bool in_scope(struct api_call *c)
{
	struct client_record client;
	int r;

	if (!*c->who.scope)
		return true;
	r = store_client_get(c->server->store, c->id, &client);
	if (r == 0 && selector_matches(c->who.scope, &client.labels)) {
		sodium_bin2hex(c->id, sizeof(c->id), client.id, sizeof(client.id));
		return true;
	}
	answer_store_error(c, r == 0 || r == -ENOTUNIQ ? -ENOENT : r, "client");
	return false;
}

void api_handle(struct api_call *c)
{
	const struct api_route *route = api_find(c);

	if (!route || !api_may(c, route) || !read_body(c, body_max(route)))
		return;
	if (route->scope == SCOPE_CLIENT && !in_scope(c))
		return;
	if (api_creates(route) && !repeat_begin(c))
		return;
	route->handler(c);
}

bool api_route(size_t i, const char **ret_method, const char **ret_path)
{
	if (i >= COUNT(routes))
		return false;
	*ret_method = method_names[routes[i].method];
	*ret_path = routes[i].path;
	return true;
}

void *api_state(struct api_call *c, size_t size)
{
	c->state = calloc(1, size);
	c->state_size = size;
	if (!c->state)
		c->error = -ENOMEM;
	return c->state;
}

void api_call_end(struct api_call *c)
{
	json_decref(c->body);
	if (c->state && c->end)
		c->end(c->state);
	if (c->state)
		sodium_memzero(c->state, c->state_size);
	free(c->state);
	*c = (struct api_call){};
}
