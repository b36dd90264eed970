/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/label.h"

static int add(struct labels *l, const char *label)
{
	char *copy = (char *)exactly(label, strlen(label) + 1);
	int r = labels_add(l, copy);

	free(copy);
	return r;
}

static void labels_of_every_allowed_form_are_taken(void **state)
{
	static const char *const good[] = { "a", "0", "role=web", "empty=", "a.b_c-d/e",
		"site=Zurich:8/4@x+y", "k=-", "9=." };
	struct labels l = {};
	char longest[128];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(add(&l, good[i]), 0);
	memset(longest, 'k', 127);
	longest[63] = '=';
	longest[127] = '\0';
	assert_int_equal(add(&l, longest), 0);
	assert_int_equal(l.count, COUNT(good) + 1);
}

static void malformed_labels_are_refused(void **state)
{
	static const char *const bad[] = { "", "=", "=x", "A", "Role=web", "-a", ".a", "_a", "/a",
		"a b", "a=b c", "a=b,c", "a,b", "a!", "a=b=c", "a=\xc3\xbc", "\xc3\xbc", "a\n",
		"a=\x1b[0m", "a='x'", "a=$(x)", "a=\"", "a=`x`", "a=;x", "a=<b>", "a=\\", "*" };
	struct labels l = {};
	char longer[130];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(add(&l, bad[i]), -EINVAL);
	memset(longer, 'k', sizeof longer);
	longer[64] = '\0';
	assert_int_equal(add(&l, longer), -EINVAL);
	longer[64] = 'k';
	longer[1] = '=';
	longer[2 + 64] = '\0';
	assert_int_equal(add(&l, longer), -EINVAL);
	longer[2 + 63] = '\0';
	assert_int_equal(add(&l, longer), 0);
	assert_int_equal(l.count, 1);
}

static void a_key_is_there_only_once(void **state)
{
	struct labels l = {};

	(void)state;
	assert_int_equal(add(&l, "role=web"), 0);
	assert_int_equal(add(&l, "role"), -EEXIST);
	assert_int_equal(add(&l, "role=db"), -EEXIST);
	assert_int_equal(add(&l, "role="), -EEXIST);
	assert_int_equal(add(&l, "rol"), 0);
	assert_int_equal(add(&l, "role-x"), 0);
	assert_int_equal(add(&l, "roles=web"), 0);
	assert_int_equal(l.count, 4);
}

static void there_are_at_most_so_many(void **state)
{
	struct labels l = {};
	char label[16];

	(void)state;
	for (int i = 0; i < LABELS_MAX; i++) {
		snprintf(label, sizeof label, "k%d", i);
		assert_int_equal(add(&l, label), 0);
	}
	assert_int_equal(add(&l, "one-more"), -E2BIG);
	assert_int_equal(add(&l, "k0"), -EEXIST);
	assert_int_equal(l.count, LABELS_MAX);
}

static void they_are_sorted_whatever_the_order(void **state)
{
	struct labels l = {};
	char text[LABELS_TEXT_SIZE];

	(void)state;
	assert_int_equal(labels_split("role=web,site=zrh,b,a=1", &l), 0);
	labels_join(&l, text);
	assert_string_equal(text, "a=1,b,role=web,site=zrh");
	assert_int_equal(labels_split(text, &l), 0);
	assert_int_equal(l.count, 4);
	assert_int_equal(labels_split("", &l), 0);
	assert_int_equal(l.count, 0);
	labels_join(&l, text);
	assert_string_equal(text, "");
}

static void the_largest_set_fits_its_text(void **state)
{
	struct labels l = {}, again;
	char text[LABELS_TEXT_SIZE], label[LABEL_SIZE];

	(void)state;
	for (int i = 0; i < LABELS_MAX; i++) {
		memset(label, 'v', sizeof label);
		label[0] = (char)('a' + i % 26);
		label[1] = (char)('a' + i / 26);
		label[63] = '=';
		label[127] = '\0';
		assert_int_equal(add(&l, label), 0);
	}
	labels_join(&l, text);
	assert_int_equal(strlen(text), LABELS_TEXT_SIZE - 1);
	assert_int_equal(labels_split(text, &again), 0);
	assert_memory_equal(&l, &again, sizeof l);
}

static void a_malformed_list_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = { ",", "a,", ",a", "a,,b", "a, b", "a;b", "a=1,A=2", "a\n",
		"a=1,=2" };
	struct labels l = { .count = 77 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(labels_split(bad[i], &l), -EINVAL);
	assert_int_equal(labels_split("a=1,b,a=2", &l), -EEXIST);
	assert_int_equal(l.count, 77);
}

