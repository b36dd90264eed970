/* SPDX-License-Identifier: MIT */
/* A server in a folder of its own whose dashboard is asked without a socket. */
#ifndef MUSTER_SERVER_FIXTURE_HTTP_H
#define MUSTER_SERVER_FIXTURE_HTTP_H

#include "server-fixture.h"

#include "server/admin/access.h"
#include "server/admin/dashboard.h"
#include "server/changes.h"
#include "server/channels.h"
#include "server/http_parser.h"

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
	struct minisign_key *release = NULL;

	assert_int_equal(setup((void **)&a->store), 0);
	s->store = a->store->store;
	config_defaults(&s->config);
	assert_true(sd_event_default(&s->loop) >= 0);
	assert_int_equal(turn_new(s->loop, s->store, &s->turn), 0);
	assert_int_equal(changes_start(s), 0);
	assert_int_equal(channels_new(&s->channels), 0);
	assert_int_equal(identity_generate(&s->keys.identity), 0);
	assert_int_equal(tlskey_generate(TLSKEY_P256, "muster", &s->keys.tls), 0);
	assert_int_equal(minisign_generate(&release), 0);
	minisign_public(release, &s->keys.release_public);
	minisign_free(release);
	assert_int_equal(addresses_add(&s->config.names, "muster.example:8443"), 0);
	s->started = store_now(s->store);
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
	channels_free(a->server.channels);
	identity_free(a->server.keys.identity);
	tlskey_clear(&a->server.keys.tls);
	sd_event_unref(a->server.loop);
	teardown((void **)&a->store);
	free(a);
	return 0;
}

static void keep_answer(struct http_fixture *a, struct buffer *out)
{
	char *rest;

	assert_int_equal(buffer_append(out, "", 1), 0);
	rest = strstr((char *)out->data, "\r\n\r\n");
	assert_non_null(rest);
	snprintf(a->head, sizeof(a->head), "%.*s", (int)(rest - (char *)out->data),
		(char *)out->data);
	json_decref(a->answer);
	a->answer = json_loads(rest + 4, 0, NULL);
	snprintf(a->code, sizeof(a->code), "%s",
		json_is_string(json_object_get(a->answer, "code"))
			? json_string_value(json_object_get(a->answer, "code"))
			: "");
}

/* One request with these header lines (each with CR LF; among them Host), as it comes from the
 * visitor; the status. What it writes is committed at once. */
static int ask(struct http_fixture *a, const char *method, const char *path, const char *headers,
	const char *body)
{
	struct buffer out = { .limit = API_ANSWER_MAX };
	struct http_parser *parser = NULL;
	struct api_call call = { .server = &a->server, .out = &out };
	scoped(freep) char *text = NULL;
	size_t used;
	int status = 0;

	assert_true(asprintf(&text, "%s %s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n%s", method,
			    path, headers, body ? "Content-Type: application/json\r\n" : "",
			    body ? strlen(body) : 0, body ? body : "") > 0);
	assert_int_equal(http_parser_new(API_BODY_MAX, &parser), 0);
	http_parser_watch(parser, a->server.config.trusted_header);
	status = http_parser_feed(parser, text, strlen(text), &used);
	if (status < 0)
		status = -status;
	else {
		assert_int_equal(status, 1);
		call.request = http_parser_request(parser);
		dashboard_answer(&call, &a->visitor, &a->local);
		while (call.step && call.step(&call))
			usleep(1000); /* a password's hash is made beside */
		turn_free(a->server.turn);
		assert_int_equal(turn_new(a->server.loop, a->server.store, &a->server.turn), 0);
		assert_int_equal(call.error, 0);
		assert_int_equal(sscanf((char *)out.data, "HTTP/1.1 %d", &status), 1);
		keep_answer(a, &out);
	}
	api_call_end(&call);
	http_parser_free(parser);
	buffer_clear(&out);
	return status;
}

#endif
