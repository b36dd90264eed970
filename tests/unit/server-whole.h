/* SPDX-License-Identifier: MIT */
/* A server without ports over the store of a fixture, requests to it and their answers: what
 * server-ask.h and server-fixture-http.h have in common. */
#ifndef MUSTER_SERVER_WHOLE_H
#define MUSTER_SERVER_WHOLE_H

#include "server-fixture.h"

#include "server/admin/api.h"
#include "server/channels.h"
#include "server/http_parser.h"

/* Its configuration may be there already. */
static void server_begin(struct server *s, struct store *store)
{
	struct minisign_key *release = NULL;

	s->store = store;
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
}

/* Commits what the turn has. */
static void server_end(struct server *s)
{
	s->turn = turn_free(s->turn);
	channels_free(s->channels);
	identity_free(s->keys.identity);
	tlskey_clear(&s->keys.tls);
	sd_event_unref(s->loop);
}

static void server_commit(struct server *s)
{
	turn_free(s->turn);
	assert_int_equal(turn_new(s->loop, s->store, &s->turn), 0);
}

/* As it would come from a socket; headers: each with CR LF. What http_parser_feed() returns. */
static int request_parse(struct http_parser *parser, const char *method, const char *path,
	const char *headers, const char *body)
{
	scoped(freep) char *text = NULL;
	size_t used;

	assert_true(asprintf(&text, "%s %s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n%s", method,
			    path, headers, body ? "Content-Type: application/json\r\n" : "",
			    body ? strlen(body) : 0, body ? body : "") > 0);
	return http_parser_feed(parser, text, strlen(text), &used);
}

/* The status, the body, and the code of a refusal. */
static int answer_parse(struct buffer *out, json_t **body, char ret_code[static 64])
{
	const char *rest, *code;
	int status = 0;

	assert_int_equal(buffer_append(out, "", 1), 0);
	assert_int_equal(sscanf((char *)out->data, "HTTP/1.1 %d", &status), 1);
	rest = strstr((char *)out->data, "\r\n\r\n");
	assert_non_null(rest);
	json_decref(*body);
	*body = json_loads(rest + 4, 0, NULL);
	code = json_string_value(json_object_get(*body, "code"));
	snprintf(ret_code, 64, "%s", code ? code : "");
	return status;
}

#endif
