/* SPDX-License-Identifier: MIT */
/* Orders as a server would sign them, for the tests of what root's part of the agent does. */
#ifndef MUSTER_UNIT_HANDED_H
#define MUSTER_UNIT_HANDED_H

#include "agent/handover.h"
#include "tests/unit/unit.h"

/* The server, and the machine that the orders are for. */
static struct identity *server;
static struct config machine;

static void handed_begin(void)
{
	machine = (struct config){ .client_id = { 7, 7, 7 } };
	assert_int_equal(identity_generate(&server), 0);
	memcpy(machine.server_key, identity_public(server), PUBLIC_KEY_SIZE);
}

static void handed_end(void)
{
	server = identity_free(server);
}

/* Signed for machine, by that op code, with that body; to be cleared. */
static struct handover handed(enum op op, const void *body, size_t len)
{
	static const uint8_t self[PUBLIC_KEY_SIZE] = { 4, 1 }, binding[BINDING_SIZE] = { 9 };
	uint8_t *bytes = calloc(1, CLIENT_ID_SIZE + 8 + len);
	uint8_t digest[DIGEST_SIZE], signature[SIGNATURE_SIZE];
	struct message m = { .op = op,
		.signed_bytes = bytes,
		.signed_len = CLIENT_ID_SIZE + 8 + len,
		.signature = signature };
	struct handover h;

	assert_non_null(bytes);
	memcpy(bytes, machine.client_id, CLIENT_ID_SIZE);
	memcpy(bytes + CLIENT_ID_SIZE + 8, body, len);
	session_digest(op, FROM_SERVER, binding, self, bytes, m.signed_len, digest);
	assert_int_equal(identity_sign(server, digest, signature), 0);
	assert_int_equal(handover_pack(&m, self, binding, &h), 0);
	free(bytes);
	return h;
}

#endif
