/* SPDX-License-Identifier: MIT */
/* The conversation with the server: one channel, one question and answer after another. */
#ifndef MUSTER_ENROL_CONTACT_H
#define MUSTER_ENROL_CONTACT_H

#include "enrol/report.h"
#include "lib/body.h"
#include "lib/uplink.h"

/* Why the last question has no answer. */
struct contact_error {
	int r;
	struct uplink_error uplink; /* r is none of the two below */
	struct nack nack; /* r is -EREMOTEIO: the server says no; -EINPROGRESS: its text */
};

struct contact {
	struct uplink *uplink;
	struct session *session;
	uint64_t asked; /* questions, and so the sequence number of the last one */
	struct contact_error error;
};

/* Connects, checks the pin, upgrades. id: NULL before the enrolment. identity must outlive it. On
 * failure c->error tells. */
int contact_open(struct contact *c, const struct uplink_options *o, const struct identity *identity,
	const uint8_t server_key[static PUBLIC_KEY_SIZE], const uint8_t *id) must_use;
bool contact_is_open(const struct contact *c);
void contact_close(struct contact *c);

/* Each asks and waits for the answer, at most seconds; negative: c->error tells. */
int contact_token(struct contact *c, const struct token_query *q, unsigned seconds,
	struct token_answer *ret) must_use;
/* The messages after it bear the new id. -EINPROGRESS: an administrator has to approve it first;
 * then the same answers come, unasked, to contact_await(). */
int contact_enrol(struct contact *c, const struct enrol_request *e, unsigned seconds,
	struct enrolled *ret) must_use;
int contact_await(struct contact *c, unsigned seconds, struct enrolled *ret) must_use;
int contact_leave(struct contact *c, unsigned seconds) must_use;

/* What it means: the exit code, and a sentence in ret. signal: that was caught, or 0. */
int contact_explain(
	const struct contact_error *e, const char *server, int signal, char *ret, size_t size);

/* Whether nothing came back that a muster server could have said: another address may do better. */
bool contact_is_away(const struct uplink_error *e);

/* Whether the connection was lost, or could not be made, so that asking again may help. */
bool contact_may_retry(const struct contact_error *e);

/* Whether the server says that it has no machine of the TLS key that was shown: it has left. */
bool contact_is_unknown(const struct contact_error *e);

#endif
