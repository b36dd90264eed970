/* SPDX-License-Identifier: MIT */
/* Who is asked to take a release: so many at a time and no more, until too many have failed. */
#include "server-fixture.h"

#include <sodium.h>
#include <sys/wait.h>

#include "server/store/updates.h"

#define ANYTHING -1

static const uint8_t first[RELEASE_DIGEST_SIZE] = { 1 }, second[RELEASE_DIGEST_SIZE] = { 2 };
static const struct rollout_order by_root = { .reason = "enough", .actor = "uid:0(root)" };

/* As many machines of role=web. */
struct fleet {
	struct fixture *f;
	struct client_record of[12];
};

static struct fleet a_fleet(void **state, uint32_t size)
{
	struct fleet all = { .f = *state };
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	make_token(all.f->store, 100, 0, token, &t);
	for (uint32_t i = 0; i < size; i++)
		all.of[i] = enrol_one(all.f->store, token, i);
	return all;
}

static const char *id_of(const struct client_record *c)
{
	static char text[CLIENT_ID_TEXT_SIZE];

	return sodium_bin2hex(text, sizeof(text), c->id, sizeof(c->id));
}

static struct rollout_spec spec_of(
	const uint8_t *release, const char *selector, uint32_t at_once, uint32_t failures)
{
	return (struct rollout_spec){ .release = release,
		.version = "1.2.3",
		.selector = selector,
		.at_once = at_once,
		.failures = failures,
		.actor = "uid:0(root)" };
}

