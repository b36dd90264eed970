/* SPDX-License-Identifier: MIT */
/* The release that the server offers, and how far it is rolled out. */
#include <string.h>

#include "rollout.h"
#include "table.h"

static void list_file(struct table *t, json_t *file)
{
	bool offered = json_is_true(json_object_get(file, "offered"));

	table_add(t, get(file, "path"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(file, "size")));
	table_addf(t, PAINT_NONE, "%.12s", get(file, "sha256"));
	table_add(t, offered ? "yes" : "no: missing, or another file",
		offered ? PAINT_GOOD : PAINT_BAD);
}

static int print_release(struct ctl *c, json_t *release)
{
	static const char *const titles[] = { "FILE", "SIZE", "SHA-256", "OFFERED" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	char time[WHEN_SIZE];
	json_t *file;
	size_t i;

	field(c, "Version", get(release, "version"));
	fieldf(c, "Manifest", "%lld, issued %s",
		(long long)json_integer_value(json_object_get(release, "serial")),
		when_exactly(get(release, "issued"), time));
	field(c, "Digest", get(release, "digest"));
	json_array_foreach (json_object_get(release, "files"), i, file)
		list_file(&t, file);
	putchar('\n');
	return table_print(c, &t);
}

/* NULL: the server offers none. */
static int fetch(struct ctl *c, json_t **ret)
{
	json_t *status = NULL;
	bool offers;
	int r = request_get(c, "/api/v1/status", &status);

	if (r != CTL_OK)
		return r;
	offers = json_is_object(json_object_get(status, "manifest"));
	json_decref(status);
	*ret = NULL;
	return offers ? request_get(c, "/api/v1/release", ret) : CTL_OK;
}

/* In short, and what there is to do about it. */
static void print_rollout(struct ctl *c, json_t *rollout)
{
	char progress[PROGRESS_SIZE];

	fieldf(c, "Roll-out", "%lld, %s: version %s for %s", rollout_number(rollout),
		get(rollout, "state"), get(rollout, "version"), get(rollout, "selector"));
	field_painted(c, "Why", get(rollout, "reason"),
		rollout_is(rollout, "halted") ? PAINT_BAD : PAINT_NONE);
	field(c, "Machines", rollout_progress(rollout, progress));
	fflush(stdout);
	rollout_advise(rollout);
}

static int print_all(struct ctl *c, json_t *release, json_t *rollout)
{
	int r = CTL_OK;

	if (release)
		r = print_release(c, release);
	else
		field_painted(c, "Version",
			"none: nothing can be enrolled or updated; the server's log tells why",
			PAINT_BAD);
	if (r == CTL_OK && (rollout || release))
		putchar('\n');
	if (r == CTL_OK && rollout)
		print_rollout(c, rollout);
	else if (r == CTL_OK && release)
		field(c, "Roll-out", "none yet: musterctl release rollout --to SELECTOR");
	return r;
}

int release_show(struct ctl *c, int argc, char **argv)
{
	json_t *release = NULL, *rollout = NULL;
	int r = options_only(c, NULL, 0, argc, argv, 0);

	if (r == CTL_OK)
		r = fetch(c, &release);
	if (r == CTL_OK)
		r = rollout_newest(c, &rollout);
	if (r == CTL_OK && c->json)
		return print_json(
			json_pack("{s:o?, s:o?}", "release", release, "rollout", rollout));
	if (r == CTL_OK)
		r = print_all(c, release, rollout);
	json_decref(release);
	json_decref(rollout);
	return r;
}
