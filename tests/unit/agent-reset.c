/* SPDX-License-Identifier: MIT */
/* Restarts that the server asks for: each once, none too early, none that isn't on the disk. */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/reset.h"
#include "lib/file.h"

struct bench {
	char folder[64], path[96];
	sd_event *event;
	struct reset *reset;
	unsigned busy; /* so many times it is */
	unsigned asked, failed, restarted;
	uint64_t failed_sequence;
	int error;
};

static bool busy(void *userdata)
{
	struct bench *b = userdata;

	b->asked++;
	return b->busy > 0 && b->busy-- > 0;
}

static void failed(void *userdata, uint64_t sequence, int error)
{
	struct bench *b = userdata;

	b->failed++;
	b->failed_sequence = sequence;
	b->error = error;
}

static void restart(void *userdata)
{
	struct bench *b = userdata;

	b->restarted++;
}

static const struct reset_calls at_once = { 0, busy, failed, restart };
static const struct reset_calls after_an_hour = { 3600, busy, failed, restart };

static void begin(struct bench *b, const struct reset_calls *calls, const char *file)
{
	*b = (struct bench){};
	(void)snprintf(b->folder, sizeof b->folder, "/tmp/agent-reset-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	(void)snprintf(b->path, sizeof b->path, "%s/reset", b->folder);
	if (file)
		assert_int_equal(file_write_atomic(b->path, file, strlen(file), 0600), 0);
	assert_true(sd_event_new(&b->event) >= 0);
	assert_int_equal(reset_new(b->event, b->folder, calls, b, &b->reset), 0);
}

static void finish(struct bench *b)
{
	b->reset = reset_free(b->reset);
	sd_event_unref(b->event);
	(void)unlink(b->path);
	assert_int_equal(rmdir(b->folder), 0);
}

/* Until something has come of it. */
static void run(struct bench *b)
{
	while (b->restarted == 0 && b->failed == 0)
		assert_true(sd_event_run(b->event, UINT64_MAX) >= 0);
}

/* What is ready now, and no more. */
static void run_dry(struct bench *b)
{
	while (sd_event_run(b->event, 0) > 0)
		;
}

static void assert_stored(const struct bench *b, const char *text)
{
	scoped(freep) char *stored = NULL;
	size_t len;

	assert_int_equal(file_read(b->path, 64, &stored, &len), 0);
	assert_string_equal(stored, text);
}

static void a_new_number_is_stored_and_then_the_agent_restarts(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, NULL);
	assert_false(reset_take(b.reset, 7, 1));
	assert_int_equal(b.restarted, 0);
	run(&b);
	assert_int_equal(b.restarted, 1);
	assert_stored(&b, "7\n");
	assert_true(reset_take(b.reset, 7, 2));
	finish(&b);
}

static void one_that_was_made_is_only_acknowledged_however_often_it_comes(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, "41\n");
	for (uint64_t sequence = 1; sequence < 100; sequence++) {
		assert_true(reset_take(b.reset, 41, sequence));
		assert_true(reset_take(b.reset, 1, sequence));
		assert_true(reset_take(b.reset, 40, sequence));
	}
	run_dry(&b);
	assert_int_equal(b.restarted, 0);
	assert_stored(&b, "41\n");
	assert_false(reset_take(b.reset, 42, 100));
	finish(&b);
}

static void the_greatest_number_has_none_after_it(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, "18446744073709551615\n");
	assert_true(reset_take(b.reset, UINT64_MAX, 1));
	assert_true(reset_take(b.reset, 1, 2));
	finish(&b);
}

static void an_agent_that_has_just_started_does_not_restart(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &after_an_hour, NULL);
	for (uint64_t number = 1; number < 1000; number++)
		assert_false(reset_take(b.reset, number, number));
	run_dry(&b);
	assert_int_equal(b.asked, 0);
	assert_int_equal(b.restarted, 0);
	assert_int_not_equal(access(b.path, F_OK), 0);
	finish(&b);
}

static void several_that_wait_are_one_restart_and_the_greatest_number(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, NULL);
	assert_false(reset_take(b.reset, 5, 1));
	assert_false(reset_take(b.reset, 9, 2));
	assert_false(reset_take(b.reset, 8, 3));
	run(&b);
	run_dry(&b);
	assert_int_equal(b.restarted, 1);
	assert_stored(&b, "9\n");
	finish(&b);
}

static void what_is_at_work_is_waited_for(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, NULL);
	b.busy = 1;
	assert_false(reset_take(b.reset, 1, 1));
	run(&b);
	assert_int_equal(b.asked, 2);
	assert_int_equal(b.restarted, 1);
	finish(&b);
}

/* It would come again and again. */
static void without_the_number_on_the_disk_there_is_no_restart(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, NULL);
	assert_int_equal(mkdir(b.path, 0700), 0); /* nothing can be renamed over it */
	assert_false(reset_take(b.reset, 3, 17));
	run(&b);
	assert_int_equal(b.restarted, 0);
	assert_int_equal(b.failed, 1);
	assert_int_equal(b.failed_sequence, 17);
	assert_true(b.error < 0);
	/* And it may be asked for again. */
	assert_int_equal(rmdir(b.path), 0);
	assert_false(reset_take(b.reset, 3, 18));
	run_dry(&b);
	assert_int_equal(b.restarted, 1);
	finish(&b);
}

static void nobody_is_told_on_a_connection_that_is_gone(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, &at_once, NULL);
	assert_int_equal(mkdir(b.path, 0700), 0);
	assert_false(reset_take(b.reset, 3, 17));
	reset_forget(b.reset);
	run_dry(&b);
	assert_int_equal(b.failed, 0);
	assert_int_equal(b.restarted, 0);
	assert_int_equal(rmdir(b.path), 0);
	finish(&b);
}

static void a_file_that_can_not_be_read_counts_as_none(void **state)
{
	static const char *const files[] = { "", "\n", "x\n", "-1\n", "0\n", "1x\n",
		"18446744073709551616\n",
		"1111111111111111111111111111111111111111111111111111111111111111111111\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct bench b;

		begin(&b, &after_an_hour, files[i]);
		assert_false(reset_take(b.reset, 1, 1));
		finish(&b);
	}
}

UNIT(it(a_new_number_is_stored_and_then_the_agent_restarts),
	it(one_that_was_made_is_only_acknowledged_however_often_it_comes),
	it(the_greatest_number_has_none_after_it),
	it(an_agent_that_has_just_started_does_not_restart),
	it(several_that_wait_are_one_restart_and_the_greatest_number),
	it(what_is_at_work_is_waited_for), it(without_the_number_on_the_disk_there_is_no_restart),
	it(nobody_is_told_on_a_connection_that_is_gone),
	it(a_file_that_can_not_be_read_counts_as_none))