static int try_start(struct fixture *f, struct rollout_spec spec, struct rollout_record *ret)
{
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_rollout_start(f->store, &spec, ret);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static struct rollout_record start(
	struct fixture *f, const uint8_t *release, uint32_t at_once, uint32_t failures)
{
	struct rollout_record r;

	assert_int_equal(try_start(f, spec_of(release, "*", at_once, failures), &r), 0);
	return r;
}

static int take_at(struct store *s, const struct client_record *c, const uint8_t *release,
	struct update_record *ret)
{
	int r;

	assert_int_equal(store_begin(s), 0);
	r = store_update_take(s, c, release, ret);
	assert_int_equal(store_commit(s), 0);
	return r;
}

static int take(struct fleet *all, int i)
{
	struct update_record u;

	return take_at(all->f->store, &all->of[i], first, &u);
}

static struct update_record last_of(struct fleet *all, int i)
{
	struct update_record u;

	assert_int_equal(store_update_get(all->f->store, all->of[i].id, &u), 0);
	return u;
}

static int answer_number(struct fleet *all, int i, uint64_t number, uint16_t code)
{
	int r;

	assert_int_equal(store_begin(all->f->store), 0);
	r = store_update_answer(
		all->f->store, all->of[i].id, number, code, code ? "no space left" : "");
	assert_int_equal(store_commit(all->f->store), 0);
	return r;
}

static int answer(struct fleet *all, int i, uint16_t code)
{
	return answer_number(all, i, last_of(all, i).number, code);
}

static int lose(struct fleet *all, int i)
{
	int r;

	assert_int_equal(store_begin(all->f->store), 0);
	r = store_update_lost(all->f->store, all->of[i].id, "not heard of for 15 minutes");
	assert_int_equal(store_commit(all->f->store), 0);
	return r;
}

static int change(struct fixture *f, enum rollout_act act, const struct rollout_order *order,
	struct rollout_record *ret)
{
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_rollout_change(f->store, 0, act, order, ret);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static struct rollout_record newest(struct fixture *f)
{
	struct rollout_record r;

	assert_int_equal(store_rollout_get(f->store, 0, &r), 0);
	return r;
}

static void assert_counts(
	struct fixture *f, uint64_t id, uint64_t under_way, uint64_t done, uint64_t failed)
{
	struct rollout_record r;

	assert_int_equal(store_rollout_get(f->store, id, &r), 0);
	assert_int_equal(r.under_way, under_way);
	assert_int_equal(r.done, done);
	assert_int_equal(r.failed, failed);
}

/* ---- starting */

static void what_can_not_be_a_roll_out_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rollout_spec good = spec_of(first, "*", 1, 0), bad;
	struct rollout_record r;

	assert_int_equal(store_rollout_get(f->store, 0, &r), -ENOENT);
	assert_int_equal(store_rollout_get(f->store, 1, &r), -ENOENT);
	bad = good, bad.selector = "role web";
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.selector = "client:1234";
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.at_once = 0;
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.at_once = ROLLOUT_AT_ONCE_MAX + 1;
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.failures = ROLLOUT_FAILURES_MAX + 1;
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.version = "";
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	bad = good, bad.version = "1.2.3-with-more-than-32-characters";
	assert_int_equal(try_start(f, bad, &r), -EINVAL);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM rollout"), 0);
	assert_int_equal(audited(f, "rollout.start"), 0);
}

static int count_rollout(void *userdata, const struct rollout_record *r)
{
	uint64_t *ids = userdata;

	ids[++ids[0]] = r->id;
	return 0;
}

static void a_new_one_ends_the_one_before(void **state)
{
	struct fleet all = a_fleet(state, 1);
	struct fixture *f = all.f;
	struct rollout_record a = start(f, first, 2, 0), b = start(f, second, 3, 1), was;
	uint64_t ids[4] = {};

	assert_true(b.id > a.id);
	assert_int_equal(b.state, ROLLOUT_RUNNING);
	assert_int_equal(b.started, fixture_wall);
	assert_memory_equal(b.release, second, sizeof(second));
	assert_string_equal(b.version, "1.2.3");
	assert_int_equal(newest(f).id, b.id);
	assert_int_equal(store_rollout_get(f->store, a.id, &was), 0);
	assert_int_equal(was.state, ROLLOUT_ENDED);
	assert_non_null(strstr(was.reason, "replaced by"));
	assert_int_equal(audited(f, "rollout.start"), 2);
	assert_int_equal(audited(f, "rollout.end"), 1);
	assert_int_equal(store_rollout_each(f->store, 0, 9, count_rollout, ids), 0);
	assert_true(ids[0] == 2 && ids[1] == b.id && ids[2] == a.id);
	ids[0] = 0;
	assert_int_equal(store_rollout_each(f->store, b.id, 9, count_rollout, ids), 0);
	assert_true(ids[0] == 1 && ids[1] == a.id);
	ids[0] = 0;
	assert_int_equal(store_rollout_each(f->store, 0, 1, count_rollout, ids), 0);
	assert_int_equal(ids[0], 1);
	/* By the table too. */
	assert_int_not_equal(raw(f->path, "UPDATE rollout SET state = 1"), 0);
}

static void halt_resume_and_end_are_done_once_and_an_end_is_one(void **state)
{
	struct fixture *f = *state;
	const uint32_t more = 7, too_many = ROLLOUT_FAILURES_MAX + 1;
	struct rollout_order order = by_root;
	struct rollout_record r;
	char text[NOTE_SIZE + 1];

	assert_int_equal(change(f, ROLLOUT_HALT, &by_root, &r), -ENOENT);
	start(f, first, 1, 0);
	assert_int_equal(change(f, ROLLOUT_RESUME, &by_root, &r), 0);
	assert_int_equal(change(f, ROLLOUT_HALT, &by_root, &r), 1);
	assert_int_equal(change(f, ROLLOUT_HALT, &by_root, &r), 0);
	assert_int_equal(newest(f).state, ROLLOUT_HALTED);
	assert_string_equal(newest(f).reason, "enough");
	order.failures = &too_many;
	assert_int_equal(change(f, ROLLOUT_RESUME, &order, &r), -EINVAL);
	memset(text, 'x', sizeof(text));
	text[NOTE_SIZE] = '\0';
	order = (struct rollout_order){ .reason = text, .actor = "uid:0(root)" };
	assert_int_equal(change(f, ROLLOUT_RESUME, &order, &r), -EINVAL);
	order = (struct rollout_order){ .failures = &more, .actor = "uid:0(root)" };
	fixture_wall += 5;
	assert_int_equal(change(f, ROLLOUT_RESUME, &order, &r), 1);
	assert_int_equal(r.failures, 7);
	assert_int_equal(newest(f).failures, 7);
	assert_int_equal(newest(f).changed, fixture_wall);
	assert_string_equal(newest(f).reason, "");
	/* Only a resumption changes it. */
	order.failures = &(const uint32_t){ 9 };
	assert_int_equal(change(f, ROLLOUT_END, &order, &r), 1);
	assert_int_equal(newest(f).failures, 7);
	assert_int_equal(change(f, ROLLOUT_END, &by_root, &r), 0);
	assert_int_equal(change(f, ROLLOUT_HALT, &by_root, &r), -EPERM);
	assert_int_equal(change(f, ROLLOUT_RESUME, &by_root, &r), -EPERM);
	assert_int_equal(r.state, ROLLOUT_ENDED);
	assert_int_equal(audited(f, "rollout.halt"), 1);
	assert_int_equal(audited(f, "rollout.resume"), 1);
	assert_int_equal(audited(f, "rollout.end"), 1);
}

/* ---- asking */

static void nobody_is_asked_without_a_roll_out_that_runs_and_means_it(void **state)
{
	struct fleet all = a_fleet(state, 3);
	struct fixture *f = all.f;
	struct rollout_record r;
	struct update_record u;
	char selector[SELECTOR_SIZE];

	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_int_equal(try_start(f, spec_of(first, "role=db", 9, 0), &r), 0);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	snprintf(selector, sizeof(selector), "client:%s", id_of(&all.of[1]));
	assert_int_equal(try_start(f, spec_of(first, selector, 9, 0), &r), 0);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_int_equal(take_at(f->store, &all.of[1], second, &u), UPDATE_WAITS);
	assert_int_equal(change(f, ROLLOUT_HALT, &by_root, &r), 1);
	assert_int_equal(take(&all, 1), UPDATE_WAITS);
	assert_int_equal(change(f, ROLLOUT_RESUME, &by_root, &r), 1);
	for (int of = CLIENT_LEFT; of <= CLIENT_REMOVED; of++) {
		struct client_record other = all.of[1];

		other.state = (enum client_state)of;
		assert_int_equal(take_at(f->store, &other, first, &u), UPDATE_NOTHING);
	}
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client_update"), 0);
	assert_counts(f, r.id, 0, 0, 0);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(change(f, ROLLOUT_END, &by_root, &r), 1);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_int_equal(take(&all, 2), UPDATE_NOTHING);
}

static void no_more_than_at_once_are_under_way(void **state)
{
	struct fleet all = a_fleet(state, 6);
	struct rollout_record r = start(all.f, first, 2, 0);

	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	for (int i = 2; i < 6; i++)
		assert_int_equal(take(&all, i), UPDATE_WAITS);
	assert_counts(all.f, r.id, 2, 0, 0);
	assert_int_equal(answer(&all, 0, 0), 1);
	assert_counts(all.f, r.id, 1, 1, 0);
	assert_int_equal(take(&all, 3), UPDATE_TAKEN);
	assert_int_equal(take(&all, 4), UPDATE_WAITS);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_counts(all.f, r.id, 2, 1, 0);
	/* By the table too. */
	assert_int_not_equal(raw(all.f->path, "UPDATE rollout SET under_way = 3"), 0);
	assert_int_not_equal(raw(all.f->path, "UPDATE rollout SET under_way = -1"), 0);
}

static void what_is_under_way_is_sent_again_in_its_place(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r = start(all.f, first, 1, 0);
	struct update_record a, b;

	assert_int_equal(take_at(all.f->store, &all.of[0], first, &a), UPDATE_TAKEN);
	assert_int_equal(a.state, UPDATE_SENT);
	assert_int_equal(a.rollout, r.id);
	assert_int_equal(a.sent, fixture_wall);
	assert_memory_equal(a.release, first, sizeof(first));
	assert_true(a.number > r.id);
	fixture_wall += 60;
	reopen(all.f);
	assert_int_equal(take_at(all.f->store, &all.of[0], first, &b), UPDATE_TAKEN);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_counts(all.f, r.id, 1, 0, 0);
	/* Whatever has become of the roll-out, but not by a server with another release. */
	assert_int_equal(change(all.f, ROLLOUT_HALT, &by_root, &r), 1);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(take_at(all.f->store, &all.of[0], second, &b), UPDATE_WAITS);
	assert_int_equal(change(all.f, ROLLOUT_END, &by_root, &r), 1);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 0, 0), 1);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_counts(all.f, r.id, 0, 1, 0);
}

