/* SPDX-License-Identifier: MIT */
/*
 * What the agent hands over to the part of it that has root's rights (apply.h, renewal.h): a
 * message of the server's as it came, in the file STATE/NAME/order, for which a path unit watches.
 * Root's part takes nothing on the agent's word: the folder is the agent's, so anything may lie in
 * it, and only what the server has signed for this machine counts.
 */
#ifndef MUSTER_AGENT_HANDOVER_H
#define MUSTER_AGENT_HANDOVER_H

#include "agent/config.h"
#include "lib/session.h"

/* The receiver's key, the connection's binding, the signature, and then what is signed. */
#define HANDOVER_HEAD (PUBLIC_KEY_SIZE + BINDING_SIZE + SIGNATURE_SIZE)
#define HANDOVER_MAX  (HANDOVER_HEAD + MESSAGE_MAX)

struct handover {
	uint8_t *bytes; /* owned; NULL: none */
	size_t len;
};

void handover_clear(struct handover *h);

/* Of one that was packed or verified: the signature, and the message's body. */
const uint8_t *handover_signature(const struct handover *h);
const uint8_t *handover_body(const struct handover *h, size_t *ret_len);

/* The agent's side. pack: -ENOMEM. give: makes the folder if need be; it may be given again. */
int handover_pack(const struct message *m, const uint8_t self[static PUBLIC_KEY_SIZE],
	const uint8_t binding[static BINDING_SIZE], struct handover *ret) must_use;
int handover_give(const char *state, const char *name, const struct handover *h) must_use;
void handover_withdraw(const char *state, const char *name);

/* Root's side. take: out of the folder whatever it is, so that it is asked for once only. -ENOENT:
 * there is none; -EINVAL, -ELOOP, -ENXIO, ...: something that no agent of ours has put there. load:
 * of a file of root's own. */
int handover_take(const char *state, const char *name, struct handover *ret) must_use;
int handover_load(const char *path, struct handover *ret) must_use;

/* Whether the server has said this, by that op code, to this machine. -EBADMSG, -EKEYREJECTED: it
 * hasn't. */
int handover_verify(const struct handover *h, enum op op, const struct config *c) must_use;

#endif
