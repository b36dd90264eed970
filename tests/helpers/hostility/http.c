/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>

#include "serve.h"

#define REQUEST_MAX 8192

/* The request line and headers, NUL-terminated. Nothing may follow them: the client waits. */
static void hear_request(struct connection *c, char ret[static REQUEST_MAX])
{
	size_t len = 0;

	do {
		if (len == REQUEST_MAX - 1)
			finish(c, true);
		len += hear(c, ret + len, REQUEST_MAX - 1 - len);
		ret[len] = '\0';
	} while (!strstr(ret, "\r\n\r\n"));
}

static void say_ok(struct connection *c, size_t len)
{
	char headers[128];

	(void)snprintf(headers, sizeof headers,
		"Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n",
		len);
	say_head(c, "200 OK", headers);
}

static void say_file(struct connection *c, const struct bytes *file)
{
	say_ok(c, file->len);
	say(c, file->data, file->len);
}

static void say_agent(struct connection *c)
{
	const struct bytes *agent = &c->h->agent;

	switch ((int)c->h->mode) { /* of the many modes, those that are about the agent */
	case MODE_AGENT_TRUNCATED:
		say_ok(c, agent->len);
		say(c, agent->data, agent->len / 2);
		break;
	case MODE_AGENT_SHORTER:
		say_file(c, &(struct bytes){ agent->data, agent->len - 1 });
		break;
	case MODE_AGENT_LONGER:
		say_ok(c, agent->len + 1);
		say(c, agent->data, agent->len);
		say(c, "!", 1);
		break;
	case MODE_AGENT_ENDLESS:
		say_head(c, "200 OK", "Connection: close\r\n");
		say(c, agent->data, agent->len);
		for (;;)
			say_random(c, 4096);
	case MODE_AGENT_OTHER_BYTES:
		agent->data[agent->len / 2] ^= 1; /* this process's copy */
		say_file(c, agent);
		break;
	default:
		say_file(c, agent);
	}
}

static void redirect(struct connection *c)
{
	char headers[128];

	(void)snprintf(headers, sizeof headers,
		"Location: http://127.0.0.1:%u/\r\nContent-Length: 0\r\nConnection: close\r\n",
		c->h->port);
	say_head(c, "302 Found", headers);
}

/* The modes that are (nearly) the same whatever was asked. */
static bool misanswer(struct connection *c, const char *path)
{
	switch ((int)c->h->mode) {
	case MODE_REDIRECT_FILES:
		if (strncmp(path, "/clients/", strlen("/clients/")) != 0)
			return false;
		redirect(c);
		return true;
	case MODE_REDIRECT:
		redirect(c);
		return true;
	case MODE_GARBAGE_HTTP:
		say_random(c, 4096);
		return true;
	case MODE_ENDLESS_HEAD:
		say(c, "HTTP/1.1 200 OK\r\n", 17);
		for (;;)
			say(c, "X-More: and more\r\n", 18);
	default:
		return false;
	}
}

static void serve_path(struct connection *c, const char *path)
{
	if (strcmp(path, "/v1/channel") == 0) {
		serve_channel(c);
	} else if (strcmp(path, "/clients/manifest") == 0) {
		at(c, STEP_MANIFEST);
		say_file(c, &c->h->manifest);
	} else if (strcmp(path, "/clients/manifest.minisig") == 0) {
		at(c, STEP_SIGNATURE);
		say_file(c, &c->h->signature);
	} else if (strstr(path, "/muster-agent")) {
		at(c, STEP_AGENT);
		say_agent(c);
	} else if (strstr(path, "/muster-enrol")) {
		at(c, STEP_PROGRAM);
		say_file(c, &c->h->program);
	} else {
		say_head(c, "404 Not Found", "Content-Length: 0\r\nConnection: close\r\n");
	}
}

static void serve_request(struct connection *c)
{
	char request[REQUEST_MAX], *path = request, *method;

	hear_request(c, request);
	method = strsep(&path, " ");
	path = path ? strsep(&path, " ") : NULL;
	note(c, "request %s %s", method, path ? path : "");
	if (path && !misanswer(c, path))
		serve_path(c, path);
}

static void say_plainly(struct connection *c)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

	(void)!write(c->fd, text, sizeof text - 1);
}

_Noreturn void serve(struct connection *c)
{
	uint8_t first;

	at(c, STEP_CONNECT);
	if (recv(c->fd, &first, 1, MSG_PEEK) == 1 && first != 0x16) /* a TLS handshake record */
		note(c, "not tls");
	if (c->h->mode == MODE_PLAIN_HTTP) {
		say_plainly(c);
		finish(c, false);
	}
	shake_hands(c);
	at(c, STEP_TLS);
	serve_request(c);
	finish(c, false);
}