static void who_has_had_that_release_is_not_asked_again(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r;
	struct update_record u;

	start(all.f, first, 9, 9);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 0, 0), 1);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 1, NACK_STORAGE), 1);
	r = start(all.f, first, 9, 9);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN); /* it failed before */
	assert_counts(all.f, r.id, 1, 0, 0);
	r = start(all.f, second, 9, 9);
	assert_int_equal(take_at(all.f->store, &all.of[0], second, &u), UPDATE_TAKEN);
	assert_counts(all.f, r.id, 1, 0, 0);
}

static void one_that_is_under_way_goes_over_to_the_next_release(void **state)
{
	struct fleet all = a_fleet(state, 1);
	struct rollout_record a = start(all.f, first, 1, 0), b;
	struct update_record before, now;

	assert_int_equal(take_at(all.f->store, &all.of[0], first, &before), UPDATE_TAKEN);
	b = start(all.f, second, 1, 0);
	assert_int_equal(take_at(all.f->store, &all.of[0], second, &now), UPDATE_TAKEN);
	assert_int_equal(now.rollout, b.id);
	assert_true(now.number > before.number);
	assert_counts(all.f, a.id, 0, 0, 0);
	assert_counts(all.f, b.id, 1, 0, 0);
	assert_int_equal(answer_number(&all, 0, before.number, 0), 0);
	assert_counts(all.f, b.id, 1, 0, 0);
}

