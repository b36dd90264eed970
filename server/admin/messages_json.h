/* SPDX-License-Identifier: MIT */
/* A message as the API and the outlet tell it. */
#ifndef MUSTER_MESSAGES_JSON_H
#define MUSTER_MESSAGES_JSON_H

#include <jansson.h>

#include "../store/messages.h"

/* {seq, client, hostname, type, sent, received, number, text}; NULL: no memory. The text is as it
 * was given, so it must be escaped before a terminal gets it. */
json_t *message_json(const struct message_record *m);

#endif
