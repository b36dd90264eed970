/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

static void a_token_is_found_by_its_digits_and_by_its_id(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record made, found;

	make_token(f->store, 3, 3600, token, &made);
	assert_int_equal(strlen(made.id), TOKEN_ID_SIZE - 1);
	assert_memory_equal(made.id, "t-", 2);
	assert_int_equal(made.uses, 3);
	assert_int_equal(made.used, 0);
	assert_int_equal(made.created, fixture_wall);
	assert_int_equal(made.expires, fixture_wall + 3600);
	assert_int_equal(made.state, TOKEN_LIVE);
	assert_string_equal(made.note, "a note");
	assert_string_equal(made.created_by, "uid:0(root)");
	assert_string_equal(made.labels.text[0], "role=web");
	assert_int_equal(store_token_find(f->store, token, &found), 0);
	assert_string_equal(found.id, made.id);
	assert_int_equal(store_token_get(f->store, made.id, &found), 0);
	assert_string_equal(found.id, made.id);
	token[0] ^= 1;
	assert_int_equal(store_token_find(f->store, token, &found), -ENOENT);
}

static void an_id_may_be_shortened_while_it_fits_one(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record a, found;
	char text[32];

	assert_int_equal(store_token_get(f->store, "t", &found), -ENOENT);
	make_token(f->store, 1, 0, token, &a);
	assert_int_equal(raw(f->path, "UPDATE token SET id = 't-abcdefghjk'"), 0);
	assert_int_equal(store_token_get(f->store, "t-abc", &found), 0);
	assert_int_equal(store_token_get(f->store, "abc", &found), 0);
	assert_int_equal(store_token_get(f->store, "T-ABC", &found), 0);
	make_token(f->store, 1, 0, token, &a);
	snprintf(text, sizeof(text), "%s", a.id);
	assert_int_equal(
		raw(f->path, "UPDATE token SET id = 't-abcdzzzzzz' WHERE id <> 't-abcdefghjk'"), 0);
	assert_int_equal(store_token_get(f->store, "t-abc", &found), -ENOTUNIQ);
	assert_int_equal(store_token_get(f->store, "t-abcd", &found), -ENOTUNIQ);
	assert_int_equal(store_token_get(f->store, "t-abcde", &found), 0);
	assert_string_equal(found.id, "t-abcdefghjk");
	assert_int_equal(store_token_get(f->store, "t-abcdefghjk", &found), 0);
}

static void what_is_no_id_is_not_found(void **state)
{
	static const char *const bad[] = { "", "t-", "t-abcdefghjkm", "%", "t-%", "t-_________",
		"../..", "t-'", "' OR 1=1 --", "\xff" };
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 1, 0, token, &t);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(store_token_get(f->store, bad[i], &t), -ENOENT);
}

static void a_token_needs_a_use_and_a_bounded_note(void **state)
{
	struct fixture *f = *state;
	char note[NOTE_SIZE + 1];
	struct token_spec spec = { .actor = "server" };
	struct token_record t;
	uint8_t token[TOKEN_SIZE];

	memset(note, 'x', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_create(f->store, &spec, token, &t), -EINVAL);
	spec.uses = 1;
	spec.note = note;
	assert_int_equal(store_token_create(f->store, &spec, token, &t), -EINVAL);
	note[NOTE_SIZE - 1] = '\0';
	assert_int_equal(store_token_create(f->store, &spec, token, &t), 0);
	assert_string_equal(t.note, note);
	assert_int_equal(store_commit(f->store), 0);
}

static void a_revoked_token_is_kept_and_stays_revoked(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(f->store, 1, 0, token, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_revoke(f->store, t.id, "uid:0(root)", &t), 0);
	assert_int_equal(t.state, TOKEN_REVOKED);
	assert_int_equal(t.revoked, fixture_wall);
	fixture_wall += 100;
	assert_int_equal(store_token_revoke(f->store, t.id, "uid:0(root)", &t), 0);
	assert_int_equal(t.revoked, fixture_wall - 100);
	assert_int_equal(store_token_revoke(f->store, "t-zzzzzzzzzz", "x", &t), -ENOENT);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM audit WHERE act = 'token.revoke'"), 1);
	assert_int_equal(store_token_find(f->store, token, &t), 0);
}