/* ---- answers */

static void only_what_is_waited_for_is_an_answer(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r = start(all.f, first, 2, 9);
	uint64_t number;

	assert_int_equal(answer_number(&all, 0, 1, 0), 0);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	number = last_of(&all, 0).number;
	assert_int_equal(answer_number(&all, 0, number + 1, 0), 0);
	assert_int_equal(answer_number(&all, 0, number - 1, 0), 0);
	assert_int_equal(answer_number(&all, 1, number, 0), 0);
	assert_counts(all.f, r.id, 1, 0, 0);
	fixture_wall += 30;
	assert_int_equal(answer(&all, 0, NACK_STORAGE), 1);
	assert_int_equal(last_of(&all, 0).state, UPDATE_REFUSED);
	assert_int_equal(last_of(&all, 0).answered, fixture_wall);
	assert_int_equal(last_of(&all, 0).code, NACK_STORAGE);
	assert_string_equal(last_of(&all, 0).text, "no space left");
	assert_int_equal(answer(&all, 0, 0), 0);
	assert_int_equal(answer(&all, 0, NACK_STORAGE), 0);
	assert_counts(all.f, r.id, 0, 0, 1);
	assert_int_equal(take(&all, 0), UPDATE_NOTHING);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 1, 0), 1);
	assert_int_equal(answer(&all, 1, NACK_STORAGE), 0);
	assert_counts(all.f, r.id, 0, 1, 1);
	assert_int_equal(audited(all.f, "client.update"), 1);
	assert_int_equal(audited(all.f, "client.update-refused"), 1);
}

static void a_failure_too_many_halts_at_once(void **state)
{
	struct fleet all = a_fleet(state, 4);
	struct rollout_record r = start(all.f, first, 2, 0);

	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 0, NACK_STORAGE), 1);
	r = newest(all.f);
	assert_int_equal(r.state, ROLLOUT_HALTED);
	assert_non_null(strstr(r.reason, "machine-0"));
	assert_non_null(strstr(r.reason, id_of(&all.of[0])));
	assert_non_null(strstr(r.reason, nack_name(NACK_STORAGE)));
	assert_non_null(strstr(r.reason, "no space left"));
	assert_int_equal(
		raw_number(all.f->path, "SELECT count(*) FROM audit WHERE act = 'rollout.halt'"
					" AND actor = 'server'"),
		1);
	assert_int_equal(take(&all, 2), UPDATE_WAITS);
	/* Who is under way may still answer, and fail: it's halted once. */
	assert_int_equal(answer(&all, 1, NACK_STORAGE), 1);
	assert_counts(all.f, r.id, 0, 0, 2);
	assert_string_equal(newest(all.f).reason, r.reason);
	assert_int_equal(audited(all.f, "rollout.halt"), 1);
}

/* Whoever looks takes the first id for the machine's. */
static void a_machine_cannot_pass_its_failure_off_as_anothers(void **state)
{
	struct fleet all = a_fleet(state, 2);
	char text[128];
	struct hello hello = {};

	snprintf(hello.facts.hostname, sizeof(hello.facts.hostname), "x (%s): %s",
		id_of(&all.of[1]), "it's it");
	start(all.f, first, 1, 0);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(store_begin(all.f->store), 0);
	assert_int_equal(store_client_hello(all.f->store, all.of[0].id, &hello, "::1"), 0);
	assert_int_equal(store_commit(all.f->store), 0);
	assert_int_equal(answer(&all, 0, NACK_STORAGE), 1);
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(newest(all.f).reason, ")") + 1,
		newest(all.f).reason);
	assert_non_null(strstr(text, id_of(&all.of[0])));
	assert_null(strstr(newest(all.f).reason, id_of(&all.of[1])));
}

