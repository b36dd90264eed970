/* SPDX-License-Identifier: MIT */
/* Updates, the agent's side: handed over as they came, answered by what root's part says of them and nothing else. */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/handover.h"
#include "agent/renewal.h"
#include "agent/update.h"
#include "lib/file.h"
#include "tests/unit/folder.h"

#define UNIT_FILE "muster-update.path"

static const uint8_t giver[GIVER_SIZE] = { 3 }, self[PUBLIC_KEY_SIZE] = { 4 },
		     binding[BINDING_SIZE] = { 9 };

static struct {
	char paths[4][96];
	const char *folders[3];
	struct update_setup setup;
	sd_event *event;
	struct update *update;
	unsigned answers;
	uint64_t sequence;
	uint16_t code;
	char text[OUTCOME_TEXT];
} b;

static void done(void *userdata, uint64_t sequence, uint16_t code, const char *text)
{
	(void)userdata;
	b.answers++;
	b.sequence = sequence;
	b.code = code;
	snprintf(b.text, sizeof b.text, "%s", text);
}

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(at(name), text, strlen(text), 0600), 0);
}

/* The unit is in the second of two folders. */
static void prepare(unsigned wait)
{
	static const char *const names[] = { "state", "outcome", "first", "second" };

	begin();
	memset(&b, 0, sizeof b);
	for (size_t i = 0; i < COUNT(names); i++)
		snprintf(b.paths[i], sizeof b.paths[i], "%s/%s", folder, names[i]);
	assert_int_equal(mkdir(b.paths[0], 0700), 0);
	assert_int_equal(mkdir(b.paths[3], 0700), 0);
	put_file("second/" UNIT_FILE, "[Path]\n");
	b.folders[0] = b.paths[2];
	b.folders[1] = b.paths[3];
	b.setup = (struct update_setup){ b.paths[0], b.paths[1], b.folders, wait, 1000 };
	assert_true(sd_event_new(&b.event) >= 0);
	assert_int_equal(update_new(b.event, &b.setup, done, NULL, &b.update), 0);
}

static void put_away(void)
{
	update_free(b.update);
	sd_event_unref(b.event);
	end();
}

static void take(uint64_t number, uint64_t sequence)
{
	static const uint8_t bytes[CLIENT_ID_SIZE + 8 + 3] = { 1 },
							signature[SIGNATURE_SIZE] = { 2 };
	const struct update_order order = { number, { 1 }, "0.2.0" };
	const struct message m = { .op = OP_UPDATE,
		.sequence = sequence,
		.signed_bytes = bytes,
		.signed_len = sizeof bytes,
		.signature = signature };

	update_take(b.update, &order, &m, giver, self, binding);
}

static void comes_out(uint64_t number, uint16_t code, const char *text)
{
	struct outcome o = { .number = number, .code = code };

	memcpy(o.giver, giver, sizeof o.giver);
	snprintf(o.text, sizeof o.text, "%s", text);
	assert_int_equal(outcome_write(b.paths[1], &o), 0);
}

/* The loop's next turns, for two polls at the most. */
static void let_it_poll(void)
{
	for (int i = 0; i < 2 && b.answers == 0; i++)
		assert_true(sd_event_run(b.event, 10000) >= 0);
}

static void answered(uint64_t sequence, uint16_t code, const char *text)
{
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.sequence, sequence);
	assert_int_equal(b.code, code);
	assert_string_equal(b.text, text);
	assert_false(update_waits(b.update));
	b.answers = 0;
}

static bool is_handed_over(void)
{
	struct handover h = {};
	int r = handover_take(b.paths[0], RENEWAL_NAME, &h);

	if (r == 0)
		assert_int_equal(h.len, HANDOVER_HEAD + CLIENT_ID_SIZE + 8 + 3);
	handover_clear(&h);
	return r == 0;
}

static void an_order_is_handed_over_and_answered_by_its_outcome(void **state)
{
	(void)state;
	prepare(60);
	take(5, 2);
	assert_int_equal(b.answers, 0);
	assert_true(update_waits(b.update));
	assert_true(is_handed_over());
	comes_out(5, NACK_PUT_BACK, "it is back");
	let_it_poll();
	answered(2, NACK_PUT_BACK, "it is back");
	/* The next agent is asked again. */
	take(5, 1);
	answered(1, NACK_PUT_BACK, "it is back");
	assert_false(is_handed_over());
	put_away();
}

