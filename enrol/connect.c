/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "enrol/enrol.h"
#include "enrol/paths.h"
#include "enrol/servers.h"
#include "lib/backoff.h"
#include "lib/secret.h"

#define ANSWER_SECONDS 10
#define RETRY_SECONDS  30  /* a lost answer to ENROL is asked for again so long */
#define AWAIT_SECONDS  20  /* then a pending machine asks whether it still is */
#define UNDO_SECONDS   5   /* giving a use back */
#define SKEW_SECONDS   300 /* a clock further off than that is named */

static uint64_t now(void)
{
	return (uint64_t)time(NULL);
}

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int step_connect(struct enrol *e)
{
	int r = keys_prepare(e);

	if (r < 0)
		return enrol_failed(e, EXIT_INTERNAL, r, "cannot make keys", NULL);
	r = servers_open(e, NULL);
	if (r < 0)
		return enrol_explain(e, &e->contact.error);
	report_done(&e->report, "%s, pinned key", e->options.server);
	return 0;
}

/* ---- TOKEN */

static void compare_clocks(struct enrol *e, uint64_t server)
{
	char amount[REPORT_AMOUNT_SIZE];
	uint64_t here = now();
	uint64_t skew = here > server ? here - server : server - here;

	if (skew > SKEW_SECONDS)
		report_warn(&e->report, "time", "this machine's clock is %s %s the server's",
			report_duration(skew, amount), here > server ? "ahead of" : "behind");
}

static void tell_token(struct enrol *e, const struct token_answer *a)
{
	char labels[LABELS_TEXT_SIZE], uses[48], expiry[64], amount[REPORT_AMOUNT_SIZE];

	labels_join(&a->labels, labels);
	if (a->uses_left == UNLIMITED_USES)
		snprintf(uses, sizeof uses, "any number of uses");
	else
		snprintf(uses, sizeof uses, "%u use%s left", a->uses_left,
			a->uses_left == 1 ? "" : "s");
	if (a->expires == 0)
		snprintf(expiry, sizeof expiry, "never expires");
	else
		snprintf(expiry, sizeof expiry, "expires in %s",
			report_duration(a->expires > a->time ? a->expires - a->time : 0, amount));
	report_done(
		&e->report, "accepted: labels %s; %s; %s", *labels ? labels : "none", uses, expiry);
}

static int ask_token(struct enrol *e, struct token_answer *ret)
{
	struct token_query q = { .time = now() };
	int r;

	memcpy(q.identity, identity_public(e->identity), sizeof q.identity);
	memcpy(q.token, e->token, sizeof q.token);
	r = contact_token(&e->contact, &q, ANSWER_SECONDS, ret);
	explicit_bzero(q.token, sizeof q.token);
	return r;
}

/* An earlier run's keys may have been enrolled by another token, or have said HELLO: then they are
 * of no more use, and new ones are made. */
static int ask_with_new_keys(struct enrol *e, struct token_answer *ret)
{
	int r;

	report_warn(&e->report, "keys",
		"an earlier enrolment of this machine can't be continued; new keys are made");
	r = keys_renew(e);
	if (r < 0)
		return r;
	r = servers_open(e, NULL);
	return r < 0 ? r : ask_token(e, ret);
}

int step_token(struct enrol *e)
{
	struct token_answer a;
	int r = ask_token(e, &a);

	if (r == -EREMOTEIO && e->inherited &&
		(e->contact.error.nack.code == NACK_KEY_KNOWN ||
			e->contact.error.nack.code == NACK_REVOKED))
		r = ask_with_new_keys(e, &a);
	if (r < 0)
		return enrol_explain(e, &e->contact.error);
	compare_clocks(e, a.time);
	tell_token(e, &a);
	return 0;
}

/* ---- ENROL */

