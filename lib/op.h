/* SPDX-License-Identifier: MIT */
/* Op codes: one row each (muster-protocol(7), "Op codes"). */
#ifndef MUSTER_OP_H
#define MUSTER_OP_H

#include <stdbool.h>

#include "base.h"

enum op {
	OP_HELLO = 0,
	OP_MSG = 1,
	OP_CONFIG = 2,
	OP_RESET = 3,
	OP_TOKEN = 16,
	OP_ENROL = 17,
	OP_ENROLLED = 18,
	OP_ROTATE = 32,
	OP_PINS = 33,
	OP_UPDATE = 34,
	OP_STATE = 35,
	OP_LEAVE = 36,
	OP_ACK = 150,
	OP_NACK = 151,
};

/* Who sends: the machine (client) or the server, whichever of them opened the connection. */
enum direction { FROM_CLIENT = 0, FROM_SERVER = 1 };

struct op_row {
	const char *name;
	bool from_client;
	bool from_server;
	/* From a client: the body starts with the sender's identity key, which signs it. */
	bool introduces;
	uint32_t largest; /* body, bytes */
};

#define MESSAGE_MAX      (1u << 20) /* a whole message, bytes */
#define MESSAGE_MAX_ANON 4096u      /* the same from a peer that has not proved an enrolled key */

/* NULL: there is no such op code. */
const struct op_row *op_find(uint8_t code);

#endif