static void what_came_of_another_order_is_no_answer(void **state)
{
	struct outcome o = { .number = 5 };

	(void)state;
	prepare(60);
	comes_out(4, 0, "");
	take(5, 1);
	let_it_poll();
	assert_int_equal(b.answers, 0);
	assert_int_equal(
		outcome_write(b.paths[1], &o), 0); /* by another server, or for another client */
	let_it_poll();
	assert_int_equal(b.answers, 0);
	put_file("outcome", "muster-update 1\n5 0\n\n");
	let_it_poll();
	assert_int_equal(b.answers, 0);
	comes_out(5, 0, "");
	let_it_poll();
	answered(1, 0, "");
	put_away();
}

static void where_the_unit_is_masked_or_missing_none_is_taken(void **state)
{
	(void)state;
	prepare(60);
	assert_int_equal(mkdir(b.paths[2], 0700), 0);
	assert_int_equal(symlink("/dev/null", at("first/" UNIT_FILE)), 0);
	take(5, 1);
	answered(1, NACK_NO_UPDATES, UNIT_FILE " is masked on this machine, or not there");
	assert_int_equal(unlink(at("first/" UNIT_FILE)), 0);
	put_file("first/" UNIT_FILE, "");
	take(5, 2);
	answered(2, NACK_NO_UPDATES, b.text);
	assert_int_equal(unlink(at("first/" UNIT_FILE)), 0);
	assert_int_equal(symlink("/nowhere", at("first/" UNIT_FILE)), 0);
	take(5, 3);
	answered(3, NACK_NO_UPDATES, b.text);
	assert_int_equal(unlink(at("first/" UNIT_FILE)), 0);
	assert_int_equal(unlink(at("second/" UNIT_FILE)), 0);
	take(5, 4);
	answered(4, NACK_NO_UPDATES, b.text);
	assert_false(is_handed_over());
	put_file("second/unit", "[Path]\n");
	assert_int_equal(symlink("unit", at("second/" UNIT_FILE)), 0);
	take(5, 5);
	assert_int_equal(b.answers, 0);
	assert_true(is_handed_over());
	put_away();
}

static void an_order_that_cannot_be_written_is_refused(void **state)
{
	(void)state;
	prepare(60);
	put_file("state/update", "");
	take(5, 1);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.code, NACK_STORAGE);
	assert_false(update_waits(b.update));
	put_away();
}

static void nobody_is_answered_whose_connection_is_gone(void **state)
{
	(void)state;
	prepare(60);
	take(5, 1);
	update_forget(b.update);
	assert_false(update_waits(b.update));
	comes_out(5, 0, "");
	let_it_poll();
	assert_int_equal(b.answers, 0);
	assert_true(is_handed_over());
	put_away();
}

static void a_later_order_takes_the_place_of_one_that_waits(void **state)
{
	(void)state;
	prepare(60);
	take(5, 1);
	take(6, 2);
	comes_out(5, 0, "");
	let_it_poll();
	assert_int_equal(b.answers, 0);
	comes_out(6, 0, "");
	let_it_poll();
	answered(2, 0, "");
	put_away();
}

static void what_never_comes_is_not_waited_for_without_end(void **state)
{
	(void)state;
	prepare(0);
	take(5, 1);
	let_it_poll();
	assert_int_equal(b.code, NACK_UPDATE);
	answered(1, NACK_UPDATE, b.text);
	assert_false(is_handed_over());
	put_away();
}

UNIT(it(an_order_is_handed_over_and_answered_by_its_outcome),
	it(what_came_of_another_order_is_no_answer),
	it(where_the_unit_is_masked_or_missing_none_is_taken),
	it(an_order_that_cannot_be_written_is_refused),
	it(nobody_is_answered_whose_connection_is_gone),
	it(a_later_order_takes_the_place_of_one_that_waits),
	it(what_never_comes_is_not_waited_for_without_end))