static int ask_enrol(struct enrol *e, unsigned seconds)
{
	struct enrol_request q = { .time = now() };
	int r;

	memcpy(q.identity, identity_public(e->identity), sizeof q.identity);
	memcpy(q.token, e->token, sizeof q.token);
	memcpy(q.tls_pin, e->tls.pin, sizeof q.tls_pin);
	facts_gather(&q.facts);
	r = contact_enrol(&e->contact, &q, seconds, &e->answer);
	explicit_bzero(q.token, sizeof q.token);
	return r;
}

static void pause_ms(uint64_t ms)
{
	uint64_t until = monotonic_ms() + ms;

	while (!enrol_signal && monotonic_ms() < until) {
		const struct timespec tick = { .tv_nsec = 50 * 1000 * 1000 };

		nanosleep(&tick, NULL);
	}
}

/* The server's own words that these keys are not, or no longer, enrolled. */
static bool is_refused(const struct enrol *e, int r)
{
	return r == -EREMOTEIO && e->contact.error.nack.code != NACK_INTERNAL &&
	       e->contact.error.nack.code != NACK_BUSY;
}

/* From the first byte until there is an answer, the server may have taken it. A refusal tells that
 * it has not, but says nothing of a question before whose answer was lost. */
static int ask_surely(struct enrol *e)
{
	bool before = e->asked;
	int r;

	e->asked = true;
	r = ask_enrol(e, ANSWER_SECONDS);
	if (r == -EREMOTEIO)
		e->asked = before && (e->inherited || !is_refused(e, r));
	return r;
}

/* The channel may have been closed during a long download, and an answer may be lost: the same
 * question by the same keys gets the same answer, so it is asked again for a while. */
static int ask_until_answered(struct enrol *e)
{
	struct backoff pauses = { .base_ms = 100, .cap_ms = 3000 };
	uint64_t until = monotonic_ms() + RETRY_SECONDS * 1000;
	int r;

	for (;;) {
		r = 0;
		if (!contact_is_open(&e->contact))
			r = servers_open(e, NULL);
		if (r == 0)
			r = ask_surely(e);
		if (r == 0 || !contact_may_retry(&e->contact.error))
			return r;
		contact_close(&e->contact);
		if (enrol_signal || monotonic_ms() >= until)
			return r;
		pause_ms(backoff_next(&pauses));
	}
}

/* What passes by itself, so that the place in the line is worth keeping. */
static bool may_pass(const struct enrol *e, int r)
{
	return contact_may_retry(&e->contact.error) || r == -ETIMEDOUT ||
	       (r == -EREMOTEIO && !is_refused(e, r));
}

/* Once more by the channel that there is, or by a new one. */
static int ask_again(struct enrol *e)
{
	int r = 0;

	if (!contact_is_open(&e->contact))
		r = servers_open(e, NULL);
	return r < 0 ? r : ask_surely(e);
}

/* An administrator takes as long as he takes. The server says so at once on this channel; asking
 * from time to time keeps the channel, and finds the answer that was given while there was none. */
static int await_approval(struct enrol *e)
{
	struct backoff pauses = { .base_ms = 500, .cap_ms = 15000 };
	int r = -EINPROGRESS;

	report_warn(&e->report, "approval", "%s; waiting for that", e->contact.error.nack.text);
	while (!enrol_signal) {
		if (r == -EINPROGRESS) {
			backoff_reset(&pauses);
			r = contact_await(&e->contact, AWAIT_SECONDS, &e->answer);
			if (r == -ETIMEDOUT)
				r = ask_again(e);
		} else if (r < 0 && may_pass(e, r)) {
			contact_close(&e->contact);
			pause_ms(backoff_next(&pauses));
			r = enrol_signal ? r : ask_again(e);
		} else {
			break;
		}
	}
	if (is_refused(e, r) && !e->inherited)
		e->asked = false;
	return r;
}

