/* SPDX-License-Identifier: MIT */
/* A server without ports over a store of its own, and requests to its API. */
#ifndef MUSTER_SERVER_ASK_H
#define MUSTER_SERVER_ASK_H

#include "server-whole.h"

struct api_fixture {
	struct fixture *store;
	struct server server;
	json_t *answer; /* of the last request */
	char code[64];
};

__attribute__((unused)) static int api_setup(void **state)
{
	struct api_fixture *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	assert_int_equal(setup((void **)&a->store), 0);
	server_begin(&a->server, a->store->store);
	*state = a;
	return 0;
}

__attribute__((unused)) static int api_teardown(void **state)
{
	struct api_fixture *a = *state;

	json_decref(a->answer);
	server_end(&a->server);
	teardown((void **)&a->store);
	free(a);
	return 0;
}

/* One request as it comes from a socket; the status. Writing ones commit at once. */
__attribute__((unused)) static int ask(
	struct api_fixture *a, const char *method, const char *path, const char *body)
{
	struct buffer out = { .limit = API_ANSWER_MAX };
	struct http_parser *parser = NULL;
	struct api_call call = { .server = &a->server,
		.who = { CALLER_SOCKET, ROLE_ADMINISTRATOR, .actor = "uid:0(root)" },
		.out = &out };
	int status;

	assert_int_equal(http_parser_new(API_BODY_MAX, &parser), 0);
	status = request_parse(parser, method, path, "Host: m\r\n", body);
	if (status < 0)
		status = -status;
	else {
		assert_int_equal(status, 1);
		call.request = http_parser_request(parser);
		api_handle(&call);
		server_commit(&a->server);
		while (call.step && call.step(&call))
			;
		assert_int_equal(call.error, 0);
		status = answer_parse(&out, &a->answer, a->code);
	}
	api_call_end(&call);
	http_parser_free(parser);
	buffer_clear(&out);
	return status;
}

__attribute__((unused)) static const char *answered(struct api_fixture *a, const char *field)
{
	const char *text = json_string_value(json_object_get(a->answer, field));

	return text ? text : "";
}

/* So many machines by one token of label role=web, named machine-0 and so on. */
__attribute__((unused)) static void enrol_some(struct api_fixture *a, uint32_t count)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(a->server.store, UNLIMITED_USES, 0, token, &t);
	assert_int_equal(store_begin(a->server.store), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct enrol_request e = make_request(token, i);
		struct client_record c;

		/* a point of the curve for the text form: the server's own */
		memcpy(e.identity, identity_public(a->server.keys.identity), PUBLIC_KEY_SIZE);
		memcpy(e.identity + 33, &i, sizeof(i));
		assert_int_equal(store_client_enrol(a->server.store, &e, "192.0.2.1", &c), 0);
	}
	assert_int_equal(store_commit(a->server.store), 0);
}

#endif
