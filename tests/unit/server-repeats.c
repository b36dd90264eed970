/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include "server/admin/tag.h"
#include "server/store/repeats.h"

static struct repeat_record made(struct store *s, const char *body)
{
	struct repeat_record r = { .status = 201 };
	struct repeat_part part = { body, strlen(body) };

	store_repeat_hash(s, &part, 1, r.hash);
	return r;
}

static int add(struct store *s, const char *actor, const char *key, const char *body)
{
	struct repeat_record r = made(s, body);
	int done;

	assert_int_equal(store_begin(s), 0);
	done = store_repeat_add(s, actor, key, &r, "{}");
	if (done == 0)
		assert_int_equal(store_commit(s), 0);
	else
		store_rollback(s);
	return done;
}

static int get(struct store *s, const char *actor, const char *key, struct repeat_record *ret)
{
	struct buffer answer = {};
	int r = store_repeat_get(s, actor, key, ret, &answer);

	if (r == 0) {
		assert_int_equal(answer.len, 2);
		assert_memory_equal(answer.data, "{}", 2);
	}
	buffer_clear(&answer);
	return r;
}

static void a_key_is_its_callers_alone(void **state)
{
	struct fixture *f = *state;
	struct repeat_record r, same = made(f->store, "body"), other = made(f->store, "bodz");

	assert_int_equal(add(f->store, "a", "key", "body"), 0);
	assert_int_equal(get(f->store, "a", "key", &r), 0);
	assert_int_equal(r.status, 201);
	assert_memory_equal(r.hash, same.hash, sizeof(r.hash));
	assert_memory_not_equal(r.hash, other.hash, sizeof(r.hash));
	assert_int_equal(get(f->store, "b", "key", &r), -ENOENT);
	assert_int_equal(get(f->store, "a", "Key", &r), -ENOENT);
	assert_int_equal(get(f->store, "a", "", &r), -ENOENT);
}

static void parts_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct repeat_part one[] = { { "ab", 2 }, { "c", 1 } }, two[] = { { "a", 1 }, { "bc", 2 } };
	uint8_t a[REPEAT_HASH_SIZE], b[REPEAT_HASH_SIZE];

	store_repeat_hash(f->store, one, 2, a);
	store_repeat_hash(f->store, two, 2, b);
	assert_memory_not_equal(a, b, sizeof(a));
	store_repeat_hash(f->store, one, 1, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void a_key_is_taken_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f->store, "a", "key", "body"), 0);
	assert_int_equal(add(f->store, "a", "key", "other"), -EEXIST);
	assert_int_equal(add(f->store, "b", "key", "other"), 0);
}

static void after_a_day_it_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct repeat_record r;

	assert_int_equal(add(f->store, "a", "key", "body"), 0);
	fixture_wall += REPEAT_SECONDS - 1;
	assert_int_equal(get(f->store, "a", "key", &r), 0);
	fixture_wall += 1;
	assert_int_equal(get(f->store, "a", "key", &r), -ENOENT);
	assert_int_equal(add(f->store, "a", "key", "other"), 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM repeat"), 1);
}

static void there_is_a_bound(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f->store, "a", "key", "body"), 0);
	store_close(f->store);
	assert_int_equal(raw(f->path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
				      "FROM n WHERE i < 9999)"
				      " INSERT INTO repeat SELECT 'a', 'k' || i, zeroblob(32), "
				      "1800000000, 201, 0, ''"
				      " FROM n"),
		0);
	f->store = NULL;
	reopen(f);
	assert_int_equal(add(f->store, "b", "key", "body"), -E2BIG);
	fixture_wall += REPEAT_SECONDS;
	assert_int_equal(add(f->store, "b", "key", "body"), 0);
}

static void a_tag_is_of_the_bytes(void **state)
{
	char one[TAG_SIZE], two[TAG_SIZE];

	(void)state;
	tag_of("abc", 3, one);
	tag_of("abd", 3, two);
	assert_int_equal(strlen(one), TAG_SIZE - 1);
	assert_string_not_equal(one, two);
	tag_of("abc", 3, two);
	assert_string_equal(one, two);
	assert_int_equal(tag_of_json(NULL, one), -ENOMEM);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_key_is_its_callers_alone),
		T(parts_are_told_apart),
		T(a_key_is_taken_once),
		T(after_a_day_it_is_forgotten),
		T(there_is_a_bound),
		T(a_tag_is_of_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
