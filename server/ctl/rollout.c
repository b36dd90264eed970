/* SPDX-License-Identifier: MIT */
/* Rolling out the release that the server offers: starting it, waiting, halting, resuming, ending. */
#include "rollout.h"

#include <string.h>
#include <time.h>

#include "lib/text.h"
#include "table.h"

#define WAIT_DEFAULT "1h"
#define TICK_MS      250
#define BAR_WIDTH    30

/* ---- waiting */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void show_bar(json_t *rollout)
{
	long long done = rollout_count(rollout, "done") + rollout_count(rollout, "failed");
	long long left = rollout_count(rollout, "under-way") + rollout_count(rollout, "waiting");
	int full = done + left > 0 ? (int)(BAR_WIDTH * done / (done + left)) : BAR_WIDTH;
	char progress[PROGRESS_SIZE];

	fprintf(stderr, "\r[%.*s%.*s] %s \033[K", full, "##############################",
		BAR_WIDTH - full, "..............................",
		rollout_progress(rollout, progress));
	fflush(stderr);
}

/* Nothing comes any more, but by somebody's doing. */
static bool is_over(json_t *rollout)
{
	return !rollout_is(rollout, "running") ||
	       (rollout_count(rollout, "under-way") == 0 && rollout_count(rollout, "waiting") == 0);
}

/* An answer takes the longer the more machines there are: a fifth of the time at most is spent on
 * asking. */
static void pause_after(uint64_t began)
{
	uint64_t ms = 4 * (now_ms() - began);
	const struct timespec tick = { .tv_sec = ms > TICK_MS ? (time_t)(ms / 1000) : 0,
		.tv_nsec = (long)(ms > TICK_MS ? ms % 1000 : TICK_MS) * 1000000l };

	nanosleep(&tick, NULL);
}

static int look(struct ctl *c, const char *path, json_t **ret)
{
	json_decref(*ret);
	*ret = NULL;
	return request_get(c, path, ret);
}

/* Until it is over, or the time is; a server that is away meanwhile is waited for as well. *ret: as
 * it is then. */
static int watch(struct ctl *c, const char *path, uint64_t seconds, json_t **ret)
{
	bool terminal = isatty(STDERR_FILENO) && !c->json;
	uint64_t end = now_ms() + seconds * 1000, began;
	int r;

	do {
		began = now_ms();
		c->patient = began < end;
		r = look(c, path, ret);
		if (r == CTL_OK && terminal)
			show_bar(*ret);
		if (!c->patient || (r == CTL_OK ? is_over(*ret) : r != CTL_AGAIN))
			break;
		pause_after(began);
	} while (true);
	c->patient = false;
	/* Who was asked while it was counted is in two counts. */
	if (r == CTL_OK && !rollout_is(*ret, "running"))
		r = look(c, path, ret);
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return r;
}

static int outcome_of(json_t *rollout)
{
	bool good = rollout_is(rollout, "running") && is_over(rollout) &&
		    rollout_count(rollout, "failed") == 0;

	return good ? CTL_OK : CTL_NOT_ALL;
}

static int tell_outcome(struct ctl *c, json_t *rollout)
{
	static const char *const bad[] = { "failed", "lost" };
	char id[24], progress[PROGRESS_SIZE];
	int r = CTL_OK;

	snprintf(id, sizeof(id), "%lld", rollout_number(rollout));
	for (size_t i = 0; r == CTL_OK && i < COUNT(bad); i++)
		if (rollout_count(rollout, "failed") > 0)
			r = rollout_machines(c, id, bad[i], NULL);
	fflush(stdout);
	if (!rollout_is(rollout, "running"))
		say(stderr, "it is %s%s%s", get(rollout, "state"),
			*get(rollout, "reason") ? ": " : "", get(rollout, "reason"));
	else if (!is_over(rollout))
		fputs("it is not done yet, and goes on: musterctl release status\n", stderr);
	say(stderr, "%s", rollout_progress(rollout, progress));
	rollout_advise(rollout);
	return r;
}

/* Takes the roll-out over. */
static int wait_for(struct ctl *c, json_t *rollout, uint64_t seconds)
{
	char id[24], path[128];
	int verdict, r;

	snprintf(id, sizeof(id), "%lld", rollout_number(rollout));
	r = rollout_path(path, sizeof(path), id, NULL);
	if (r == CTL_OK)
		r = watch(c, path, seconds, &rollout);
	if (r != CTL_OK) {
		json_decref(rollout);
		return r;
	}
	verdict = outcome_of(rollout);
	if (c->json)
		r = print_json(rollout);
	else {
		r = tell_outcome(c, rollout);
		json_decref(rollout);
	}
	return r == CTL_OK ? verdict : r;
}

/* ---- starting one */

struct start {
	const char *to, *client, *at_once, *failures, *timeout;
	bool all, wait;
	uint64_t seconds;
};

/* The bounds are the server's; what isn't a number at all never gets there. */
static int put_number(json_t *body, const char *option, const char *field, const char *value)
{
	uint64_t n;

	if (!value)
		return CTL_OK;
	if (text_number(value, 0, INT32_MAX, &n) < 0)
		return complain(CTL_USAGE, "--%s: '%s' is not a number of machines", option, value);
	json_object_set_new(body, field, json_integer((json_int_t)n));
	return CTL_OK;
}

