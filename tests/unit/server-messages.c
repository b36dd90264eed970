/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include "server/store/messages.h"

#define MANY                                                                                       \
	{                                                                                          \
		.messages = 1000, .bytes = 1u << 20,                                               \
	}

static const struct message_limits many = MANY;
static const uint8_t alice[CLIENT_ID_SIZE] = { 1 }, bob[CLIENT_ID_SIZE] = { 2 };

static int add_with(struct store *s, const uint8_t *client, uint8_t spool, uint64_t number,
	const char *text, const struct message_limits *limits)
{
	struct msg m = { .spool = { spool },
		.number = number,
		.time = 5,
		.type = "test",
		.text = text,
		.len = strlen(text) };
	int r;

	assert_int_equal(store_begin(s), 0);
	r = store_message_add(s, client, &m, limits);
	assert_int_equal(store_commit(s), 0);
	return r;
}

static int add(
	struct store *s, const uint8_t *client, uint8_t spool, uint64_t number, const char *text)
{
	return add_with(s, client, spool, number, text, &many);
}

struct seen {
	char text[512];
	uint64_t last;
};

static int see(void *userdata, const struct message_record *m)
{
	struct seen *seen = userdata;

	assert_true(m->seq > seen->last);
	seen->last = m->seq;
	strcat(strcat(seen->text, m->text), " ");
	return 0;
}

/* What is there, in order. */
static void holds(struct store *s, struct message_filter f, const char *texts)
{
	struct seen seen = {};
	uint64_t next;

	f.scan = f.scan ? f.scan : 1000;
	assert_int_equal(store_message_each(s, &f, see, &seen, &next), 0);
	assert_string_equal(seen.text, texts);
}

static void a_message_is_stored_once(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;

	assert_int_equal(add(s, alice, 1, 1, "one"), 0);
	assert_int_equal(add(s, alice, 1, 1, "one"), 1);
	assert_int_equal(add(s, alice, 1, 2, "two"), 0);
	assert_int_equal(add(s, alice, 1, 1, "one"), 1);
	assert_int_equal(add(s, alice, 1, 7, "seven"), 0); /* numbers may be left out */
	assert_int_equal(add(s, alice, 1, 5, "five"), 1);
	reopen(f);
	assert_int_equal(add(f->store, alice, 1, 7, "seven"), 1);
	holds(f->store, (struct message_filter){}, "one two seven ");
}

static void what_is_rolled_back_can_be_stored_again(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	struct msg m = { .number = 1, .type = "test", .text = "one", .len = 3 };
	uint64_t head = 9;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_message_add(s, alice, &m, &many), 0);
	store_rollback(s);
	assert_int_equal(store_message_head(s, &head), 0);
	assert_int_equal(head, 0);
	assert_int_equal(add(s, alice, 0, 1, "one"), 0);
	holds(s, (struct message_filter){}, "one ");
}

static void machines_and_spools_count_apart(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;

	assert_int_equal(add(s, alice, 1, 5, "a5"), 0);
	assert_int_equal(add(s, bob, 1, 5, "b5"), 0);
	assert_int_equal(add(s, bob, 1, 4, "b4"), 1);
	assert_int_equal(add(s, alice, 2, 1, "a1"), 0);
	holds(s, (struct message_filter){ .client = alice }, "a5 a1 ");
	holds(s, (struct message_filter){ .client = bob, .type = "test" }, "b5 ");
	holds(s, (struct message_filter){ .type = "other" }, "");
}

static void one_machines_spools_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;

	assert_int_equal(add(s, bob, 1, 1, "b"), 0);
	for (unsigned i = 1; i <= 200; i++) {
		fixture_wall++;
		assert_int_equal(add(s, alice, (uint8_t)i, 1, "x"), 0);
	}
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM message_spool"), MESSAGE_SPOOLS + 1);
	assert_int_equal(add(s, alice, 200, 1, "x"), 1);
	assert_int_equal(add(s, bob, 1, 1, "b"), 1);
}