static void a_failure_undone_with_its_transaction_halts_nothing(void **state)
{
	struct fleet all = a_fleet(state, 1);
	struct rollout_record r = start(all.f, first, 2, 0);

	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(store_begin(all.f->store), 0);
	assert_int_equal(store_update_answer(all.f->store, all.of[0].id, last_of(&all, 0).number,
				 NACK_STORAGE, "full"),
		1);
	store_rollback(all.f->store);
	assert_int_equal(newest(all.f).state, ROLLOUT_RUNNING);
	assert_int_equal(last_of(&all, 0).state, UPDATE_SENT);
	assert_counts(all.f, r.id, 1, 0, 0);
	assert_int_equal(audited(all.f, "rollout.halt"), 0);
}

static void as_many_failures_as_allowed_halt_nothing_and_counts_go_on(void **state)
{
	struct fleet all = a_fleet(state, 6);
	struct rollout_order order = { .failures = &(const uint32_t){ 2 }, .actor = "uid:0(root)" };
	struct rollout_record r = start(all.f, first, 9, 1);

	for (int i = 0; i < 6; i++)
		assert_int_equal(take(&all, i), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 0, NACK_STORAGE), 1);
	assert_int_equal(newest(all.f).state, ROLLOUT_RUNNING);
	assert_int_equal(answer(&all, 1, NACK_STORAGE), 1);
	assert_int_equal(newest(all.f).state, ROLLOUT_HALTED);
	assert_int_equal(change(all.f, ROLLOUT_RESUME, &order, &r), 1);
	assert_int_equal(answer(&all, 2, 0), 1); /* no failure */
	assert_int_equal(newest(all.f).state, ROLLOUT_RUNNING);
	assert_int_equal(lose(&all, 3), 1); /* one more than two */
	assert_int_equal(newest(all.f).state, ROLLOUT_HALTED);
	assert_counts(all.f, r.id, 2, 1, 3);
	/* Resumed as it was, the next failure halts it again. */
	order.failures = NULL;
	assert_int_equal(change(all.f, ROLLOUT_RESUME, &order, &r), 1);
	assert_int_equal(answer(&all, 4, NACK_STORAGE), 1);
	assert_int_equal(newest(all.f).state, ROLLOUT_HALTED);
	assert_int_equal(audited(all.f, "rollout.halt"), 3);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	struct fleet all = a_fleet(state, 1);
	char text[500];

	for (size_t pad = 0; pad < 2; pad++) {
		start(all.f, first, 1, 0);
		assert_int_equal(take(&all, 0), UPDATE_TAKEN);
		memset(text, 'a', sizeof(text));
		for (size_t i = 8 + pad; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa4", 2);
		text[sizeof(text) - 2 + pad] = '\0';
		assert_int_equal(store_begin(all.f->store), 0);
		assert_int_equal(store_update_answer(all.f->store, all.of[0].id,
					 last_of(&all, 0).number, NACK_STORAGE, text),
			1);
		assert_int_equal(store_commit(all.f->store), 0);
		assert_true(strlen(newest(all.f).reason) >= NOTE_SIZE - 2);
		assert_int_not_equal(
			(uint8_t)newest(all.f).reason[strlen(newest(all.f).reason) - 1], 0xc3);
	}
}

/* ---- the lost, the removed */

static size_t overdue(struct fleet *all, uint64_t heard, uint64_t asked)
{
	uint8_t ids[UPDATE_BATCH][CLIENT_ID_SIZE];
	size_t count = 99;

	assert_int_equal(store_update_overdue(all->f->store, heard, asked, ids, &count), 0);
	for (size_t i = 0; i < count; i++)
		assert_memory_equal(ids[i], all->of[0].id, CLIENT_ID_SIZE);
	return count;
}

