/* SPDX-License-Identifier: MIT */
/*
 * The agent's part of muster-enrol --rekey. That puts new keys and the new client file beside the
 * ones in use, as NAME.next, and then writes the configuration anew, with the new id: by that one
 * rename the machine is another client. The agent takes the files into use at its next start. It
 * may be cut off anywhere and does the rest the next time.
 */
#ifndef MUSTER_AGENT_REKEY_H
#define MUSTER_AGENT_REKEY_H

#include <stdbool.h>

#include "lib/identity.h"

/* Whether there are files to take into use for this client, which is the configuration's. */
bool rekey_is_due(const char *state, const uint8_t client_id[static CLIENT_ID_SIZE]);

/* Takes them, and drops what was the former client's: the messages that wait, the last restart that
 * was asked for. Configurations stay; the server says what becomes of them. Not while any of it is
 * in use. */
int rekey_finish(const char *state) must_use;

#endif
