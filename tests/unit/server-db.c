/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/store/db.h"

static const struct db_word words[] = { { "$$", "two" }, { "$", "?" }, { "{strict}", "" },
	{ " TEXT", " TEXT COLLATE \"C\"" } };

static void assert_translated(const char *text, const char *expected)
{
	scoped(freep) char *got = db_translate(text, words, COUNT(words));

	assert_non_null(got);
	assert_string_equal(got, expected);
}

static void what_is_no_word_stays(void **state)
{
	(void)state;
	assert_translated("", "");
	assert_translated("SELECT 1", "SELECT 1");
	assert_translated("{strict TEX", "{strict TEX");
}

static void words_are_replaced_wherever_they_stand(void **state)
{
	(void)state;
	assert_translated("{strict}", "");
	assert_translated("$1, $2", "?1, ?2");
	assert_translated("a TEXT, b{strict}$", "a TEXT COLLATE \"C\", b?");
}

static void the_first_word_that_fits_counts(void **state)
{
	(void)state;
	assert_translated("$$$", "two?");
}

/* A stand-in may be longer than its word, as often as it likes. */
static void there_is_room_for_what_is_longer(void **state)
{
	char text[5 * 1000 + 1] = "";
	scoped(freep) char *got = NULL;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + 5 * i, " TEXT", 6);
	got = db_translate(text, words, COUNT(words));
	assert_non_null(got);
	assert_int_equal(strlen(got), 1000 * strlen(words[3].here));
}

UNIT(it(what_is_no_word_stays), it(words_are_replaced_wherever_they_stand),
	it(the_first_word_that_fits_counts), it(there_is_room_for_what_is_longer))
