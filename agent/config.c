/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/inifile.h"
#include "lib/text.h"

#define CONNECT_TIMEOUT 30  /* seconds */
#define BACKOFF_CAP     300 /* seconds */
#define LISTEN_IDLE     30  /* seconds */
#define SPOOL_MESSAGES  100000
#define SPOOL_SIZE      (16ull << 20)

struct reading {
	struct inifile file;
	struct config config;
	unsigned seen; /* bit n: keys[n] was given */
};

/* May be given several times: every line adds its addresses. */
static int set_servers(struct config *c, const char *value)
{
	return addresses_add(&c->servers, value);
}

/* May be given several times: every line adds its pins. */
static int set_pins(struct config *c, const char *value)
{
	int r = pins_add(&c->pins, value);

	pins_format(&c->pins, c->pins_text);
	return r;
}

static int set_server_key(struct config *c, const char *value)
{
	return identity_public_from_text(value, c->server_key);
}

static int set_release_key(struct config *c, const char *value)
{
	return minisign_public_parse(value, &c->release_key);
}

static int set_client(struct config *c, const char *value)
{
	size_t n = 0;

	if (strlen(value) != 2 * CLIENT_ID_SIZE)
		return -EINVAL;
	if (sodium_hex2bin(c->client_id, CLIENT_ID_SIZE, value, strlen(value), NULL, &n, NULL) != 0)
		return -EINVAL;
	return n == CLIENT_ID_SIZE ? 0 : -EINVAL;
}

static int set_proxy(struct config *c, const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p > '~')
			return -EINVAL;
	(void)snprintf(c->proxy, sizeof c->proxy, "%s", value);
	c->has_proxy = true;
	return 0;
}

static int set_connect_timeout(struct config *c, const char *value)
{
	uint64_t seconds;

	if (text_duration(value, &seconds) < 0 || seconds < 1 || seconds > 600)
		return -EINVAL;
	c->connect_timeout = (unsigned)seconds;
	return 0;
}

static int set_backoff_cap(struct config *c, const char *value)
{
	uint64_t seconds;

	if (text_duration(value, &seconds) < 0 || seconds < 1 || seconds > 86400)
		return -EINVAL;
	c->backoff_cap_ms = seconds * 1000;
	return 0;
}

static int set_updates(struct config *c, const char *value)
{
	c->updates = strcmp(value, "yes") == 0;
	return c->updates || strcmp(value, "no") == 0 ? 0 : -EINVAL;
}

static int set_mode(struct config *c, const char *value)
{
	c->listen = strcmp(value, "listen") == 0;
	return c->listen || strcmp(value, "connect") == 0 ? 0 : -EINVAL;
}

static int set_listen_idle(struct config *c, const char *value)
{
	uint64_t seconds;

	if (text_duration(value, &seconds) < 0 || seconds < 1 || seconds > 86400)
		return -EINVAL;
	c->listen_idle = (unsigned)seconds;
	return 0;
}

static int set_spool_messages(struct config *c, const char *value)
{
	return text_number(value, 1, 10000000, &c->messages.messages);
}

static int set_spool_size(struct config *c, const char *value)
{
	return text_size(value, 1 << 20, 64ull << 30, &c->messages.bytes);
}

static int set_message_max(struct config *c, const char *value)
{
	return text_size(value, 1, MSG_TEXT_MAX, &c->messages.size);
}

static const struct key {
	const char *name;
	int (*set)(struct config *c, const char *value);
	const char *wanted; /* what a right value is */
	bool needed;
	bool repeats;
} keys[] = {
	{ "Server", set_servers, "HOST:PORT, or several with blanks between", true, true },
	{ "Pins", set_pins, "sha256//BASE64, at most eight, joined by ';'", true, true },
	{ "ServerKey", set_server_key, "66 hex digits of a compressed secp256k1 key", true, false },
	{ "ReleaseKey", set_release_key, "a minisign public key", true, false },
	{ "Client", set_client, "32 hex digits", true, false },
	{ "Proxy", set_proxy, "a URL, or nothing for no proxy", false, false },
	{ "ConnectTimeout", set_connect_timeout, "1s to 10m", false, false },
	{ "BackoffCap", set_backoff_cap, "1s to 1d", false, false },
	{ "Updates", set_updates, "yes or no", false, false },
	{ "Mode", set_mode, "connect or listen", false, false },
	{ "ListenIdle", set_listen_idle, "1s to 1d", false, false },
	{ "SpoolMessages", set_spool_messages, "a number from 1 to 10000000", false, false },
	{ "SpoolSize", set_spool_size, "1M to 64G", false, false },
	{ "MessageMax", set_message_max, "1 to 64K", false, false },
};

/* A setter's -EEXIST and -E2BIG are of a list. */
static void check_set(struct inifile *f, const struct key *k, int result)
{
	if (result == -EEXIST)
		inifile_wrong(f, "%s= names the same a second time", k->name);
	else if (result == -E2BIG)
		inifile_wrong(f, "%s= names more than %d", k->name, ADDRESSES_MAX);
	else if (result < 0)
		inifile_wrong(f, "%s= wants %s", k->name, k->wanted);
}

static void on_value(void *userdata, const char *section, const char *name, const char *value)
{
	struct reading *r = userdata;
	size_t i = 0;

	if (strcmp(section, "agent") != 0) {
		inifile_wrong(&r->file, "unknown section [%.40s], only [agent] is known", section);
		return;
	}
	while (i < COUNT(keys) && strcmp(name, keys[i].name) != 0)
		i++;
	if (i == COUNT(keys)) {
		inifile_wrong(&r->file, "unknown key %.40s=", name);
		return;
	}
	if ((r->seen & 1u << i) && !keys[i].repeats)
		inifile_wrong(&r->file, "%s= is given a second time", name);
	else
		check_set(&r->file, &keys[i], keys[i].set(&r->config, value));
	r->seen |= 1u << i;
}

static int check_whole(struct reading *r)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (keys[i].needed && !(r->seen & 1u << i))
			return inifile_wrong(&r->file, "%s= is missing in [agent]", keys[i].name);
	return 0;
}

int config_load(const char *path, struct config *ret, char why[static CONFIG_WHY_SIZE])
{
	struct reading r = {
		.config = {
			.connect_timeout = CONNECT_TIMEOUT,
			.backoff_cap_ms = BACKOFF_CAP * 1000ull,
			.updates = true,
			.listen_idle = LISTEN_IDLE,
			.messages = { SPOOL_MESSAGES, SPOOL_SIZE, MSG_TEXT_MAX },
		},
	};
	int error;

	r.file = (struct inifile){ .value = on_value,
		.userdata = &r,
		.continued = true,
		.why = why,
		.why_size = CONFIG_WHY_SIZE };
	error = inifile_read(&r.file, path);
	if (error == 0)
		error = check_whole(&r);
	if (error < 0)
		return error;
	*ret = r.config;
	return 0;
}