static void revoking_one_of_many_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	uint64_t live = 0;

	for (int i = 0; i < 100; i++)
		make_token(f->store, 1, 0, token, &t);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_revoke(f->store, t.id, "server", &t), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_token_count_live(f->store, &live), 0);
	assert_int_equal(live, 99);
}

static void expiry_is_at_the_second_and_counts_as_not_live(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	uint64_t live = 0;

	make_token(f->store, 1, 60, token, &t);
	fixture_wall += 59;
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_LIVE);
	fixture_wall += 1;
	assert_int_equal(store_token_find(f->store, token, &t), 0);
	assert_int_equal(t.state, TOKEN_EXPIRED);
	assert_int_equal(store_token_count_live(f->store, &live), 0);
	assert_int_equal(live, 0);
}

/* ---- listing */

struct seen {
	size_t count;
	char last[TOKEN_ID_SIZE];
};

static int see(void *userdata, const struct token_record *t)
{
	struct seen *s = userdata;

	assert_true(strcmp(s->last, t->id) < 0);
	memcpy(s->last, t->id, sizeof(s->last));
	s->count++;
	return 0;
}

static int stop(void *userdata, const struct token_record *t)
{
	(void)userdata, (void)t;
	return 42;
}

static void tokens_are_listed_in_pages(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct seen s = {};

	for (int i = 0; i < 25; i++)
		make_token(f->store, 1, 0, token, &t);
	assert_int_equal(store_token_each(f->store, NULL, 0, see, &s), 0);
	assert_int_equal(s.count, 25);
	s = (struct seen){};
	for (size_t n = 10; n <= 20; n += 10) {
		assert_int_equal(store_token_each(f->store, s.last, 10, see, &s), 0);
		assert_int_equal(s.count, n);
	}
	assert_int_equal(store_token_each(f->store, s.last, 10, see, &s), 0);
	assert_int_equal(s.count, 25);
	assert_int_equal(store_token_each(f->store, NULL, 0, stop, NULL), 42);
}

struct walked {
	char ids[32][TOKEN_ID_SIZE];
	size_t count;
};

static int walk(void *userdata, const struct token_record *t)
{
	struct walked *w = userdata;

	memcpy(w->ids[w->count++], t->id, TOKEN_ID_SIZE);
	return 0;
}

static void tokens_are_listed_from_the_newest_on(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record made[9], t;
	struct walked w = {};
	const char *after = "";

	for (size_t i = 0; i < COUNT(made); i++) {
		make_token(f->store, 1, i == 4 ? 10 : 0, token, &made[i]);
		fixture_wall += i % 3 == 0 ? 0 : 7; /* some within one second */
		fixture_elapsed += i % 3 == 0 ? 0 : 7;
	}
	for (size_t n = 2; n < COUNT(made); n += 2) {
		assert_int_equal(store_token_newest(f->store, after, false, 2, walk, &w), 0);
		assert_int_equal(w.count, n);
		after = w.ids[n - 1];
	}
	assert_int_equal(store_token_newest(f->store, after, false, 2, walk, &w), 0);
	assert_int_equal(w.count, COUNT(made));
	for (size_t i = 0; i < w.count; i++) {
		size_t times = 0;

		for (size_t k = 0; k < w.count; k++)
			times += strcmp(made[i].id, w.ids[k]) == 0;
		assert_int_equal(times, 1);
	}
	assert_string_equal(w.ids[0], made[8].id);
	assert_string_equal(w.ids[3], made[5].id);
	assert_string_equal(w.ids[6], made[2].id);
	assert_int_equal(store_token_revoke(f->store, made[8].id, "t", &t), 0);
	w.count = 0;
	assert_int_equal(store_token_newest(f->store, "", true, 99, walk, &w), 0);
	assert_int_equal(w.count, COUNT(made) - 2); /* one is revoked, one has expired */
	assert_string_equal(w.ids[2], made[5].id);
	assert_int_equal(store_token_newest(f->store, "t-none", true, 99, walk, &w), 0);
	assert_int_equal(w.count, COUNT(made) - 2);
	assert_int_equal(store_token_newest(f->store, "", false, 9, stop, NULL), 42);
}

