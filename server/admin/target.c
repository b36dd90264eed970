/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <sodium.h>
#include <string.h>

#include "../store/configs.h"
#include "answer.h"

static bool read_selector(struct api_call *c, const char *selector, char ret[static SELECTOR_SIZE])
{
	snprintf(ret, SELECTOR_SIZE, "%s", selector);
	if (config_selector_check(selector) == 0)
		return true;
	answer_refuse(c, 400, "bad-field",
		"field 'selector': '%.200s' is not a selector: terms KEY, KEY=VALUE, "
		"KEY!=VALUE or !KEY with commas between them, or *",
		selector);
	return false;
}

static bool read_client(struct api_call *c, const char *id, char ret[static SELECTOR_SIZE])
{
	struct client_record client;
	int r = store_client_get(c->server->store, id, &client);

	if (r < 0) {
		snprintf(c->id, sizeof(c->id), "%s", id);
		answer_store_error(c, r, "client");
		return false;
	}
	memcpy(ret, CLIENT_SELECTOR, strlen(CLIENT_SELECTOR));
	sodium_bin2hex(
		ret + strlen(CLIENT_SELECTOR), CLIENT_ID_TEXT_SIZE, client.id, sizeof(client.id));
	return true;
}

bool read_target(struct api_call *c, bool required, char ret[static SELECTOR_SIZE])
{
	const char *selector, *id;

	*ret = '\0';
	if (!read_string(c, "selector", SELECTOR_SIZE, &selector) ||
		!read_string(c, "client", CLIENT_ID_TEXT_SIZE, &id))
		return false;
	if ((selector && id) || (required && !selector && !id)) {
		answer_refuse(c, 400, "bad-field", "one of 'selector' and 'client' must be given");
		return false;
	}
	if (selector)
		return read_selector(c, selector, ret);
	return !id || read_client(c, id, ret);
}
