/* SPDX-License-Identifier: MIT */
/*
 * Clones: one identity on two machines, as when a disk or a virtual machine was copied. The alarm
 * stands in the client's record until an administrator takes it off; meanwhile each machine that
 * speaks as that client is noted. As store.h says: what writes does so in the turn's transaction,
 * and the errors are the same.
 */
#ifndef MUSTER_STORE_CLONES_H
#define MUSTER_STORE_CLONES_H

#include "store.h"

#define CLONE_MACHINES 16 /* noted of one client at most */

const char *clone_sign_name(enum clone_sign sign); /* "overlap", "went-back", "uptime-fell" */

/* What a HELLO tells, judged by what is known of the client from before it: a machine is a boot id
 * with a machine-id.
 *
 * CLONE_OVERLAP: of another boot than the last HELLO, and its machine was up already when that came;
 * not told while steady is false, as time can't be measured then.
 * CLONE_WENT_BACK: of the machine before the present one.
 * CLONE_UPTIME_FELL: of the same boot, but up for less time.
 *
 * A boot id of zeros, and an uptime of 0, is one that isn't known. A reboot, a restart of the agent,
 * a machine that slept or stood still and a changed machine-id are none of these. A machine that was
 * put back to an earlier state is: it has been two. */
enum clone_sign clone_judge(
	const struct client_record *known, const struct hello *hello, uint64_t now, bool steady);

/* Whether store_now() goes at the pace of time. */
bool store_clock_is_steady(struct store *s);

/* Before store_client_hello() of it: keeps which machine was there before, and while the alarm
 * stands notes this one. */
int store_clone_follow(struct store *s, const struct client_record *known,
	const struct hello *hello, const char *address) must_use;

/* The alarm, audited; the machine that spoke last and the one that speaks now are noted.
 * known->clone and since are set. */
int store_clone_alarm(struct store *s, struct client_record *known, enum clone_sign sign,
	const struct hello *hello, const char *address) must_use;

struct clone_machine {
	uint8_t boot_id[16];
	uint8_t machine[MACHINE_HASH_SIZE];
	char address[ADDRESS_SIZE];
	char hostname[65];
	uint64_t first, last;
};
typedef int (*clone_visitor)(void *userdata, const struct clone_machine *m);
int store_clone_each(struct store *s, const uint8_t id[static CLIENT_ID_SIZE], clone_visitor visit,
	void *userdata) must_use;

/* Takes the alarm off, audited: which machine it is is open again until the next HELLO. 1: done;
 * 0: there was none. */
int store_clone_clear(struct store *s, const char *id_or_prefix, const char *actor,
	struct client_record *ret) must_use;

#endif
