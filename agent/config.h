/* SPDX-License-Identifier: MIT */
/* The agent's configuration file, muster-agent.conf(5). */
#ifndef MUSTER_AGENT_CONFIG_H
#define MUSTER_AGENT_CONFIG_H

#include <stdbool.h>

#include "agent/post.h"
#include "lib/addresses.h"
#include "lib/inifile.h"
#include "lib/minisign.h"
#include "lib/uplink.h"

#define CONFIG_PATH "/etc/muster/muster-agent.conf"

struct config {
	struct addresses servers; /* one at least; all have the keys below */
	struct pins pins;
	char pins_text[PINS_TEXT_SIZE]; /* the same, joined by ; */
	uint8_t server_key[PUBLIC_KEY_SIZE];
	struct minisign_public release_key;
	uint8_t client_id[CLIENT_ID_SIZE];
	char proxy[INIFILE_LINE_MAX];
	bool has_proxy;           /* otherwise as the environment says */
	unsigned connect_timeout; /* seconds */
	uint64_t backoff_cap_ms;
	struct post_limits messages;
	bool updates;         /* those that the server orders are made */
	bool listen;          /* Mode=listen */
	unsigned listen_idle; /* seconds */
};

#define CONFIG_WHY_SIZE 512

/* -EBADMSG: a mistake, *why names file, line and mistake; otherwise the error of reading it, also
 * in *why. *ret is written on success only. */
int config_load(const char *path, struct config *ret, char why[static CONFIG_WHY_SIZE]) must_use;

#endif