static void who_is_heard_of_is_not_overdue(void **state)
{
	struct fleet all = a_fleet(state, 2);
	uint64_t asked = fixture_wall;

	start(all.f, first, 2, 0);
	assert_int_equal(overdue(&all, asked + 1000, asked + 1000), 0);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	fixture_wall += 900;
	assert_int_equal(overdue(&all, asked, 0), 0); /* not before, but then */
	assert_int_equal(overdue(&all, asked + 1, 0), 1);
	assert_int_equal(raw(all.f->path, "UPDATE client SET last_hello = 1800000899"), 0);
	assert_int_equal(overdue(&all, asked + 1, 0), 0);
	assert_int_equal(overdue(&all, asked + 900, 0), 1);
	/* Unless it hasn't answered for too long, heard of or not. */
	assert_int_equal(overdue(&all, asked + 1, asked + 1), 1);
	assert_int_equal(answer(&all, 0, 0), 1);
	assert_int_equal(overdue(&all, asked + 1000, asked + 1000), 0);
}

static void a_lost_one_counts_as_failed_and_frees_its_place(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r = start(all.f, first, 1, 1);

	assert_int_equal(lose(&all, 0), 0);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(lose(&all, 0), 1);
	assert_int_equal(lose(&all, 0), 0);
	assert_int_equal(last_of(&all, 0).state, UPDATE_LOST);
	assert_counts(all.f, r.id, 0, 0, 1);
	assert_int_equal(newest(all.f).state, ROLLOUT_RUNNING);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(lose(&all, 1), 1);
	assert_int_equal(newest(all.f).state, ROLLOUT_HALTED);
	assert_non_null(strstr(newest(all.f).reason, "machine-1"));
	assert_non_null(strstr(newest(all.f).reason, "not heard of"));
	assert_int_equal(audited(all.f, "client.update-lost"), 2);
}

static void a_late_answer_moves_the_count(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r = start(all.f, first, 2, 9);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(take(&all, i), UPDATE_TAKEN);
		assert_int_equal(lose(&all, i), 1);
	}
	assert_counts(all.f, r.id, 0, 0, 2);
	assert_int_equal(answer(&all, 0, 0), 1);
	assert_counts(all.f, r.id, 0, 1, 1);
	assert_int_equal(last_of(&all, 0).state, UPDATE_DONE);
	assert_int_equal(answer(&all, 1, NACK_STORAGE), 1);
	assert_counts(all.f, r.id, 0, 1, 1);
	assert_int_equal(last_of(&all, 1).state, UPDATE_REFUSED);
	assert_int_equal(answer(&all, 1, 0), 0);
}

static void a_lost_one_that_is_back_takes_a_place_under_its_number(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct rollout_record r = start(all.f, first, 1, 9);
	uint64_t number;

	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	number = last_of(&all, 0).number;
	assert_int_equal(lose(&all, 0), 1);
	assert_int_equal(take(&all, 1), UPDATE_TAKEN);
	assert_int_equal(take(&all, 0), UPDATE_WAITS);
	assert_counts(all.f, r.id, 1, 0, 1);
	assert_int_equal(answer(&all, 1, 0), 1);
	assert_int_equal(change(all.f, ROLLOUT_HALT, &by_root, &r), 1);
	assert_int_equal(take(&all, 0), UPDATE_WAITS);
	assert_int_equal(change(all.f, ROLLOUT_RESUME, &by_root, &r), 1);
	fixture_wall += 60;
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	assert_int_equal(last_of(&all, 0).number, number);
	assert_int_equal(last_of(&all, 0).sent, fixture_wall);
	assert_int_equal(last_of(&all, 0).answered, 0);
	assert_counts(all.f, r.id, 1, 1, 0);
}

