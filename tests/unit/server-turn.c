/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "server/turn.h"

/* A store that only counts, and fails when it is told to. */
static struct {
	int begun, committed, rolled_back;
	int begin_error, commit_error;
	int busy; /* so many tries find another process writing */
	bool open;
} db;

int store_begin(struct store *s)
{
	(void)s;
	if (db.begin_error < 0)
		return db.begin_error;
	assert_false(db.open);
	db.begun++;
	db.open = true;
	return 0;
}

int store_try(struct store *s)
{
	if (db.busy > 0) {
		db.busy--;
		return -EBUSY;
	}
	return store_begin(s);
}

int store_commit(struct store *s)
{
	(void)s;
	assert_true(db.open);
	if (db.commit_error < 0)
		return db.commit_error;
	db.committed++;
	db.open = false;
	return 0;
}

void store_rollback(struct store *s)
{
	(void)s;
	assert_true(db.open);
	db.rolled_back++;
	db.open = false;
}

struct reply {
	struct held held; /* first: cast back */
	int released, number;
	bool committed;
	int *order;
	struct turn *turn;
	struct reply *other;
	enum { DO_NOTHING, DO_FORGET, DO_ENTER_AND_HOLD } then;
};

static void release(struct held *h, bool committed)
{
	struct reply *r = (struct reply *)h;

	assert_false(turn_is_held(h));
	r->released++;
	r->committed = committed;
	if (r->order != NULL)
		r->number = ++*r->order;
	switch (r->then) {
	case DO_NOTHING:
		break;
	case DO_FORGET:
		turn_forget(&r->other->held);
		break;
	case DO_ENTER_AND_HOLD:
		r->then = DO_NOTHING;
		assert_int_equal(turn_enter(r->turn), 0);
		turn_hold(r->turn, h);
		break;
	}
}

struct fixture {
	sd_event *loop;
	struct turn *turn;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&db, 0, sizeof(db));
	assert_int_equal(sd_event_new(&f.loop), 0);
	assert_int_equal(turn_new(f.loop, NULL, &f.turn), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->turn = turn_free(f->turn);
	f->loop = sd_event_unref(f->loop);
	return 0;
}

/* Everything that is pending now, and no more. */
static void run(struct fixture *f)
{
	while (sd_event_run(f->loop, 0) > 0)
		;
}

static void a_reply_waits_for_the_commit(void **state)
{
	struct fixture *f = *state;
	struct reply r = { .held = { .release = release } };

	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &r.held);
	assert_true(turn_is_held(&r.held));
	assert_int_equal(r.released, 0);
	run(f);
	assert_int_equal(r.released, 1);
	assert_true(r.committed);
	assert_int_equal(db.committed, 1);
}

static void without_a_transaction_a_reply_goes_at_once(void **state)
{
	struct fixture *f = *state;
	struct reply r = { .held = { .release = release } };

	turn_hold(f->turn, &r.held);
	assert_int_equal(r.released, 1);
	assert_true(r.committed);
	assert_int_equal(db.begun, 0);
}

static void one_commit_serves_all_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct reply r[100] = {};
	int order = 0;

	for (int i = 0; i < 100; i++) {
		r[i].held.release = release;
		r[i].order = &order;
		assert_int_equal(turn_enter(f->turn), 0);
		turn_hold(f->turn, &r[i].held);
		turn_hold(f->turn, &r[i].held); /* twice is once */
	}
	run(f);
	assert_int_equal(db.begun, 1);
	assert_int_equal(db.committed, 1);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(r[i].released, 1);
		assert_int_equal(r[i].number, i + 1);
	}
}

static void after_a_failed_commit_nobody_hears_of_success(void **state)
{
	struct fixture *f = *state;
	struct reply a = { .held = { .release = release } }, b = a;

	db.commit_error = -EIO;
	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &a.held);
	turn_hold(f->turn, &b.held);
	run(f);
	assert_int_equal(db.committed, 0);
	assert_int_equal(db.rolled_back, 1);
	assert_int_equal(a.released + b.released, 2);
	assert_false(a.committed);
	assert_false(b.committed);

	/* The next turn is a new one. */
	db.commit_error = 0;
	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &a.held);
	run(f);
	assert_true(a.committed);
}

static void a_failed_turn_is_rolled_back(void **state)
{
	struct fixture *f = *state;
	struct reply r = { .held = { .release = release } };

	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &r.held);
	turn_fail(f->turn);
	run(f);
	assert_int_equal(db.committed, 0);
	assert_int_equal(db.rolled_back, 1);
	assert_false(r.committed);
}

static void a_store_that_cannot_begin_is_told(void **state)
{
	struct fixture *f = *state;

	db.begin_error = -EIO;
	assert_int_equal(turn_enter(f->turn), -EIO);
	run(f);
	assert_int_equal(db.committed + db.rolled_back, 0);
}

