/* SPDX-License-Identifier: MIT */
#include "agent/renewal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/enrolrun.h"
#include "agent/handover.h"
#include "agent/log.h"
#include "agent/status.h"
#include "lib/file.h"
#include "lib/secret.h"

#define RUN_SECONDS 1500 /* that muster-enrol may take */
#define BUSY_TRIES  120  /* looks whether another one has ended */
#define AWAY_LOOKS  60   /* looks whether the server is back, before it is tried anyway */
#define LOST_TRIES  3    /* runs that are ended from outside */
#define PATH_SIZE   256

/* Else the agent says that nothing has changed, and then it does. */
_Static_assert(RUN_SECONDS + ENROLRUN_GRACE + BUSY_TRIES * RENEWAL_PAUSE < RENEWAL_SECONDS,
	"the agent waits for it");

struct renewal {
	const struct renewal_setup *setup;
	struct config config;
	struct handover order;
	struct update_order update;
	struct outcome outcome;
	bool begun; /* it was kept before */
	char kept[PATH_SIZE], result[PATH_SIZE];
};

static void say(struct renewal *w, enum nack_code code, const char *what, const char *why)
{
	w->outcome.code = (uint16_t)code;
	(void)snprintf(
		w->outcome.text, sizeof w->outcome.text, "%s%s%s", what, *why ? ": " : "", why);
}

/* ---------------------------------------------------------------- which order */

static int read_order(struct renewal *w)
{
	const uint8_t *body;
	size_t len;
	int r = handover_verify(&w->order, OP_UPDATE, &w->config);

	if (r < 0)
		return r;
	body = handover_body(&w->order, &len);
	return update_order_decode(body, len, &w->update);
}

static int forget_kept(const struct renewal *w)
{
	if (unlink(w->kept) < 0)
		return errno == ENOENT ? 0 : -errno;
	return folder_sync(w->setup->folder);
}

/* What was begun comes first; what waits behind it is asked for again. An order of a former
 * enrolment is nobody's any more. Errors have been logged, except that there is none. */
static int find_order(struct renewal *w)
{
	int r = handover_load(w->kept, &w->order);

	if (r == 0) {
		r = read_order(w);
		w->begun = r == 0;
	}
	if (r == 0)
		return 0;
	handover_clear(&w->order);
	if (r != -ENOENT) {
		(void)log_err(r, "cannot go on with the order in '%s'", w->kept);
		r = forget_kept(w);
		if (r < 0)
			return log_err(r, "cannot remove it");
	}
	r = handover_take(w->setup->state, RENEWAL_NAME, &w->order);
	if (r == 0)
		r = read_order(w);
	if (r < 0 && r != -ENOENT)
		log_say(LOG_ERR, "refused an order that the server has not given: %s",
			strerror(-r));
	return r;
}

/* ---------------------------------------------------------------- whether */

/* Once taken, a number is never carried out for another order. */
static bool take_number(struct renewal *w)
{
	struct newest n = { .number = w->update.number };
	uint64_t last;
	int r;

	memcpy(n.hash, w->update.release, sizeof n.hash);
	memcpy(n.giver, w->outcome.giver, sizeof n.giver);
	r = newest_take(w->setup->folder, RENEWAL_NAME, &n, &last);
	if (r == -ESTALE)
		say(w, NACK_OLDER_ORDER, "a later order has been carried out here", "");
	else if (r < 0)
		say(w, NACK_STORAGE, "cannot keep the order's number",
			r == -EBADMSG ? "the file is damaged" : strerror(-r));
	return r == 0;
}

static bool keep(struct renewal *w)
{
	int r = file_write_atomic(w->kept, w->order.bytes, w->order.len, 0600);

	if (r < 0) { /* it may be there, and not be durable */
		(void)unlink(w->kept);
		say(w, NACK_STORAGE, "cannot keep the order", strerror(-r));
	}
	return r == 0;
}

static bool is_answered_in(const char *path, struct renewal *w)
{
	struct outcome o;

	if (outcome_read(path, &o) < 0 || !outcome_is_of(&o, w->outcome.number, w->outcome.giver))
		return false;
	w->outcome = o;
	return true;
}

/* The agent's copy is root's as well, and there also when the disk was full at the end. */
static bool is_answered(struct renewal *w)
{
	return is_answered_in(w->result, w) || (w->begun && is_answered_in(w->setup->outcome, w));
}

/* ---------------------------------------------------------------- the work */

/* A server that is away is no reason to disturb an agent that tries to reach it. */
static void await_server(const struct renewal *w)
{
	struct status s;

	for (int i = 0; i < AWAY_LOOKS; i++) {
		(void)sleep(w->setup->pause);
		if (status_read(w->setup->runtime, &s) == 0 &&
			(s.state == CONNECTED || s.state == SUSPENDED))
			return;
	}
}