static void selectors_match_what_they_say(void **state)
{
	static const struct {
		const char *selector;
		bool matches; /* role=web,site=zrh,canary */
	} cases[] = {
		{ "*", true },
		{ "role", true },
		{ "role=web", true },
		{ "role=db", false },
		{ "role=we", false },
		{ "role=webs", false },
		{ "role!=web", false },
		{ "role!=db", true },
		{ "!role", false },
		{ "!missing", true },
		{ "missing", false },
		{ "missing=x", false },
		{ "missing!=x", true },
		{ "canary", true },
		{ "canary=", true },
		{ "canary!=", false },
		{ "canary=x", false },
		{ "role=web,site=zrh", true },
		{ "role=web,site!=zrh", false },
		{ "role=web,!missing,canary", true },
		{ "missing,role=web", false },
		{ "rol", false },
	};
	struct labels l;
	char text[LABELS_TEXT_SIZE];

	(void)state;
	assert_int_equal(labels_split("role=web,site=zrh,canary", &l), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(selector_check(cases[i].selector), 0);
		assert_int_equal(selector_matches(cases[i].selector, &l), cases[i].matches);
		labels_join(&l, text);
		assert_int_equal(selector_matches_text(cases[i].selector, text), cases[i].matches);
	}
}

static void malformed_selectors_are_refused_and_match_nobody(void **state)
{
	static const char *const bad[] = { "", "**", "*,a", "a,*", ",", "a,", ",a", "a,,b", "!",
		"!!a", "!a=b", "a!", "a!b", "a==b", "a=!b", "=b", "A", "a b", " a", "a=b c",
		"a=1;b", "a=\n", "a'" };
	struct labels l = {};
	char longer[SELECTOR_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(selector_check(bad[i]), -EINVAL);
		assert_false(selector_matches(bad[i], &l));
		assert_false(selector_matches_text(bad[i], ""));
	}
	for (size_t i = 0; i < sizeof longer; i++)
		longer[i] = i % 2 ? ',' : 'a';
	longer[SELECTOR_SIZE] = '\0';
	assert_int_equal(selector_check(longer), -EINVAL);
	longer[SELECTOR_SIZE - 1] = '\0';
	longer[SELECTOR_SIZE - 2] = 'b';
	assert_int_equal(selector_check(longer), 0);
}

static void a_label_takes_the_place_of_its_key(void **state)
{
	struct labels l, before;
	char text[LABELS_TEXT_SIZE];

	(void)state;
	assert_int_equal(labels_split("canary,role=web,site=zrh", &l), 0);
	assert_int_equal(labels_put(&l, "role=db"), 0);
	assert_int_equal(labels_put(&l, "canary=1"), 0);
	assert_int_equal(labels_put(&l, "a"), 0);
	labels_join(&l, text);
	assert_string_equal(text, "a,canary=1,role=db,site=zrh");
	before = l;
	assert_int_equal(labels_put(&l, "Role=x"), -EINVAL);
	assert_int_equal(labels_put(&l, "role=x,y"), -EINVAL);
	assert_int_equal(labels_put(&l, ""), -EINVAL);
	assert_memory_equal(&l, &before, sizeof l);
	for (unsigned i = 0; l.count < LABELS_MAX; i++) {
		(void)snprintf(text, sizeof text, "n%u", i);
		assert_int_equal(labels_put(&l, text), 0);
	}
	assert_int_equal(labels_put(&l, "one-more"), -E2BIG);
	assert_int_equal(labels_put(&l, "n0=replaced"), 0);
	assert_int_equal(l.count, LABELS_MAX);
}

static void a_label_is_dropped_by_its_whole_key(void **state)
{
	static const char *const none[] = { "rol", "roles", "role=web", "", "=", "ROLE", "-" };
	struct labels l, left;

	(void)state;
	assert_int_equal(labels_split("canary,role=web,site=zrh", &l), 0);
	for (size_t i = 0; i < COUNT(none); i++)
		assert_false(labels_drop(&l, none[i]));
	assert_int_equal(l.count, 3);
	assert_true(labels_drop(&l, "role"));
	assert_false(labels_drop(&l, "role"));
	assert_int_equal(labels_split("canary,site=zrh", &left), 0);
	assert_memory_equal(&l, &left, sizeof l);
	assert_true(labels_drop(&l, "site"));
	assert_true(labels_drop(&l, "canary"));
	assert_int_equal(l.count, 0);
}

UNIT(it(labels_of_every_allowed_form_are_taken), it(malformed_labels_are_refused),
	it(a_key_is_there_only_once), it(there_are_at_most_so_many),
	it(they_are_sorted_whatever_the_order), it(the_largest_set_fits_its_text),
	it(a_label_takes_the_place_of_its_key), it(a_label_is_dropped_by_its_whole_key),
	it(a_malformed_list_is_refused_and_changes_nothing), it(selectors_match_what_they_say),
	it(malformed_selectors_are_refused_and_match_nobody))