static void who_is_no_client_any_more_has_no_place(void **state)
{
	static const enum client_act acts[] = { CLIENT_REVOKE, CLIENT_REMOVE };
	static const struct client_order order = { .actor = "uid:0(root)" };
	struct fleet all = a_fleet(state, 5);
	struct rollout_record r = start(all.f, first, 9, 0);
	struct client_record c;
	struct update_record u;
	bool withdrawn = true;

	for (int i = 0; i < 5; i++)
		assert_int_equal(take(&all, i), UPDATE_TAKEN);
	assert_int_equal(answer(&all, 3, 0), 1);
	assert_int_equal(store_begin(all.f->store), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			store_client_change(all.f->store, id_of(&all.of[i]), acts[i], &order, &c),
			1);
	/* It has said HELLO once, or its enrolment would be taken back. */
	assert_int_equal(
		store_client_hello(all.f->store, all.of[2].id, &(struct hello){}, "::1"), 0);
	assert_int_equal(store_client_leave(all.f->store, all.of[2].id, &withdrawn), 0);
	assert_false(withdrawn);
	assert_int_equal(store_commit(all.f->store), 0);
	assert_counts(all.f, r.id, 1, 1, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_update_get(all.f->store, all.of[i].id, &u), -ENOENT);
	/* What is over stays, until nothing of the client is known. */
	assert_int_equal(store_begin(all.f->store), 0);
	assert_int_equal(
		store_client_change(all.f->store, id_of(&all.of[3]), CLIENT_REVOKE, &order, &c), 1);
	assert_int_equal(last_of(&all, 3).state, UPDATE_DONE);
	assert_int_equal(
		store_client_change(all.f->store, id_of(&all.of[3]), CLIENT_REMOVE, &order, &c), 1);
	assert_int_equal(store_commit(all.f->store), 0);
	assert_int_equal(store_update_get(all.f->store, all.of[3].id, &u), -ENOENT);
	assert_counts(all.f, r.id, 1, 1, 0);
	/* A suspended one has its place, for a while. */
	assert_int_equal(store_begin(all.f->store), 0);
	assert_int_equal(
		store_client_change(all.f->store, id_of(&all.of[4]), CLIENT_SUSPEND, &order, &c),
		1);
	assert_int_equal(store_commit(all.f->store), 0);
	assert_int_equal(take_at(all.f->store, &c, first, &u), UPDATE_NOTHING);
	assert_counts(all.f, r.id, 1, 1, 0);
}

/* ---- listing */

struct seen {
	int count;
	uint8_t last[CLIENT_ID_SIZE];
};

static int see(void *userdata, const struct update_record *u)
{
	struct seen *s = userdata;

	if (s->count++ > 0)
		assert_true(memcmp(u->client, s->last, sizeof(s->last)) > 0);
	memcpy(s->last, u->client, sizeof(s->last));
	return 0;
}

static int listed(struct fixture *f, uint64_t id, int state, uint32_t limit)
{
	struct seen s = {};
	int count = 0;

	do {
		s.count = count;
		assert_int_equal(store_update_each(f->store, id, state, count ? s.last : NULL,
					 limit, see, &s),
			0);
		assert_true(s.count - count <= (int)limit);
		if (s.count == count)
			return count;
		count = s.count;
	} while (true);
}

static void machines_are_listed_by_what_came_of_it(void **state)
{
	struct fleet all = a_fleet(state, 8);
	struct rollout_record r = start(all.f, first, 9, 9), now;
	struct seen s = {};

	for (int i = 0; i < 7; i++)
		assert_int_equal(take(&all, i), UPDATE_TAKEN);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer(&all, i, 0), 1);
	assert_int_equal(answer(&all, 3, NACK_STORAGE), 1);
	assert_int_equal(lose(&all, 4), 1);
	for (uint32_t limit = 1; limit < 9; limit += 3) {
		assert_int_equal(listed(all.f, r.id, ANYTHING, limit), 7);
		assert_int_equal(listed(all.f, r.id, UPDATE_DONE, limit), 3);
		assert_int_equal(listed(all.f, r.id, UPDATE_REFUSED, limit), 1);
		assert_int_equal(listed(all.f, r.id, UPDATE_LOST, limit), 1);
		assert_int_equal(listed(all.f, r.id, UPDATE_SENT, limit), 2);
		assert_int_equal(listed(all.f, r.id + 1, ANYTHING, limit), 0);
	}
	assert_int_equal(store_update_settled(all.f->store, &r, NULL, 99, see, &s), 0);
	assert_int_equal(s.count, 7);
	/* The next one of the same release has three machines less to wait for. */
	now = start(all.f, first, 9, 9);
	s.count = 0;
	assert_int_equal(store_update_settled(all.f->store, &now, NULL, 99, see, &s), 0);
	assert_int_equal(s.count, 3);
	now = start(all.f, second, 9, 9);
	s.count = 0;
	assert_int_equal(store_update_settled(all.f->store, &now, NULL, 99, see, &s), 0);
	assert_int_equal(s.count, 0);
}

