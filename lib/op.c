/* SPDX-License-Identifier: MIT */
#include "lib/op.h"

#include "lib/msg.h"

#define SEAL      (16 + 8 + 64) /* client id, sequence number and signature of a message */
#define BODY_MAX  (MESSAGE_MAX - SEAL)
#define BODY_FEW  4000u /* fits into MESSAGE_MAX_ANON with all around it */
#define BODY_MORE 8192u

static const struct op_row rows[] = {
	[OP_HELLO] = { "HELLO", .from_client = true, .largest = BODY_MORE },
	[OP_MSG] = { "MSG", .from_client = true, .largest = MSG_BODY_MAX },
	[OP_CONFIG] = { "CONFIG", .from_server = true, .largest = BODY_MAX },
	[OP_RESET] = { "RESET", .from_server = true, .largest = BODY_FEW },
	[OP_TOKEN] = { "TOKEN", .from_client = true, .from_server = true, .introduces = true,
		.largest = BODY_MORE },
	[OP_ENROL] = { "ENROL", .from_client = true, .introduces = true, .largest = BODY_FEW },
	[OP_ENROLLED] = { "ENROLLED", .from_server = true, .largest = BODY_MORE },
	[OP_ROTATE] = { "ROTATE", .from_server = true, .largest = BODY_FEW },
	[OP_PINS] = { "PINS", .from_server = true, .largest = BODY_FEW },
	[OP_UPDATE] = { "UPDATE", .from_server = true, .largest = BODY_FEW },
	[OP_STATE] = { "STATE", .from_server = true, .largest = BODY_FEW },
	[OP_LEAVE] = { "LEAVE", .from_client = true, .largest = 0 },
	[OP_ACK] = { "ACK", .from_client = true, .from_server = true, .largest = 1024 },
	[OP_NACK] = { "NACK", .from_client = true, .from_server = true, .largest = 1024 },
};

const struct op_row *op_find(uint8_t code)
{
	if (code >= COUNT(rows) || !rows[code].name)
		return NULL;
	return &rows[code];
}