static int note_asking(struct enrol *e)
{
	char servers[ADDRESSES_TEXT_SIZE], value[sizeof servers + IDENTITY_TEXT_SIZE];
	int r = keys_save(e);

	if (r < 0)
		return r;
	addresses_join(&e->options.servers, servers);
	snprintf(value, sizeof value, "%s %s", servers, e->options.server_key_text);
	return journal_note_now(&e->journal, "enrol", JOURNAL_SENT, value);
}

static bool has_pin_of_ours(const struct enrol *e)
{
	for (size_t i = 0; i < e->options.pins.count; i++)
		for (size_t k = 0; k < e->answer.pin_count; k++)
			if (memcmp(e->options.pins.at[i], e->answer.pins[k], PIN_SIZE) == 0)
				return true;
	return false;
}

static bool has_id(const struct enrol *e)
{
	static const uint8_t none[CLIENT_ID_SIZE];

	return memcmp(e->answer.client_id, none, sizeof none) != 0;
}

int step_enrol(struct enrol *e)
{
	char id[CLIENT_ID_TEXT_SIZE], labels[LABELS_TEXT_SIZE];
	int r = note_asking(e);

	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot write to", JOURNAL_FOLDER);
	r = ask_until_answered(e);
	if (r == -EINPROGRESS)
		r = await_approval(e);
	if (r < 0)
		return enrol_explain(e, &e->contact.error);
	e->enrolled = true;
	e->token = secret_free(e->token);
	if (!has_id(e) || !has_pin_of_ours(e))
		return report_failed(&e->report, EXIT_NOT_AUTHENTIC,
			"the answer of %s makes no sense: it gives %s", e->options.server,
			has_id(e) ? "other pins than its own" : "no client id");
	client_text(e->answer.client_id, id);
	r = journal_note_now(&e->journal, "enrol", JOURNAL_CLIENT, id);
	if (r < 0)
		return enrol_failed(e, EXIT_INSTALL, r, "cannot write to", JOURNAL_FOLDER);
	labels_join(&e->answer.labels, labels);
	report_done(&e->report, "client %s%s%s", id, *labels ? "; labels " : "", labels);
	return 0;
}

/* ---- undo */

/* The id, when its answer was lost, is asked for by the same question. */
static int learn_id(struct enrol *e)
{
	int r;

	if (e->enrolled)
		return 0;
	if (!e->token)
		return -ENOKEY;
	r = servers_open(e, NULL);
	if (r == 0)
		r = ask_enrol(e, UNDO_SECONDS);
	e->enrolled = r == 0;
	return r == -EINPROGRESS ? 0 : r; /* pending: it can be left on this channel */
}

/* The channel on which the machine enrolled may also be left by it; any other needs its TLS key. */
static int leave(struct enrol *e)
{
	int r = learn_id(e);

	if (r < 0)
		return r;
	if (contact_is_open(&e->contact) && contact_leave(&e->contact, UNDO_SECONDS) == 0)
		return 0;
	if (!e->enrolled)
		return -EIO;
	e->uplink.tls = &e->tls;
	r = servers_open(e, e->answer.client_id);
	return r < 0 ? r : contact_leave(&e->contact, UNDO_SECONDS);
}

void undo_enrol(struct enrol *e)
{
	int r;

	if (!e->asked || !e->identity)
		return;
	/* The user waits for it. */
	e->uplink.connect_timeout = UNDO_SECONDS;
	r = leave(e);
	contact_close(&e->contact);
	if (r == 0) {
		report_undone(&e->report, "enrol", "the server has given the token's use back");
		return;
	}
	if (is_refused(e, r) && !e->inherited)
		return;
	if (enrol_signal) {
		report_warn(&e->report, "server",
			"%s could not be told: it may still list this machine", e->options.server);
		return;
	}
	keys_keep(e);
	report_warn(&e->report, "server",
		"%s may have spent a use of the token: run this again before the next boot, with "
		"the same token, and it counts once",
		e->options.server);
}
