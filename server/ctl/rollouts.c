/* SPDX-License-Identifier: MIT */
/* What there is of roll-outs: release list, status, machines. */
#include <string.h>

#include "rollout.h"
#include "table.h"

int rollout_path(char *ret, size_t size, const char *id, const char *act)
{
	if (request_path(ret, size, "rollouts", id ? id : "current", act) < 0)
		return complain(CTL_NOT_FOUND, "there is no roll-out '%s'", id);
	return CTL_OK;
}

static long long number(json_t *object, const char *field)
{
	return (long long)json_integer_value(json_object_get(object, field));
}

long long rollout_number(json_t *rollout)
{
	return number(rollout, "id");
}

long long rollout_count(json_t *rollout, const char *what)
{
	return number(json_object_get(rollout, "counts"), what);
}

bool rollout_is(json_t *rollout, const char *state)
{
	return strcmp(get(rollout, "state"), state) == 0;
}

const char *rollout_progress(json_t *r, char ret[static PROGRESS_SIZE])
{
	snprintf(ret, PROGRESS_SIZE,
		"%lld done, %lld under way, %lld failed, %lld waiting, %lld offline",
		rollout_count(r, "done"), rollout_count(r, "under-way"), rollout_count(r, "failed"),
		rollout_count(r, "waiting"), rollout_count(r, "offline"));
	return ret;
}

static bool has_nobody(json_t *r)
{
	return rollout_verdict(r) == CTL_OK && rollout_count(r, "done") == 0;
}

void rollout_advise(json_t *r)
{
	bool offered = json_is_true(json_object_get(r, "offered"));

	if (rollout_is(r, "halted"))
		fputs("nobody else is asked; which failed, and why: "
		      "musterctl release machines --outcome failed (or lost)\n"
		      "to go on: musterctl release resume; to give it up: musterctl release end\n",
			stderr);
	else if (rollout_is(r, "running") && !offered)
		fputs("this server doesn't offer that release, so it asks nobody; "
		      "see musterctl release\n",
			stderr);
	else if (rollout_is(r, "running") && has_nobody(r))
		fputs("there is nobody to ask: the machines that it is for have that release by an "
		      "earlier roll-out, or there are none\n",
			stderr);
}

int rollout_verdict(json_t *r)
{
	bool all = rollout_count(r, "under-way") == 0 && rollout_count(r, "failed") == 0 &&
		   rollout_count(r, "waiting") == 0 && rollout_count(r, "offline") == 0;

	return all ? CTL_OK : CTL_NOT_ALL;
}

static enum paint paint_of(const char *state)
{
	if (strcmp(state, "running") == 0 || strcmp(state, "done") == 0)
		return PAINT_GOOD;
	if (strcmp(state, "halted") == 0 || strcmp(state, "failed") == 0 ||
		strcmp(state, "lost") == 0)
		return PAINT_BAD;
	return strcmp(state, "under-way") == 0 ? PAINT_NONE : PAINT_DIM;
}

/* ---- all of them */