/* Again as long as it hasn't come to an end that can be told. */
static void run(const struct renewal *w, struct enrolrun *ret)
{
	for (int busy = 0, lost = 0; busy < BUSY_TRIES && lost < LOST_TRIES;) {
		enrolrun(w->setup->program, w->update.release, RUN_SECONDS, ret);
		if (ret->end == ENROLRUN_LOST) {
			lost++;
		} else if (ret->end == ENROLRUN_BUSY) {
			busy++;
			(void)sleep(w->setup->pause);
		} else if (ret->end == ENROLRUN_UNPROVED) {
			await_server(w);
		} else {
			return;
		}
	}
}

static void carry_out(struct renewal *w)
{
	struct enrolrun ran = {};

	log_say(LOG_NOTICE,
		"%s the update to version %s that the server has ordered, number %" PRIu64,
		w->begun ? "going on with" : "beginning", w->update.version, w->update.number);
	run(w, &ran);
	switch (ran.end) {
	case ENROLRUN_DONE:
		break;
	case ENROLRUN_PUT_BACK:
		say(w, NACK_PUT_BACK, ran.text, "");
		break;
	case ENROLRUN_HALF_DONE:
		say(w, NACK_HALF_DONE, ran.text, "");
		break;
	case ENROLRUN_LOST:
		say(w, access(w->setup->journal, F_OK) == 0 ? NACK_HALF_DONE : NACK_UPDATE,
			ran.text, "");
		break;
	case ENROLRUN_FAILED:
	case ENROLRUN_BUSY:
	case ENROLRUN_UNPROVED: /* it is run again until it is something else */
		say(w, NACK_UPDATE, ran.text, "");
		break;
	}
}

/* ---------------------------------------------------------------- the end */

static int tell(const struct renewal *w)
{
	const struct outcome *o = &w->outcome;
	int r;

	if (o->code)
		log_say(LOG_WARNING, "update to version %s, number %" PRIu64 ": %s: %s",
			w->update.version, o->number, nack_name(o->code), o->text);
	else
		log_say(LOG_NOTICE, "update to version %s, number %" PRIu64 ": done",
			w->update.version, o->number);
	r = outcome_write(w->setup->outcome, o);
	return r < 0 ? log_err(r, "cannot write '%s'", w->setup->outcome) : 0;
}

/* The agent is told also what can't be kept; the order then is, and nothing but this is done
 * again. */
static int finish(struct renewal *w)
{
	int kept = outcome_write(w->result, &w->outcome), r = tell(w);

	if (kept < 0)
		return log_err(kept, "cannot write '%s'", w->result);
	if (r == 0) {
		r = forget_kept(w);
		if (r < 0)
			(void)log_err(r, "cannot remove '%s'", w->kept);
	}
	return r;
}

static int answer(struct renewal *w)
{
	w->outcome.number = w->update.number;
	newest_giver(w->config.server_key, w->config.client_id, w->outcome.giver);
	if (!w->begun && !w->config.updates)
		say(w, NACK_NO_UPDATES, "this machine takes no updates from its server", "");
	else if (w->begun || take_number(w)) {
		if (is_answered(w))
			return finish(w);
		if (w->begun || keep(w)) {
			carry_out(w);
			return finish(w);
		}
	}
	return tell(w);
}

static int prepare(struct renewal *w)
{
	char why[CONFIG_WHY_SIZE];
	const struct renewal_setup *s = w->setup;
	int r = secret_init();

	if (snprintf(w->kept, sizeof w->kept, "%s/order", s->folder) >= PATH_SIZE ||
		snprintf(w->result, sizeof w->result, "%s/result", s->folder) >= PATH_SIZE)
		return log_err(-ENAMETOOLONG, "cannot use '%s'", s->folder);
	if (r < 0)
		return log_err(r, "cannot start");
	r = config_load(s->config, &w->config, why);
	if (r < 0)
		log_say(LOG_ERR, "cannot use '%s': %s", s->config, why);
	return r;
}

int renewal_run(const struct renewal_setup *s)
{
	struct renewal w = { .setup = s };
	int r = prepare(&w);

	if (r == 0) {
		r = find_order(&w);
		if (r == 0)
			r = answer(&w);
		else if (r == -ENOENT) /* it has been taken meanwhile */
			r = 0;
	}
	handover_clear(&w.order);
	/* What is kept has systemd start it again at once, and after some times not any more. */
	if (r < 0 && access(w.kept, F_OK) == 0)
		(void)sleep(s->pause);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