static int check(struct start *s)
{
	int given = (s->to != NULL) + (s->client != NULL) + s->all;

	if (given > 1)
		return complain(CTL_USAGE, "--to, --client and --all exclude each other");
	if (given == 0)
		return complain(CTL_USAGE, "for whom? One of --to SELECTOR, --client ID, --all");
	if (s->timeout && !s->wait)
		return complain(CTL_USAGE, "--timeout is for --wait");
	if (text_duration(s->timeout ? s->timeout : WAIT_DEFAULT, &s->seconds) < 0)
		return complain(CTL_USAGE, "--timeout: '%s' is not a duration", s->timeout);
	return CTL_OK;
}

static const char *allowance(json_t *rollout, char ret[static 64])
{
	long long failures = (long long)json_integer_value(json_object_get(rollout, "failures"));
	long long failed = rollout_count(rollout, "failed");

	if (failed >= failures)
		snprintf(ret, 64, "halts at the %s failure", failed > 0 ? "next" : "first");
	else
		snprintf(ret, 64, "halts when more than %lld fail", failures);
	return ret;
}

/* For how many machines it is, which the answer to its start doesn't tell. */
static int tell_reach(struct ctl *c)
{
	char progress[PROGRESS_SIZE];
	json_t *rollout = NULL;
	int r = rollout_newest(c, &rollout);
	bool some = rollout_count(rollout, "waiting") + rollout_count(rollout, "offline") +
			    rollout_count(rollout, "under-way") + rollout_count(rollout, "done") +
			    rollout_count(rollout, "failed") >
		    0;

	if (r == CTL_OK && some)
		say(stderr, "%s", rollout_progress(rollout, progress));
	else if (r == CTL_OK)
		fputs("it asks nobody now: no machine fits, or all that do have had this release\n",
			stderr);
	json_decref(rollout);
	return r;
}

/* Takes the answer over. */
static int started(struct ctl *c, const struct start *s, json_t *rollout)
{
	char text[64];

	if (c->json && !s->wait)
		return print_json(rollout);
	if (!c->json)
		say(stdout, "roll-out %lld: version %s for %s, %lld at once, %s",
			rollout_number(rollout), get(rollout, "version"), get(rollout, "selector"),
			(long long)json_integer_value(json_object_get(rollout, "at_once")),
			allowance(rollout, text));
	fflush(stdout);
	if (s->wait)
		return wait_for(c, rollout, s->seconds);
	json_decref(rollout);
	return tell_reach(c);
}

int release_rollout(struct ctl *c, int argc, char **argv)
{
	struct start s = {};
	const struct option options[] = {
		{ "to", OPTION_VALUE, { .value = &s.to } },
		{ "client", OPTION_VALUE, { .value = &s.client } },
		{ "all", OPTION_FLAG, { .flag = &s.all } },
		{ "at-once", OPTION_VALUE, { .value = &s.at_once } },
		{ "failures", OPTION_VALUE, { .value = &s.failures } },
		{ "wait", OPTION_FLAG, { .flag = &s.wait } },
		{ "timeout", OPTION_VALUE, { .value = &s.timeout } },
	};
	json_t *body = json_object(), *rollout = NULL;
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r == CTL_OK)
		r = check(&s);
	if (s.client)
		json_object_set_new(body, "client", json_string(s.client));
	else if (s.all || s.to)
		json_object_set_new(body, "selector", json_string(s.all ? "*" : s.to));
	if (r == CTL_OK)
		r = put_number(body, "at-once", "at_once", s.at_once);
	if (r == CTL_OK)
		r = put_number(body, "failures", "failures", s.failures);
	if (r == CTL_OK)
		r = request_post(c, "/api/v1/rollouts", body, &rollout);
	json_decref(body);
	return r == CTL_OK ? started(c, &s, rollout) : r;
}

/* ---- halt, resume, end */

static int tell_change(struct ctl *c, json_t *rollout)
{
	long long under_way = rollout_count(rollout, "under-way");
	char text[64];

	if (c->json)
		return print_json(rollout);
	if (rollout_is(rollout, "running"))
		say(stdout, "roll-out %lld is running: it %s", rollout_number(rollout),
			allowance(rollout, text));
	else if (under_way > 0)
		say(stdout, "roll-out %lld is %s; %lld under way will still answer",
			rollout_number(rollout), get(rollout, "state"), under_way);
	else
		say(stdout, "roll-out %lld is %s", rollout_number(rollout), get(rollout, "state"));
	json_decref(rollout);
	return CTL_OK;
}

static int change(struct ctl *c, int argc, char **argv, const char *act, bool resumes)
{
	const char *reason = NULL, *failures = NULL;
	const struct option options[] = {
		{ "reason", OPTION_VALUE, { .value = &reason } },
		{ "failures", OPTION_VALUE, { .value = &failures } },
	};
	json_t *body = json_object(), *rollout = NULL;
	char path[128];
	int r = options_take(c, options, resumes ? 2 : 1, &argc, argv);

	if (r == CTL_OK && argc > 1)
		r = options_only(c, NULL, 0, argc, argv, 1);
	if (r == CTL_OK)
		r = rollout_path(path, sizeof(path), argc > 0 ? argv[0] : NULL, act);
	if (r == CTL_OK && reason)
		json_object_set_new(body, "reason", json_string(reason));
	if (r == CTL_OK)
		r = put_number(body, "failures", "failures", failures);
	if (r == CTL_OK)
		r = request_post(c, path, body, &rollout);
	json_decref(body);
	return r == CTL_OK ? tell_change(c, rollout) : r;
}

int release_halt(struct ctl *c, int argc, char **argv)
{
	return change(c, argc, argv, "halt", false);
}

int release_resume(struct ctl *c, int argc, char **argv)
{
	return change(c, argc, argv, "resume", true);
}

int release_end(struct ctl *c, int argc, char **argv)
{
	return change(c, argc, argv, "end", false);
}