static void what_is_under_way_is_counted_over_all(void **state)
{
	struct fleet all = a_fleet(state, 2);
	struct update_record u;
	uint64_t n = 9;

	assert_int_equal(store_rollout_under_way(all.f->store, &n), 0);
	assert_int_equal(n, 0);
	start(all.f, first, 1, 9);
	assert_int_equal(take(&all, 0), UPDATE_TAKEN);
	start(all.f, second, 1, 9);
	assert_int_equal(take_at(all.f->store, &all.of[1], second, &u), UPDATE_TAKEN);
	assert_int_equal(store_rollout_under_way(all.f->store, &n), 0);
	assert_int_equal(n, 2);
}

/* ---- several processes */

#define MANY    160
#define WORKERS 4
static uint8_t many[MANY][CLIENT_ID_SIZE];

/* Asks for one machine after the other, and lets every second one fail, as a worker does. */
static void work(const char *path, uint32_t me)
{
	struct store *s;
	struct update_record u;
	struct client_record c;
	uint32_t number = 0;

	if (store_open_at(path, fixture_key, &fixture_clock, &s) < 0)
		_exit(1);
	for (uint32_t i = 0; i < MANY / WORKERS; i++) {
		while (store_begin(s) < 0)
			;
		int r = store_client_by_id(s, many[me * (MANY / WORKERS) + i], &c);
		if (r == 0)
			r = store_update_take(s, &c, first, &u);
		if (r < 0 || store_commit(s) < 0)
			_exit(2);
		if (r != UPDATE_TAKEN)
			continue;
		while (store_begin(s) < 0)
			;
		r = store_update_answer(s, c.id, u.number, number++ % 2 ? NACK_STORAGE : 0, "full");
		if (r != 1 || store_commit(s) < 0)
			_exit(3);
	}
	_exit(0);
}

static void counts_are_exact_whoever_asks(void **state)
{
	struct fixture *f = *state;
	struct rollout_record r;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct client_record c;
	pid_t children[WORKERS];
	int status;

	make_token(f->store, 1000, 0, token, &t);
	assert_int_equal(store_begin(f->store), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		struct enrol_request e = make_request(token, i);

		assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
		memcpy(many[i], c.id, sizeof(c.id));
	}
	assert_int_equal(store_commit(f->store), 0);
	r = start(f, first, 3, 20);
	f->store = store_close(f->store); /* no connection is carried into another process */
	for (uint32_t i = 0; i < WORKERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			work(f->path, i);
	}
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	reopen(f);
	assert_int_equal(store_rollout_get(f->store, r.id, &r), 0);
	assert_int_equal(r.state, ROLLOUT_HALTED);
	assert_int_equal(r.under_way, 0);
	/* The one too many halts it; those that were asked before that may have failed too. */
	assert_true(r.failed >= 21 && r.failed <= 23);
	assert_int_equal(audited(f, "rollout.halt"), 1);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client_update WHERE state = 1"),
		(int64_t)r.done);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client_update WHERE state = 2"),
		(int64_t)r.failed);
	assert_int_equal(raw_number(f->path, "SELECT count(DISTINCT number) FROM client_update"),
		(int64_t)(r.done + r.failed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(what_can_not_be_a_roll_out_is_refused),
		T(a_new_one_ends_the_one_before),
		T(halt_resume_and_end_are_done_once_and_an_end_is_one),
		T(nobody_is_asked_without_a_roll_out_that_runs_and_means_it),
		T(no_more_than_at_once_are_under_way),
		T(what_is_under_way_is_sent_again_in_its_place),
		T(who_has_had_that_release_is_not_asked_again),
		T(one_that_is_under_way_goes_over_to_the_next_release),
		T(only_what_is_waited_for_is_an_answer),
		T(a_failure_too_many_halts_at_once),
		T(a_machine_cannot_pass_its_failure_off_as_anothers),
		T(a_failure_undone_with_its_transaction_halts_nothing),
		T(as_many_failures_as_allowed_halt_nothing_and_counts_go_on),
		T(a_long_reason_is_cut_between_characters),
		T(who_is_heard_of_is_not_overdue),
		T(a_lost_one_counts_as_failed_and_frees_its_place),
		T(a_late_answer_moves_the_count),
		T(a_lost_one_that_is_back_takes_a_place_under_its_number),
		T(who_is_no_client_any_more_has_no_place),
		T(machines_are_listed_by_what_came_of_it),
		T(what_is_under_way_is_counted_over_all),
		T(counts_are_exact_whoever_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