static void what_is_forgotten_is_not_released(void **state)
{
	struct fixture *f = *state;
	struct reply a = { .held = { .release = release } }, b = a, c = a;

	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &a.held);
	turn_hold(f->turn, &b.held);
	turn_hold(f->turn, &c.held);
	turn_forget(&b.held);
	turn_forget(&b.held);
	run(f);
	assert_int_equal(a.released, 1);
	assert_int_equal(b.released, 0);
	assert_int_equal(c.released, 1);
}

static void a_release_may_forget_another(void **state)
{
	struct fixture *f = *state;
	struct reply b = { .held = { .release = release } };
	struct reply a = { .held = { .release = release }, .then = DO_FORGET, .other = &b };

	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &a.held);
	turn_hold(f->turn, &b.held);
	run(f);
	assert_int_equal(a.released, 1);
	assert_int_equal(b.released, 0);
}

static void a_release_may_open_the_next_turn(void **state)
{
	struct fixture *f = *state;
	struct reply a = { .held = { .release = release }, .then = DO_ENTER_AND_HOLD };

	a.turn = f->turn;
	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &a.held);
	run(f);
	assert_int_equal(db.committed, 2);
	assert_int_equal(a.released, 2);
}

static void the_end_of_the_server_commits(void **state)
{
	struct fixture *f = *state;
	struct reply r = { .held = { .release = release } };

	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &r.held);
	f->turn = turn_free(f->turn);
	assert_int_equal(db.committed, 1);
	assert_true(r.committed);
}

/* Input that never ends: a source that is always ready, at a higher priority than the commit. */
struct flood {
	struct turn *turn;
	struct reply replies[2000];
	int next;
	int most; /* replies held at once */
};

static int on_flood(sd_event_source *source, void *userdata)
{
	struct flood *flood = userdata;
	int waiting = 0;

	(void)source;
	struct reply *r = &flood->replies[flood->next++];
	r->held.release = release;
	assert_int_equal(turn_enter(flood->turn), 0);
	turn_hold(flood->turn, &r->held);
	for (int i = 0; i < flood->next; i++)
		waiting += turn_is_held(&flood->replies[i].held);
	if (waiting > flood->most)
		flood->most = waiting;
	return 0;
}

static void endless_input_does_not_starve_the_commit(void **state)
{
	struct fixture *f = *state;
	struct flood flood = { .turn = f->turn };
	sd_event_source *source;

	assert_true(sd_event_add_defer(f->loop, &source, on_flood, &flood) >= 0);
	assert_true(sd_event_source_set_enabled(source, SD_EVENT_ON) >= 0);
	while (flood.next < 2000)
		assert_true(sd_event_run(f->loop, 0) >= 0);
	sd_event_source_unref(source);
	assert_true(db.committed >= 2000 / 256 - 1);
	assert_true(flood.most <= 257);
	run(f);
}

/* ---- a store that other processes write to */

struct task {
	struct work work; /* first: cast back */
	struct turn *turn;
	struct reply reply;
	int runs, error, number;
	int *order;
	struct task *then; /* is queued by it */
	bool slow;         /* takes longer than all of a transaction may */
};

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void run_task(struct work *w, int error)
{
	struct task *t = (struct task *)w;

	t->runs++;
	t->error = error;
	if (t->order != NULL)
		t->number = ++*t->order;
	assert_int_equal(db.open, error == 0);
	assert_int_equal(turn_enter(t->turn), error);
	t->reply.held.release = release;
	turn_hold(t->turn, &t->reply.held);
	if (t->then != NULL)
		turn_queue(t->turn, &t->then->work);
	for (uint64_t until = clock_ms() + 60; t->slow && clock_ms() < until;)
		continue;
}

static struct task task_of(struct fixture *f)
{
	return (struct task){ .work.run = run_task, .turn = f->turn };
}

static void work_runs_in_order_in_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct task t[3];
	int order = 0;

	turn_share(f->turn);
	for (int i = 0; i < 3; i++) {
		t[i] = task_of(f);
		t[i].order = &order;
		turn_queue(f->turn, &t[i].work);
		assert_int_equal(db.begun, 0);
	}
	run(f);
	assert_int_equal(db.begun, 1);
	assert_int_equal(db.committed, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t[i].runs, 1);
		assert_int_equal(t[i].number, i + 1);
		assert_int_equal(t[i].error, 0);
		assert_true(t[i].reply.committed);
	}
}

static void work_waits_while_another_process_writes(void **state)
{
	struct fixture *f = *state;
	struct task t = task_of(f);

	turn_share(f->turn);
	db.busy = 3;
	turn_queue(f->turn, &t.work);
	run(f);
	while (t.runs == 0)
		assert_true(sd_event_run(f->loop, 5000000) > 0);
	assert_int_equal(db.busy, 0);
	assert_int_equal(t.error, 0);
	assert_true(t.reply.committed);
}

