/* SPDX-License-Identifier: MIT */
/* A server without ports over a store of its own, and requests to its API. */
#ifndef MUSTER_SERVER_ASK_H
#define MUSTER_SERVER_ASK_H

#include "server-fixture.h"

#include "server/admin/api.h"
#include "server/channels.h"
#include "server/http_parser.h"

struct api_fixture {
	struct fixture *store;
	struct server server;
	json_t *answer; /* of the last request */
	char code[64];
};

__attribute__((unused)) static int api_setup(void **state)
{
	struct api_fixture *a = calloc(1, sizeof(*a));
	struct server *s = &a->server;
	struct minisign_key *release = NULL;

	assert_int_equal(setup((void **)&a->store), 0);
	s->store = a->store->store;
	assert_true(sd_event_default(&s->loop) >= 0);
	assert_int_equal(turn_new(s->loop, s->store, &s->turn), 0);
	assert_int_equal(channels_new(&s->channels), 0);
	assert_int_equal(identity_generate(&s->keys.identity), 0);
	assert_int_equal(tlskey_generate(TLSKEY_P256, "muster", &s->keys.tls), 0);
	assert_int_equal(minisign_generate(&release), 0);
	minisign_public(release, &s->keys.release_public);
	minisign_free(release);
	assert_int_equal(addresses_add(&s->config.names, "muster.example:8443"), 0);
	s->started = store_now(s->store);
	*state = a;
	return 0;
}

__attribute__((unused)) static int api_teardown(void **state)
{
	struct api_fixture *a = *state;

	json_decref(a->answer);
	a->server.turn = turn_free(a->server.turn);
	channels_free(a->server.channels);
	identity_free(a->server.keys.identity);
	tlskey_clear(&a->server.keys.tls);
	sd_event_unref(a->server.loop);
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
	scoped(freep) char *text = NULL;
	char *rest;
	size_t used;
	int status = 0;

	assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: m\r\n%sContent-Length: %zu\r\n\r\n%s",
			    method, path, body ? "Content-Type: application/json\r\n" : "",
			    body ? strlen(body) : 0, body ? body : "") > 0);
	assert_int_equal(http_parser_new(API_BODY_MAX, &parser), 0);
	status = http_parser_feed(parser, text, strlen(text), &used);
	if (status < 0)
		status = -status;
	else {
		assert_int_equal(status, 1);
		call.request = http_parser_request(parser);
		api_handle(&call);
		turn_free(a->server.turn);
		assert_int_equal(turn_new(a->server.loop, a->server.store, &a->server.turn), 0);
		while (call.step && call.step(&call))
			;
		assert_int_equal(call.error, 0);
		assert_int_equal(buffer_append(&out, "", 1), 0);
		assert_int_equal(sscanf((char *)out.data, "HTTP/1.1 %d", &status), 1);
		rest = strstr((char *)out.data, "\r\n\r\n");
		assert_non_null(rest);
		json_decref(a->answer);
		a->answer = json_loads(rest + 4, 0, NULL);
		snprintf(a->code, sizeof(a->code), "%s",
			json_is_string(json_object_get(a->answer, "code"))
				? json_string_value(json_object_get(a->answer, "code"))
				: "");
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
