/* SPDX-License-Identifier: MIT */
/* How far the machines are with a configuration. */
#include <string.h>
#include <time.h>

#include "config.h"
#include "lib/text.h"
#include "table.h"

#define WAIT_DEFAULT "5m"
#define TICK_MS      250
#define BAR_WIDTH    30

struct tally {
	struct table *table; /* of those that don't have what they should, or of all */
	bool all;
	size_t machines, current, pending;
	json_t *list; /* with --json: the machines themselves */
};

static enum paint paint_of(const char *state)
{
	if (strcmp(state, "current") == 0 || strcmp(state, "none") == 0)
		return PAINT_GOOD;
	return strcmp(state, "pending") == 0 ? PAINT_NONE : PAINT_BAD;
}

static void add_number(struct table *t, json_t *n)
{
	if (json_is_integer(n))
		table_addf(t, PAINT_NONE, "%lld", (long long)json_integer_value(n));
	else
		table_add(t, "-", PAINT_DIM);
}

static void add_row(struct table *t, json_t *machine)
{
	const char *state = get(machine, "state"), *reason = get(machine, "reason");
	const char *text = get(machine, "text");

	table_row(t, get(machine, "hostname"));
	table_addf(t, PAINT_NONE, "%.12s", get(machine, "id"));
	table_add(t, get(machine, "hostname"), PAINT_NONE);
	table_add(t, state, paint_of(state));
	add_number(t, json_object_get(machine, "has"));
	add_number(t, json_object_get(machine, "should"));
	table_addf(t, PAINT_NONE, "%s%s%s", reason, *reason && *text ? ": " : "", text);
}

static void count_one(void *userdata, json_t *machine)
{
	struct tally *t = userdata;
	const char *state = get(machine, "state");
	bool good = strcmp(state, "current") == 0 || strcmp(state, "none") == 0;

	t->machines++;
	t->current += good;
	t->pending += strcmp(state, "pending") == 0;
	if (t->list)
		json_array_append(t->list, machine);
	else if (t->table && (t->all || !good))
		add_row(t->table, machine);
}

static const char *const titles[] = { "ID", "HOSTNAME", "STATE", "HAS", "SHOULD", "WHY" };

/* All machines are looked at, whatever the output is to be. */
static int look(struct ctl *c, const char *path, struct tally *t)
{
	bool json = c->json;
	int r;

	c->json = false;
	r = request_list(c, path, "clients", count_one, t);
	c->json = json;
	return r;
}

static int verdict(const struct tally *t)
{
	return t->current == t->machines ? CTL_OK : CTL_NOT_ALL;
}

static int tell(struct ctl *c, const char *path, bool all)
{
	scoped(table_endp) struct table table = { .titles = titles, .columns = COUNT(titles) };
	struct tally t = { .table = &table, .all = all, .list = c->json ? json_array() : NULL };
	int r = look(c, path, &t);

	if (r == CTL_OK && c->json) {
		json_t *answer = json_pack("{s:I, s:I, s:O}", "machines", (json_int_t)t.machines,
			"current", (json_int_t)t.current, "clients", t.list);

		r = print_json(answer);
	} else if (r == CTL_OK) {
		r = table_print(c, &table);
		fprintf(stderr, "%zu of %zu machines have what they should\n", t.current,
			t.machines);
	}
	json_decref(t.list);
	return r == CTL_OK ? verdict(&t) : r;
}

int config_status(struct ctl *c, int argc, char **argv)
{
	char path[256];
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r == CTL_OK)
		r = config_path(path, sizeof(path), argv[0], "status");
	return r == CTL_OK ? tell(c, path, true) : r;
}

/* ---- waiting */

static void show_bar(const struct tally *t)
{
	size_t done = t->machines - t->pending;
	size_t full = t->machines ? BAR_WIDTH * done / t->machines : BAR_WIDTH;

	fprintf(stderr, "\r[%.*s%.*s] %zu of %zu ", (int)full, "##############################",
		(int)(BAR_WIDTH - full), "..............................", done, t->machines);
	fflush(stderr);
}

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int config_wait(struct ctl *c, const char *name, const char *timeout)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000l };
	bool terminal = isatty(STDERR_FILENO) && !c->json;
	struct tally t;
	uint64_t seconds;
	char path[256];
	time_t began = now();
	int r = config_path(path, sizeof(path), name, "status");

	if (r == CTL_OK && text_duration(timeout ? timeout : WAIT_DEFAULT, &seconds) < 0)
		return complain(CTL_USAGE, "--timeout: '%s' is not a duration", timeout);
	while (r == CTL_OK) {
		t = (struct tally){};
		r = look(c, path, &t);
		if (r == CTL_OK && terminal)
			show_bar(&t);
		if (r != CTL_OK || t.pending == 0 || (uint64_t)(now() - began) >= seconds)
			break;
		nanosleep(&tick, NULL);
	}
	if (terminal)
		fprintf(stderr, "\r\033[K");
	return r == CTL_OK ? tell(c, path, false) : r;
}
