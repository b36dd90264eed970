/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/text.h"
#include "table.h"

#define LAST_DEFAULT "50"

static void list_one(void *userdata, json_t *entry)
{
	struct table *t = userdata;
	const char *time = get(entry, "time");

	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(entry, "seq")));
	if (strlen(time) == 20)
		table_addf(t, PAINT_NONE, "%.10s %.8s", time, time + 11);
	else
		table_add(t, time, PAINT_NONE);
	table_add(t, get(entry, "actor"), PAINT_NONE);
	table_add(t, get(entry, "act"), PAINT_NONE);
	table_add(t, get(entry, "object"), PAINT_NONE);
	table_add(t, get(entry, "detail"), PAINT_NONE);
}

static int start_path(const char *last, const char *after, bool all, char *path, size_t size)
{
	uint64_t n;

	snprintf(path, size, "/api/v1/audit");
	if ((last != NULL) + (after != NULL) + all > 1)
		return complain(CTL_USAGE, "--last, --after and --all exclude each other");
	if (last && text_number(last, 1, INT64_MAX, &n) < 0)
		return complain(CTL_USAGE, "--last: '%s' is not a number from 1", last);
	if (after && text_number(after, 0, INT64_MAX, &n) < 0)
		return complain(CTL_USAGE, "--after: '%s' is not an entry's number", after);
	if (after)
		request_add(path, size, "after", after);
	else if (!all)
		request_add(path, size, "last", last ? last : LAST_DEFAULT);
	return CTL_OK;
}

int audit_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "SEQ", "TIME (UTC)", "ACTOR", "ACT", "OBJECT",
		"DETAIL" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	const char *last = NULL, *after = NULL;
	bool all = false;
	const struct option options[] = {
		{ "last", OPTION_VALUE, { .value = &last } },
		{ "after", OPTION_VALUE, { .value = &after } },
		{ "all", OPTION_FLAG, { .flag = &all } },
	};
	char path[256];
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r == CTL_OK)
		r = start_path(last, after, all, path, sizeof(path));
	if (r == CTL_OK)
		r = request_list(c, path, "entries", list_one, &t);
	return r == CTL_OK ? table_print(c, &t) : r;
}

int audit_verify(struct ctl *c, int argc, char **argv)
{
	json_t *verdict = NULL;
	bool ok;
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = request_get(c, "/api/v1/audit/verify", &verdict);
	if (r != CTL_OK)
		return r;
	ok = json_is_true(json_object_get(verdict, "ok"));
	if (c->json) {
		r = print_json(verdict);
		return r != CTL_OK || ok ? r : CTL_BROKEN;
	}
	if (ok)
		say(stdout, "the audit log is whole: %lld entries, head %s",
			(long long)json_integer_value(json_object_get(verdict, "entries")),
			get(verdict, "head"));
	else
		r = complain(CTL_BROKEN,
			"the audit log has been changed: entry %lld is not what "
			"was written, or is missing",
			(long long)json_integer_value(json_object_get(verdict, "first_bad")));
	json_decref(verdict);
	return r;
}
