/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/diff.h"

static struct buffer out;

/* Of exactly sized copies. */
static const char *diff(const char *old, const char *new)
{
	char *a = (char *)exactly(old, strlen(old)), *b = (char *)exactly(new, strlen(new));

	buffer_clear(&out);
	assert_int_equal(diff_unified(a, strlen(old), b, strlen(new), "a", "b", &out), 0);
	assert_int_equal(buffer_append(&out, "", 1), 0);
	free(a);
	free(b);
	return (const char *)out.data;
}

static void the_same_has_no_difference(void **state)
{
	(void)state;
	assert_string_equal(diff("", ""), "");
	assert_string_equal(diff("a\nb", "a\nb"), "");
	buffer_clear(&out);
}

static void what_differs_is_told_as_diff_does(void **state)
{
	static const char *const cases[][3] = {
		{ "", "a\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+a\n" },
		{ "a\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n" },
		{ "a\n", "a", "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n" },
		{ "a\nb\nc\n", "a\nX\nc\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nV\n6\n7\n8\n9\n",
			"--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "A\n2\n3\n4\n5\n6\n7\n8\n9\nB\n",
			"--- a\n+++ b\n@@ -1,4 +1,4 @@\n-1\n+A\n 2\n 3\n 4\n"
			"@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+B\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n", "A\n2\n3\n4\n5\n6\n7\nB\n",
			"--- a\n+++ b\n@@ -1,8 +1,8 @@\n-1\n+A\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+B\n" },
		{ "a\nb\n", "b\na\n", "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-a\n b\n+a\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(diff(cases[i][0], cases[i][1]), cases[i][2]);
	buffer_clear(&out);
}

static void texts_that_are_none_only_differ(void **state)
{
	(void)state;
	buffer_clear(&out);
	assert_int_equal(diff_unified("a\0b", 3, "a", 1, "x@1", "x@2", &out), 0);
	assert_memory_equal(out.data, "Binary files x@1 and x@2 differ\n", out.len);
	buffer_clear(&out);
}

/* Puts the difference back on the old text; what comes out must be the new one. */
static void check_by_patching(const char *old, const char *new)
{
	const char *at = diff(old, new), *from = old;
	struct buffer made = { .limit = 1 << 24 };
	unsigned line, behind;

	at = *at ? strstr(at, "@@ ") : at;
	while (*at) {
		size_t len = strcspn(at, "\n");

		if (*at == '@') {
			assert_int_equal(sscanf(at, "@@ -%u", &line), 1);
			behind = strstr(at, ",0 +") && strstr(at, ",0 +") < at + len ? line
										     : line - 1;
			for (const char *p = old; behind > 0; behind--, p = strchr(p, '\n') + 1) {
				if (p < from)
					continue;
				size_t n = strcspn(p, "\n") + 1;
				assert_int_equal(buffer_append(&made, p, n), 0);
				from = p + n;
			}
		} else if (*at != '\\') {
			if (*at != '-')
				assert_int_equal(buffer_append(&made, at + 1, len), 0);
			if (*at != '+')
				from += len;
		}
		at += len + 1;
	}
	assert_int_equal(buffer_append(&made, from, strlen(from) + 1), 0);
	assert_string_equal((char *)made.data, new);
	buffer_clear(&made);
	buffer_clear(&out);
}

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void random_lines(char *ret, uint32_t count, uint32_t kinds)
{
	for (*ret = '\0'; count > 0; count--)
		ret += sprintf(ret, "%u\n", chance(kinds));
}

static void any_difference_makes_the_new_of_the_old(void **state)
{
	static char old[1 << 16], new[1 << 16];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		random_lines(old, chance(30), 1 + chance(8));
		random_lines(new, chance(30), 1 + chance(8));
		check_by_patching(old, new);
	}
	/* more edits than are looked for */
	random_lines(old, 3000, 100000);
	random_lines(new, 3000, 100000);
	check_by_patching(old, new);
}

static void what_does_not_fit_is_an_error(void **state)
{
	struct buffer small = { .limit = 30 };

	(void)state;
	assert_true(diff_unified("a\nb\nc\n", 6, "c\nd\ne\n", 6, "a", "b", &small) < 0);
	buffer_clear(&small);
}

UNIT(it(the_same_has_no_difference), it(what_differs_is_told_as_diff_does),
	it(texts_that_are_none_only_differ), it(any_difference_makes_the_new_of_the_old),
	it(what_does_not_fit_is_an_error))