static int look_again(void *userdata, const struct token_record *t)
{
	struct fixture *f = userdata;
	struct seen s = {};

	(void)t;
	assert_int_equal(store_token_each(f->store, NULL, 0, see, &s), 0);
	assert_int_equal(s.count, 3);
	return 0;
}

static void a_visitor_may_list_again(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	for (int i = 0; i < 3; i++)
		make_token(f->store, 1, 0, token, &t);
	assert_int_equal(store_token_each(f->store, NULL, 0, look_again, f), 0);
}

/* ---- secrecy */

static void look_for(const char *path, const void *what, size_t len)
{
	FILE *file = fopen(path, "re");
	static char all[1 << 22];
	size_t n;

	assert_non_null(file);
	n = fread(all, 1, sizeof(all), file);
	fclose(file);
	if (memmem(all, n, what, len))
		fail_msg("%s has a token in it", path);
}

static void the_digits_are_in_no_file(void **state)
{
	struct fixture *f = *state;
	const char *const ends[] = { "", "-wal", "-shm" };
	uint8_t tokens[20][TOKEN_SIZE];
	struct token_record t;

	if (on_postgresql()) /* its files: secrets.bats */
		return;
	for (size_t i = 0; i < COUNT(tokens); i++) {
		make_token(f->store, 1, 0, tokens[i], &t);
		assert_int_equal(store_begin(f->store), 0);
		assert_int_equal(enrol_number(f->store, tokens[i], (uint32_t)i), 0);
		assert_int_equal(enrol_number(f->store, tokens[i], 1000), NACK_TOKEN_USED_UP);
		assert_int_equal(store_commit(f->store), 0);
	}
	for (size_t i = 0; i < COUNT(tokens) * COUNT(ends); i++) {
		const uint8_t *token = tokens[i / COUNT(ends)];
		char path[264], text[TOKEN_TEXT_SIZE];

		snprintf(path, sizeof(path), "%s%s", f->path, ends[i % COUNT(ends)]);
		sodium_bin2hex(text, sizeof(text), token, TOKEN_SIZE);
		look_for(path, token, TOKEN_SIZE);
		look_for(path, text, TOKEN_TEXT_SIZE - 1);
		for (char *c = text; *c; c++)
			if (*c >= 'a')
				*c = (char)(*c - 32);
		look_for(path, text, TOKEN_TEXT_SIZE - 1);
		look_for(path, fixture_key, sizeof(fixture_key));
	}
}

static void without_the_key_the_database_finds_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE], key[TOKEN_KEY_SIZE];
	struct token_record t;

	make_token(f->store, 1, 0, token, &t);
	store_close(f->store);
	memcpy(key, fixture_key, sizeof(key));
	key[31] ^= 1;
	assert_int_equal(store_open_at(f->path, key, &fixture_clock, &f->store), 0);
	assert_int_equal(store_token_find(f->store, token, &t), -ENOENT);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(enrol_number(f->store, token, 1), NACK_TOKEN_UNKNOWN);
	assert_int_equal(store_commit(f->store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_token_is_found_by_its_digits_and_by_its_id),
		T(an_id_may_be_shortened_while_it_fits_one),
		T(what_is_no_id_is_not_found),
		T(a_token_needs_a_use_and_a_bounded_note),
		T(a_revoked_token_is_kept_and_stays_revoked),
		T(revoking_one_of_many_leaves_the_others),
		T(expiry_is_at_the_second_and_counts_as_not_live),
		T(tokens_are_listed_in_pages),
		T(tokens_are_listed_from_the_newest_on),
		T(a_visitor_may_list_again),
		T(the_digits_are_in_no_file),
		T(without_the_key_the_database_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