static void a_machine_has_no_more_than_its_share(void **state)
{
	const struct message_limits few = { .messages = 3, .bytes = 1u << 20 };
	const struct message_limits small = { .messages = 100, .bytes = 2 * MESSAGE_COST + 10 };
	struct fixture *f = *state;
	struct store *s = f->store;
	char number[2] = "1";

	assert_int_equal(add(s, bob, 1, 1, "b"), 0);
	for (uint64_t n = 1; n <= 5; n++, number[0]++)
		assert_int_equal(add_with(s, alice, 1, n, number, &few), 0);
	holds(s, (struct message_filter){}, "b 3 4 5 ");
	assert_int_equal(add_with(s, alice, 1, 6, "6", &small), 0);
	holds(s, (struct message_filter){}, "b 5 6 ");
	assert_int_equal(add_with(s, alice, 1, 7, "1234567890", &small), 0);
	holds(s, (struct message_filter){}, "b 1234567890 ");
	assert_int_equal(raw_number(f->path, "SELECT bytes FROM message_box ORDER BY client"),
		MESSAGE_COST + 10);
}

static void old_ones_go_and_their_numbers_stay_known(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	uint64_t head = 0;
	uint32_t count;

	for (uint64_t n = 1; n <= 5; n++) {
		assert_int_equal(add(s, alice, 1, n, "x"), 0);
		fixture_wall += 10;
		fixture_elapsed += 10;
	}
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_message_expire(s, 1800000030, 2, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_message_expire(s, 1800000030, 2, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(store_commit(s), 0);
	holds(s, (struct message_filter){}, "x x ");
	assert_int_equal(add(s, alice, 1, 2, "x"), 1);
	assert_int_equal(store_message_head(s, &head), 0);
	assert_int_equal(head, 5);
	assert_int_equal(add(s, alice, 1, 6, "y"), 0);
	holds(s, (struct message_filter){ .after = 5 }, "y ");
	assert_int_equal(raw_number(f->path, "SELECT messages FROM message_box"), 3);
}

static void the_last_ones_and_parts_of_a_list_are_found(void **state)
{
	struct fixture *f = *state;
	struct store *s = f->store;
	struct message_filter part = { .scan = 2 };
	struct seen seen = {};
	uint64_t next;

	for (uint64_t n = 1; n <= 5; n++) {
		char text[] = { (char)('0' + n), '\0' };

		assert_int_equal(add(s, n % 2 ? alice : bob, 1, n, text), 0);
	}
	holds(s, (struct message_filter){ .last = 2 }, "4 5 ");
	holds(s, (struct message_filter){ .last = 99 }, "1 2 3 4 5 ");
	holds(s, (struct message_filter){ .last = 2, .client = alice }, "3 5 ");
	holds(s, (struct message_filter){ .last = 4, .type = "test", .after = 3 }, "4 5 ");
	assert_int_equal(store_message_each(s, &part, see, &seen, &next), 0);
	assert_int_equal(next, 2);
	assert_int_equal(store_message_get(s, 3, see, &seen), 0);
	assert_string_equal(seen.text, "1 2 3 ");
	assert_int_equal(store_message_get(s, 6, see, &seen), -ENOENT);
}

static void the_outlets_place_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t at = 9;

	assert_int_equal(store_outlet_get(f->store, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_outlet_set(f->store, 3), 0);
	assert_int_equal(store_commit(f->store), 0);
	reopen(f);
	assert_int_equal(store_outlet_get(f->store, &at), 0);
	assert_int_equal(at, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_message_is_stored_once),
		T(what_is_rolled_back_can_be_stored_again),
		T(machines_and_spools_count_apart),
		T(one_machines_spools_are_bounded),
		T(a_machine_has_no_more_than_its_share),
		T(old_ones_go_and_their_numbers_stay_known),
		T(the_last_ones_and_parts_of_a_list_are_found),
		T(the_outlets_place_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
