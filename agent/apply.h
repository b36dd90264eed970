/* SPDX-License-Identifier: MIT */
/*
 * The machine's own hooks. The agent puts the server's signed message, as it came, into
 * STATE/apply/order; muster-apply.path starts muster-apply.service for it, which is
 * `muster-agent apply`, as root and in a sandbox of its own. That takes nothing on the agent's
 * word: it checks the server's signature and this machine's id, and gives the hook a copy that
 * nobody else can change. The result comes in /run/muster-apply/result.
 */
#ifndef MUSTER_AGENT_APPLY_H
#define MUSTER_AGENT_APPLY_H

#include "lib/body.h"
#include "lib/session.h"

#define APPLY_NAME   "apply" /* handover.h */
#define APPLY_HOOKS  "/etc/muster/apply.d"
#define APPLY_RESULT "/run/muster-apply/result"

/* The result: the order's signature, so that it is known which one it is of, and the verdict. */
struct apply_result {
	uint8_t signature[SIGNATURE_SIZE];
	uint16_t code; /* 0: applied; else enum nack_code */
	char text[513];
};

int apply_result_write(const char *path, const struct apply_result *r) must_use;
int apply_result_read(const char *path, struct apply_result *ret) must_use;

/* `muster-agent apply`: an exit code. */
int apply_run(const char *config_path, const char *state);

#endif