static void work_is_told_that_there_is_no_store(void **state)
{
	struct fixture *f = *state;
	struct task t = task_of(f), after = task_of(f);

	turn_share(f->turn);
	db.begin_error = -EIO;
	turn_queue(f->turn, &t.work);
	run(f);
	assert_int_equal(t.runs, 1);
	assert_int_equal(t.error, -EIO);
	assert_int_equal(db.committed + db.rolled_back, 0);
	db.begin_error = 0;
	turn_queue(f->turn, &after.work);
	run(f);
	assert_int_equal(after.error, 0);
	assert_true(after.reply.committed);
}

static void work_whose_commit_fails_is_not_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct task t = task_of(f);

	turn_share(f->turn);
	db.commit_error = -EIO;
	turn_queue(f->turn, &t.work);
	run(f);
	assert_int_equal(t.runs, 1);
	assert_int_equal(t.reply.released, 1);
	assert_false(t.reply.committed);
	assert_int_equal(db.rolled_back, 1);
}

static void much_work_is_done_in_parts(void **state)
{
	struct fixture *f = *state;
	static struct task t[200];

	turn_share(f->turn);
	for (size_t i = 0; i < 200; i++) {
		t[i] = task_of(f);
		turn_queue(f->turn, &t[i].work);
	}
	run(f);
	while (t[199].runs == 0)
		assert_true(sd_event_run(f->loop, 5000000) > 0);
	assert_int_equal(db.begun, 4);
	for (size_t i = 0; i < 200; i++)
		assert_true(t[i].runs == 1 && t[i].reply.committed);
}

static void slow_work_leaves_the_rest_to_the_next_transaction(void **state)
{
	struct fixture *f = *state;
	struct task t[4];

	turn_share(f->turn);
	for (size_t i = 0; i < COUNT(t); i++) {
		t[i] = task_of(f);
		t[i].slow = i < 2;
		turn_queue(f->turn, &t[i].work);
	}
	run(f);
	while (t[3].runs == 0)
		assert_true(sd_event_run(f->loop, 5000000) > 0);
	assert_int_equal(db.committed, 3);
	for (size_t i = 0; i < COUNT(t); i++)
		assert_true(t[i].runs == 1 && t[i].reply.committed);
}

static void work_may_queue_more(void **state)
{
	struct fixture *f = *state;
	struct task second = task_of(f), first = task_of(f);

	turn_share(f->turn);
	first.then = &second;
	turn_queue(f->turn, &first.work);
	run(f);
	while (second.runs == 0)
		assert_true(sd_event_run(f->loop, 5000000) > 0);
	assert_true(first.reply.committed && second.reply.committed);
}

static void what_enters_by_itself_does_not_stay_open(void **state)
{
	struct fixture *f = *state;
	struct reply r = { .held = { .release = release } };

	turn_share(f->turn);
	assert_int_equal(turn_enter(f->turn), 0);
	turn_hold(f->turn, &r.held);
	assert_true(sd_event_run(f->loop, 0) > 0); /* whatever else is ready */
	assert_int_equal(db.committed, 1);
	assert_true(r.committed);
}

static void the_end_of_the_server_refuses_what_waits(void **state)
{
	struct fixture *f = *state;
	struct task t = task_of(f);

	turn_share(f->turn);
	turn_queue(f->turn, &t.work);
	f->turn = turn_free(f->turn);
	assert_int_equal(t.runs, 1);
	assert_int_equal(t.error, -ESHUTDOWN);
	assert_int_equal(db.begun, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reply_waits_for_the_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_a_transaction_a_reply_goes_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_commit_serves_all_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			after_a_failed_commit_nobody_hears_of_success, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_turn_is_rolled_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_that_cannot_begin_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_released, setup, teardown),
		cmocka_unit_test_setup_teardown(a_release_may_forget_another, setup, teardown),
		cmocka_unit_test_setup_teardown(a_release_may_open_the_next_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_the_server_commits, setup, teardown),
		cmocka_unit_test_setup_teardown(
			endless_input_does_not_starve_the_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			work_runs_in_order_in_one_transaction, setup, teardown),
		cmocka_unit_test_setup_teardown(
			work_waits_while_another_process_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			work_is_told_that_there_is_no_store, setup, teardown),
		cmocka_unit_test_setup_teardown(
			work_whose_commit_fails_is_not_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(much_work_is_done_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			slow_work_leaves_the_rest_to_the_next_transaction, setup, teardown),
		cmocka_unit_test_setup_teardown(work_may_queue_more, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_enters_by_itself_does_not_stay_open, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_end_of_the_server_refuses_what_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
