/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/addresses.h"

#define LONG63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define HOST253                                                                                    \
	LONG63 "." LONG63 "." LONG63 "."                                                           \
	       "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"

static void what_is_no_address_is_refused_and_nothing_is_taken(void **state)
{
	static const char *const texts[] = { "", " ", "\t ", "a", "a:", ":1", "a:0", "a:65536",
		"a:-1", "a:+1", "a:1x", "a:1,b:1", "a:1;b:1", "a:1\nb:1", "a:1 b",
		"b:1 a:1 c:", "https://a:1", "a:1/x", "a_b:1", "-a:1", ".a:1", "[::1]",
		"[::1]:", "[]:1", "[x]:1", "[::1:1", "::1:1", "user@a:1", "a:1 'b:1'", "a:1 b:1\r",
		"\xc3\xa4:1", HOST253 "xx:65535" };
	struct addresses a = {};

	(void)state;
	assert_int_equal(addresses_add(&a, "first:1"), 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (addresses_add(&a, texts[i]) != -EINVAL)
			fail_msg("'%s' was not refused", texts[i]);
		assert_int_equal(a.count, 1);
	}
}

static void a_second_of_the_same_is_refused(void **state)
{
	static const char *const texts[] = { "a.example:1", "A.Example:1", "b:1 a.example:1",
		"b:1 c:1 b:1", "b:1 B:1", "[::1]:2 [::1]:2", "[2001:db8::a]:1", "[2001:DB8::A]:1" };
	struct addresses a = {};

	(void)state;
	assert_int_equal(addresses_add(&a, "a.example:1 [2001:db8::a]:1"), 0);
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (addresses_add(&a, texts[i]) != -EEXIST)
			fail_msg("'%s' was not refused", texts[i]);
		assert_int_equal(a.count, 2);
	}
	assert_int_equal(
		addresses_add(&a, "a.example:2 [::1]:1"), 0); /* another port, another one */
}

static void more_than_eight_are_refused(void **state)
{
	struct addresses a = {};

	(void)state;
	assert_int_equal(addresses_add(&a, "a:1 a:2 a:3 a:4 a:5 a:6 a:7"), 0);
	assert_int_equal(addresses_add(&a, "a:8 a:9"), -E2BIG);
	assert_int_equal(a.count, 7);
	assert_int_equal(addresses_add(&a, "a:8"), 0);
	assert_int_equal(addresses_add(&a, "a:9"), -E2BIG);
	assert_int_equal(addresses_add(&a, "a:1"), -EEXIST);
	assert_int_equal(addresses_add(&a, "nonsense"), -EINVAL);
	assert_int_equal(a.count, 8);
	assert_string_equal(a.at[7], "a:8");
}

static void they_are_kept_in_their_order(void **state)
{
	struct addresses a = {};
	char text[ADDRESSES_TEXT_SIZE];

	(void)state;
	addresses_join(&a, text);
	assert_string_equal(text, "");
	assert_int_equal(addresses_add(&a, " \tmuster.example.org:8443  [2001:db8::1]:8443\t"), 0);
	assert_int_equal(addresses_add(&a, "192.0.2.1:1"), 0);
	assert_int_equal(a.count, 3);
	assert_string_equal(a.at[0], "muster.example.org:8443");
	assert_string_equal(a.at[1], "[2001:db8::1]:8443");
	addresses_join(&a, text);
	assert_string_equal(text, "muster.example.org:8443 [2001:db8::1]:8443 192.0.2.1:1");
}

static void eight_of_the_longest_fit(void **state)
{
	struct addresses a = {}, b = {};
	char text[ADDRESSES_TEXT_SIZE];

	(void)state;
	for (int i = 0; i < ADDRESSES_MAX; i++) {
		(void)snprintf(text, sizeof text, "%s:%d", HOST253, 65528 + i);
		assert_int_equal(addresses_add(&a, text), 0);
	}
	addresses_join(&a, text);
	assert_int_equal(addresses_add(&b, text), 0);
	assert_memory_equal(&a, &b, sizeof a);
}

static void order_and_case_make_no_difference(void **state)
{
	static const char *const others[] = { "a:1 b:2", "a:1 b:2 c:4", "a:1 b:2 c:3 d:4", "c:3" };
	struct addresses a = {}, same = {}, none = {};

	(void)state;
	assert_int_equal(addresses_add(&a, "a:1 b:2 c:3"), 0);
	assert_int_equal(addresses_add(&same, "C:3 a:1 B:2"), 0);
	assert_true(addresses_equal(&a, &same) && addresses_equal(&none, &none));
	assert_true(addresses_has(&a, "B:2") && !addresses_has(&a, "b:22"));
	assert_false(addresses_equal(&a, &none) || addresses_equal(&none, &a));
	for (size_t i = 0; i < COUNT(others); i++) {
		struct addresses b = {};

		assert_int_equal(addresses_add(&b, others[i]), 0);
		assert_false(addresses_equal(&a, &b) || addresses_equal(&b, &a));
	}
}

UNIT(it(what_is_no_address_is_refused_and_nothing_is_taken), it(a_second_of_the_same_is_refused),
	it(more_than_eight_are_refused), it(they_are_kept_in_their_order),
	it(eight_of_the_longest_fit), it(order_and_case_make_no_difference))
