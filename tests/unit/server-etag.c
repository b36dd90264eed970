/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/etag.h"

#define A "\"a\""

static const enum etag_comparison both[] = { ETAG_STRONG, ETAG_WEAK };

static void what_is_not_the_whole_tag_is_not_it(void **state)
{
	static const char *const lists[] = { "", ",,,", "**", "a", "\"a", "\"ab\"", "\"b\"",
		"\"b\", \"c\"", "W/", "W/\"b\"", "w/\"a\"" };

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++)
		for (size_t how = 0; how < COUNT(both); how++)
			if (etag_listed(lists[i], A, both[how]))
				fail_msg("%s is in the list %s", A, lists[i]);
}

static void a_tag_is_found_wherever_it_stands(void **state)
{
	static const char *const lists[] = { "*", "\"a\"", "\"b\", \"a\"", "\"b\",\t\"a\" ,\"c\"",
		"W/\"b\",\"a\"" };

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++)
		for (size_t how = 0; how < COUNT(both); how++)
			if (!etag_listed(lists[i], A, both[how]))
				fail_msg("%s is not in the list %s", A, lists[i]);
}

static void a_weak_tag_counts_in_weak_comparison_only(void **state)
{
	(void)state;
	assert_false(etag_listed("W/" A, A, ETAG_STRONG));
	assert_false(etag_listed("\"b\",W/" A " ,\"c\"", A, ETAG_STRONG));
	assert_true(etag_listed("W/" A, A, ETAG_WEAK));
	assert_true(etag_listed("\"b\",W/" A " ,\"c\"", A, ETAG_WEAK));
}

UNIT(it(what_is_not_the_whole_tag_is_not_it), it(a_tag_is_found_wherever_it_stands),
	it(a_weak_tag_counts_in_weak_comparison_only))
