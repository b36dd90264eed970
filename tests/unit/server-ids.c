/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/store/ids.h"

static void what_begins_no_id_is_refused(void **state)
{
	static const char *const bad[] = { "", "t-", "T-", "-", "t-_", "t-0 ", " t-0", "t--0",
		"a-0", "t-t-0", "01234567890", "t-01234567890", "t-0%", "\xc3\xa9", "t-0\xe9" };
	char id[ID_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(id_complete('t', bad[i], id), -ENOENT);
}

static void a_kind_may_be_left_out_and_letters_be_large(void **state)
{
	static const char *const good[][2] = { { "t", "t-t" } /* a digit like others */,
		{ "0", "t-0" }, { "T-0Az", "t-0az" }, { "0123456789", "t-0123456789" },
		{ "t-ABCDEFGHJK", "t-abcdefghjk" } };
	char id[ID_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(id_complete('t', good[i][0], id), 0);
		assert_string_equal(id, good[i][1]);
	}
}

static void one_drawn_is_whole_and_another_each_time(void **state)
{
	char id[ID_SIZE], other[ID_SIZE], whole[ID_SIZE];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		id_make('w', id);
		id_make('w', other);
		assert_int_equal(strlen(id), ID_SIZE - 1);
		assert_string_not_equal(id, other);
		assert_int_equal(id_complete('w', id, whole), 0);
		assert_string_equal(whole, id);
		assert_null(strpbrk(id + 2, "ilou"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_begins_no_id_is_refused),
		cmocka_unit_test(a_kind_may_be_left_out_and_letters_be_large),
		cmocka_unit_test(one_drawn_is_whole_and_another_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
