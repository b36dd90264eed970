/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/buffer.h"

static void what_is_appended_is_there_in_order(void **state)
{
	struct buffer b = {};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buffer_printf(&b, "%03d", i), 0);
	assert_int_equal(buffer_append(&b, "end", 3), 0);
	assert_int_equal(b.len, 3003);
	assert_memory_equal(b.data, "000001002", 9);
	assert_memory_equal(b.data + 2997, "999end", 6);
	buffer_clear(&b);
}

static void beyond_its_limit_nothing_changes(void **state)
{
	struct buffer b = { .limit = 10 };

	(void)state;
	assert_int_equal(buffer_append(&b, "12345678", 8), 0);
	assert_int_equal(buffer_append(&b, "abc", 3), -EMSGSIZE);
	assert_int_equal(buffer_printf(&b, "%s", "abc"), -EMSGSIZE);
	assert_null(buffer_reserve(&b, 3));
	assert_null(buffer_reserve(&b, SIZE_MAX));
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "12345678", 8);
	assert_int_equal(buffer_printf(&b, "%s", "ab"), 0);
	assert_int_equal(buffer_append(&b, "x", 1), -EMSGSIZE);
	assert_int_equal(b.len, 10);
	buffer_clear(&b);
	assert_int_equal(b.limit, 10);
}

static void without_a_limit_of_its_own_the_common_one_holds(void **state)
{
	struct buffer b = {};

	(void)state;
	assert_non_null(buffer_reserve(&b, BUFFER_LIMIT));
	assert_null(buffer_reserve(&b, BUFFER_LIMIT + 1));
	buffer_clear(&b);
}

static void a_reserved_place_counts_only_when_it_is_used(void **state)
{
	struct buffer b = {};
	uint8_t *to = buffer_reserve(&b, 300);

	(void)state;
	assert_non_null(to);
	assert_int_equal(b.len, 0);
	memset(to, 'x', 300);
	buffer_grew(&b, 300);
	assert_int_equal(b.len, 300);
	assert_int_equal(b.data[299], 'x');
	buffer_clear(&b);
}

static void an_emptied_buffer_holds_no_memory(void **state)
{
	struct buffer b = {};

	(void)state;
	assert_int_equal(buffer_append(&b, "abcdef", 6), 0);
	buffer_consume(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "cdef", 4);
	buffer_consume(&b, 100);
	assert_int_equal(b.len, 0);
	assert_null(b.data);
	assert_int_equal(b.capacity, 0);
	buffer_consume(&b, 1);
	buffer_clear(&b);
}

static void appending_nothing_costs_nothing(void **state)
{
	struct buffer b = {};

	(void)state;
	assert_int_equal(buffer_append(&b, NULL, 0), 0);
	assert_null(b.data);
}

UNIT(it(what_is_appended_is_there_in_order), it(beyond_its_limit_nothing_changes),
	it(without_a_limit_of_its_own_the_common_one_holds),
	it(a_reserved_place_counts_only_when_it_is_used), it(an_emptied_buffer_holds_no_memory),
	it(appending_nothing_costs_nothing))