static void list_one(void *userdata, json_t *r)
{
	static const char *const counts[] = { "done", "under-way", "failed" };
	struct table *t = userdata;
	char time[WHEN_SIZE];
	const char *state = get(r, "state");

	table_addf(t, PAINT_NONE, "%lld", rollout_number(r));
	table_add(t, get(r, "version"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%.12s", get(r, "release"));
	table_add(t, get(r, "selector"), PAINT_NONE);
	table_add(t, state, paint_of(state));
	for (size_t i = 0; i < COUNT(counts); i++)
		table_addf(t, PAINT_NONE, "%lld", rollout_count(r, counts[i]));
	table_add(t, when(get(r, "started"), "", time), PAINT_NONE);
	table_add(t, get(r, "actor"), PAINT_NONE);
	table_add(t, get(r, "reason"), PAINT_NONE);
}

int release_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ROLL-OUT", "VERSION", "RELEASE", "FOR", "STATE",
		"DONE", "UNDER WAY", "FAILED", "STARTED", "BY", "WHY" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_list(c, "/api/v1/rollouts", "rollouts", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fputs("nothing was rolled out yet: musterctl release rollout\n", stderr);
	return r == CTL_OK ? table_print(c, &t) : r;
}

/* ---- one */

/* The word that may follow the command and its options. */
static int one_or_none(struct ctl *c, const struct option *options, size_t count, int argc,
	char **argv, const char **ret)
{
	int r = options_take(c, options, count, &argc, argv);

	*ret = argc > 0 ? argv[0] : NULL;
	if (r == CTL_OK && argc > 1)
		return options_only(c, NULL, 0, argc, argv, 1);
	return r;
}

int rollout_newest(struct ctl *c, json_t **ret)
{
	json_t *page = NULL, *newest;
	char id[24], path[128];
	int r = request_get(c, "/api/v1/rollouts?limit=1", &page);

	*ret = NULL;
	if (r != CTL_OK)
		return r;
	newest = json_array_get(json_object_get(page, "rollouts"), 0);
	snprintf(id, sizeof(id), "%lld", rollout_number(newest));
	if (newest)
		r = rollout_path(path, sizeof(path), id, NULL);
	if (newest && r == CTL_OK)
		r = request_get(c, path, ret);
	json_decref(page);
	return r;
}

static void print_rollout(struct ctl *c, json_t *r)
{
	const char *state = get(r, "state");
	char time[WHEN_SIZE], progress[PROGRESS_SIZE];

	fieldf(c, "Roll-out", "%lld", rollout_number(r));
	field_painted(c, "State", state, paint_of(state));
	field(c, "Since", when_exactly(get(r, "changed"), time));
	field(c, "Why", get(r, "reason"));
	field(c, "Version", get(r, "version"));
	field(c, "Release", get(r, "release"));
	field(c, "Offered", json_is_true(json_object_get(r, "offered")) ? "yes" : "no");
	field(c, "For", get(r, "selector"));
	fieldf(c, "At once", "%lld", number(r, "at_once"));
	fieldf(c, "May fail", "%lld", number(r, "failures"));
	field(c, "Started", when_exactly(get(r, "started"), time));
	field(c, "By", get(r, "actor"));
	field(c, "Machines", rollout_progress(r, progress));
}

int release_status(struct ctl *c, int argc, char **argv)
{
	char path[128];
	const char *id;
	json_t *rollout = NULL;
	int verdict, r = one_or_none(c, NULL, 0, argc, argv, &id);

	if (r == CTL_OK)
		r = rollout_path(path, sizeof(path), id, NULL);
	if (r == CTL_OK)
		r = request_get(c, path, &rollout);
	if (r != CTL_OK)
		return r;
	verdict = rollout_verdict(rollout);
	if (c->json) {
		r = print_json(rollout);
		return r == CTL_OK ? verdict : r;
	}
	print_rollout(c, rollout);
	fflush(stdout);
	rollout_advise(rollout);
	json_decref(rollout);
	return verdict;
}

/* ---- its machines */

static void add_machine(void *userdata, json_t *m)
{
	struct table *t = userdata;
	char asked[WHEN_SIZE], answered[WHEN_SIZE];
	const char *state = get(m, "state"), *reason = get(m, "reason"), *text = get(m, "text");

	table_row(t, get(m, "hostname"));
	table_addf(t, PAINT_NONE, "%.12s", get(m, "id"));
	table_add(t, get(m, "hostname"), PAINT_NONE);
	table_add(t, state, paint_of(state));
	table_add(t, get(m, "version"), PAINT_NONE);
	table_add(t, when(get(m, "sent"), "-", asked), PAINT_NONE);
	table_add(t, when(get(m, "answered"), "-", answered), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%s%s%s", reason, *reason && *text ? ": " : "", text);
}

int rollout_machines(struct ctl *c, const char *id, const char *outcome, size_t *ret_count)
{
	static const char *const titles[] = { "ID", "HOSTNAME", "STATE", "VERSION", "ASKED",
		"ANSWERED", "WHY" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	char path[256];
	int r = rollout_path(path, sizeof(path), id, "machines");

	if (r == CTL_OK && outcome)
		request_add(path, sizeof(path), "outcome", outcome);
	if (r == CTL_OK)
		r = request_list(c, path, "machines", add_machine, &t);
	if (ret_count)
		*ret_count = t.count / t.columns;
	return r == CTL_OK ? table_print(c, &t) : r;
}

int release_machines(struct ctl *c, int argc, char **argv)
{
	const char *id, *outcome = NULL;
	const struct option options[] = { { "outcome", OPTION_VALUE, { .value = &outcome } } };
	size_t count = 0;
	int r = one_or_none(c, options, COUNT(options), argc, argv, &id);

	if (r == CTL_OK && outcome && strlen(outcome) > 20)
		return complain(CTL_USAGE, "--outcome: this is longer than 20 characters");
	if (r == CTL_OK)
		r = rollout_machines(c, id, outcome, &count);
	if (r == CTL_OK && !c->json && count == 0)
		fputs(outcome ? "no such machines\n" : "no machines have been asked yet\n", stderr);
	return r;
}
