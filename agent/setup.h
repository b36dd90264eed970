/* SPDX-License-Identifier: MIT */
/* What the agent works with: its configuration and the keys that enrolment left. */
#ifndef MUSTER_AGENT_SETUP_H
#define MUSTER_AGENT_SETUP_H

#include "agent/config.h"
#include "lib/tlskey.h"

struct setup {
	struct config config;
	struct identity *identity; /* STATE/identity.key */
	struct tlskey tls;         /* STATE/tls.pem */
};

/* start: of the agent, when new keys that --rekey has left are taken into use; at another time they
 * are an error. Reads all of it; what is wrong has been logged. -EKEYREVOKED: there are no keys any more, the
 * server has ended the enrolment; other negative errno. */
int setup_load(const char *config_path, const char *state_folder, bool start, struct setup **ret)
	must_use;
struct setup *setup_free(struct setup *s); /* wipes; takes NULL, returns NULL */

#endif
