/* SPDX-License-Identifier: MIT */
/* client address: where a machine that listens is dialled. */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "table.h"

#define ADDRESS_MAX 300

/* HOST:PORT or [V6]:PORT, in parts. */
static bool split(const char *text, char host[static ADDRESS_MAX], const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len == 0 || len >= ADDRESS_MAX || !colon[1])
		return false;
	*ret_port = colon + 1;
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	return len > 0;
}

/* The server takes addresses only: names are looked up here, and now. */
static int look_up(const char *text, char ret[static ADDRESS_MAX])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char host[ADDRESS_MAX], address[NI_MAXHOST], port[NI_MAXSERV];
	const char *service;
	int r;

	if (!split(text, host, &service))
		return complain(CTL_USAGE, "'%s' is not HOST:PORT", text);
	r = getaddrinfo(host, service, &hints, &found);
	if (r == 0)
		r = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	if (r != 0)
		return complain(CTL_USAGE, "'%s': %s", text, gai_strerror(r));
	snprintf(ret, ADDRESS_MAX, found->ai_family == AF_INET6 ? "[%.200s]:%s" : "%.200s:%s",
		address, port);
	freeaddrinfo(found);
	return CTL_OK;
}

static int set(struct ctl *c, const char *id, json_t *address)
{
	char path[256];
	json_t *client = NULL, *body = json_pack("{s:o}", "address", address);
	int r;

	if (!body)
		return complain(CTL_FAILED, "no memory");
	r = request_path(path, sizeof(path), "clients", id, "address") < 0
		    ? complain(CTL_NOT_FOUND, "there is no client '%s'", id)
		    : request_post(c, path, body, &client);
	json_decref(body);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(client);
	const char *fixed = get(json_object_get(client, "listening"), "fixed");

	say(stdout, "%s (%s) is dialled at %s", get(client, "id"), get(client, "hostname"),
		*fixed ? fixed : "its own address, if it listens");
	json_decref(client);
	return CTL_OK;
}

int client_address(struct ctl *c, int argc, char **argv)
{
	char address[ADDRESS_MAX];
	int r = options_only(c, NULL, 0, argc, argv, 2);

	if (r != CTL_OK)
		return r;
	if (strcmp(argv[1], "none") == 0)
		return set(c, argv[0], json_null());
	r = look_up(argv[1], address);
	return r == CTL_OK ? set(c, argv[0], json_string(address)) : r;
}
