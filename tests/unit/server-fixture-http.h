/* SPDX-License-Identifier: MIT */
/* A server in a folder of its own whose dashboard is asked without a socket. */
#ifndef MUSTER_SERVER_FIXTURE_HTTP_H
#define MUSTER_SERVER_FIXTURE_HTTP_H

#include "server-whole.h"

#include "server/admin/access.h"
#include "server/admin/dashboard.h"
#include "server/changes.h"

struct http_fixture {
	struct fixture *store;
	struct server server;
	struct visitor visitor;
	struct source local;
	json_t *answer; /* of the last request */
	char head[8192];
	char code[64];
};

__attribute__((unused)) static int http_setup(void **state)
{
	struct http_fixture *a = calloc(1, sizeof(*a));
	struct server *s = &a->server;

	assert_non_null(a);
	assert_int_equal(setup((void **)&a->store), 0);
	config_defaults(&s->config);
	server_begin(s, a->store->store);
	assert_int_equal(changes_start(s), 0);
	s->keys.token_key = secret_alloc(TOKEN_KEY_SIZE);
	assert_non_null(s->keys.token_key);
	assert_int_equal(access_start(s), 0);
	*state = a;
	return 0;
}

__attribute__((unused)) static int http_teardown(void **state)
{
	struct http_fixture *a = *state;

	json_decref(a->answer);
	access_stop(&a->server);
	secret_free(a->server.keys.token_key);
	a->server.turn = turn_free(a->server.turn);
	changes_stop(&a->server);
	server_end(&a->server);
	teardown((void **)&a->store);
	free(a);
	return 0;
}

/* One request with these header lines (each with CR LF; among them Host), as it comes from the
 * visitor; the status. What it writes is committed at once. */
static int ask(struct http_fixture *a, const char *method, const char *path, const char *headers,
	const char *body)
{
	struct buffer out = { .limit = API_ANSWER_MAX };
	struct http_parser *parser = NULL;
	struct api_call call = { .server = &a->server, .out = &out };
	int status;

	assert_int_equal(http_parser_new(API_BODY_MAX, &parser), 0);
	http_parser_watch(parser, a->server.config.trusted_header);
	status = request_parse(parser, method, path, headers, body);
	if (status < 0)
		status = -status;
	else {
		assert_int_equal(status, 1);
		call.request = http_parser_request(parser);
		dashboard_answer(&call, &a->visitor, &a->local);
		while (call.step && call.step(&call))
			usleep(1000); /* a password's hash is made beside */
		server_commit(&a->server);
		assert_int_equal(call.error, 0);
		status = answer_parse(&out, &a->answer, a->code);
		snprintf(a->head, sizeof(a->head), "%s", (char *)out.data);
		*strstr(a->head, "\r\n\r\n") = '\0';
	}
	api_call_end(&call);
	http_parser_free(parser);
	buffer_clear(&out);
	return status;
}

#endif
