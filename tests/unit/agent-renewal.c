/* SPDX-License-Identifier: MIT */
/* Updates by root's part: what the server has not said isn't done, what is done is done once, and is told. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/enrolrun.h"
#include "agent/renewal.h"
#include "lib/file.h"
#include "tests/unit/folder.h"
#include "tests/unit/handed.h"

#define SIGN "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
#define PIN  "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* By which a change becomes one, and is durable: the process dies before so many of them, or they
 * fail. */
static int left = -1;
static int fails;

static bool comes_to_its_end(void)
{
	if (left < 0 || left-- > 0)
		return false;
	if (!fails)
		(void)kill(getpid(), SIGKILL);
	errno = fails;
	return true;
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	return comes_to_its_end() ? -1 : (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

int unlinkat(int folder_fd, const char *name, int flags)
{
	return comes_to_its_end() ? -1 : (int)syscall(SYS_unlinkat, folder_fd, name, flags);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int fsync(int fd)
{
	(void)fd;
	return comes_to_its_end() ? -1 : 0;
}

static unsigned slept; /* seconds */

unsigned sleep(unsigned seconds)
{
	slept += seconds;
	return 0;
}

static char paths[8][96];
static struct renewal_setup setup;
static const char *updates; /* a line of the configuration */

static const char *at(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(at(name), text, strlen(text), 0700), 0);
}

static bool is_there(const char *name)
{
	return access(at(name), F_OK) == 0;
}

/* The machine is enrolled at that server. */
static void write_config(void)
{
	char key[IDENTITY_TEXT_SIZE], id[CLIENT_ID_TEXT_SIZE], text[1024];

	identity_public_to_text(machine.server_key, key);
	sodium_bin2hex(id, sizeof id, machine.client_id, CLIENT_ID_SIZE);
	snprintf(text, sizeof text,
		"[agent]\nServer=a:1\nPins=" PIN "\nServerKey=%s\nReleaseKey=" SIGN
		"\nClient=%s\n%s",
		key, id, updates);
	put_file("conf", text);
}

/* In place of muster-enrol a script, which does what `says` tells, or on its nth run `says.n`. */
static void write_program(void)
{
	char text[512];

	snprintf(text, sizeof text,
		"#!/bin/sh\ncd %s\necho \"$*\" >>ran\nn=$(wc -l <ran)\n"
		"if [ -e says.$n ]; then . ./says.$n; else . ./says; fi\n",
		folder);
	put_file("program", text);
}

static void says(const char *which, const char *result, const char *more, int code)
{
	char text[512];

	snprintf(text, sizeof text,
		"echo '{\"step\":\"fetch\",\"state\":\"done\"}'\n"
		"printf '%%s\\n' '{\"result\":\"%s\"%s,\"exit\":%d}'\nexit %d\n",
		result, more, code, code);
	put_file(which, text);
}

static void prepare(void)
{
	static const char *const names[] = { "conf", "state", "runtime", "own", "outcome",
		"program", "journal" };

	begin();
	handed_begin();
	updates = "";
	for (size_t i = 0; i < COUNT(names); i++)
		snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
	setup = (struct renewal_setup){ .config = paths[0],
		.state = paths[1],
		.runtime = paths[2],
		.folder = paths[3],
		.outcome = paths[4],
		.program = paths[5],
		.journal = paths[6] };
	assert_int_equal(mkdir(paths[1], 0700), 0);
	assert_int_equal(mkdir(paths[3], 0700), 0);
	write_config();
	write_program();
	says("says", "updated", ",\"client\":\"x\",\"version\":\"0.2.0\"", 0);
}

static void put_away(void)
{
	handed_end();
	end();
}

static struct handover order_of(uint64_t number, uint8_t release)
{
	const struct update_order o = { number, { release }, "0.2.0" };
	uint8_t body[64];
	ssize_t len = update_order_encode(&o, body, sizeof body);

	assert_true(len > 0);
	return handed(OP_UPDATE, body, (size_t)len);
}

static int given(struct handover h)
{
	assert_int_equal(handover_give(paths[1], RENEWAL_NAME, &h), 0);
	handover_clear(&h);
	return renewal_run(&setup);
}

static unsigned runs(void)
{
	unsigned lines = 0;
	char *text;
	size_t len;

	if (!is_there("ran"))
		return 0;
	assert_int_equal(file_read(at("ran"), 65536, &text, &len), 0);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

static struct outcome outcome(void)
{
	struct outcome o;

	assert_int_equal(outcome_read(paths[4], &o), 0);
	return o;
}

/* The same again from the agent, which has restarted. */
static void answers(uint64_t number, uint16_t code, unsigned so_many_runs)
{
	struct outcome o = outcome();

	assert_int_equal(o.number, number);
	assert_int_equal(o.code, code);
	assert_int_equal(runs(), so_many_runs);
	assert_false(is_there("own/order"));
	assert_false(is_there("state/update/order"));
}

static void without_an_order_nothing_is_done(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	assert_int_equal(mkdir(at("state/update"), 0700), 0);
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	assert_false(is_there("outcome"));
	assert_int_equal(runs(), 0);
	put_away();
}

static void without_a_configuration_no_order_is_taken(void **state)
{
	(void)state;
	prepare();
	put_file("conf", "[agent]\n");
	assert_int_equal(given(order_of(1, 1)), EXIT_FAILURE);
	assert_int_equal(runs(), 0);
	assert_true(is_there("state/update/order"));
	put_away();
}

static void what_the_server_has_not_said_is_refused(void **state)
{
	static const uint8_t body[] = { 1, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct handover h;

	(void)state;
	prepare();
	h = order_of(1, 1);
	h.bytes[h.len - 1]++;
	assert_int_equal(given(h), EXIT_FAILURE);
	machine.client_id[0]++;
	h = order_of(1, 1);
	machine.client_id[0]--;
	assert_int_equal(given(h), EXIT_FAILURE);
	assert_int_equal(given(handed(OP_RESET, body, sizeof body)), EXIT_FAILURE);
	assert_int_equal(given(handed(OP_UPDATE, body, sizeof body)), EXIT_FAILURE);
	handed_end();
	handed_begin(); /* another server */
	assert_int_equal(given(order_of(1, 1)), EXIT_FAILURE);
	assert_int_equal(runs(), 0);
	assert_false(is_there("outcome"));
	assert_false(is_there("state/update/order"));
	assert_false(is_there("own/.order-update"));
	put_away();
}

static void an_order_is_carried_out_once_however_often_it_comes(void **state)
{
	char *text;
	size_t len;

	(void)state;
	prepare();
	assert_int_equal(given(order_of(5, 0xab)), EXIT_SUCCESS);
	answers(5, 0, 1);
	assert_int_equal(file_read(at("ran"), 4096, &text, &len), 0);
	assert_non_null(strstr(text, "--update --release ab00000000"));
	assert_non_null(strstr(text, " --json\n"));
	free(text);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(paths[4]), 0);
		assert_int_equal(given(order_of(5, 0xab)), EXIT_SUCCESS);
		answers(5, 0, 1);
	}
	assert_int_equal(given(order_of(6, 0xab)), EXIT_SUCCESS);
	answers(6, 0, 2);
	put_away();
}

static void an_older_order_or_another_of_the_same_number_is_refused(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
	assert_int_equal(given(order_of(4, 1)), EXIT_SUCCESS);
	answers(4, NACK_OLDER_ORDER, 1);
	assert_int_equal(given(order_of(5, 2)), EXIT_SUCCESS);
	answers(5, NACK_OLDER_ORDER, 1);
	/* What was carried out is still known. */
	assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
	answers(5, 0, 1);
	put_away();
}

static void a_new_enrolment_has_numbers_of_its_own(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
	machine.client_id[0]++;
	write_config();
	assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
	answers(5, 0, 2);
	assert_int_equal(given(order_of(3, 1)), EXIT_SUCCESS);
	answers(3, NACK_OLDER_ORDER, 2);
	put_away();
}

static void each_end_has_its_code_and_is_told_again(void **state)
{
	static const struct {
		const char *result, *more;
		int exit;
		uint16_t code;
		const char *text;
	} ends[] = {
		{ "up-to-date", "", 0, 0, "" },
		{ "updated", "", 0, 0, "" },
		{ "failed", ",\"step\":\"fetch\",\"detail\":\"a \\\"b\\\" c\\\\\"", 19, NACK_UPDATE,
			"a \"b\" c\\" },
		{ "put-back", ",\"detail\":\"it is back\"", 18, NACK_PUT_BACK, "it is back" },
		{ "half-done", ",\"detail\":\"\xc3\xbc\"", 12, NACK_HALF_DONE, "\xc3\xbc" },
	};
	uint64_t number = 1;

	(void)state;
	prepare();
	for (size_t i = 0; i < COUNT(ends); i++, number++) {
		says("says", ends[i].result, ends[i].more, ends[i].exit);
		assert_int_equal(given(order_of(number, 1)), EXIT_SUCCESS);
		answers(number, ends[i].code, (unsigned)number);
		assert_string_equal(outcome().text, ends[i].text);
		assert_int_equal(unlink(paths[4]), 0);
		assert_int_equal(given(order_of(number, 1)), EXIT_SUCCESS);
		answers(number, ends[i].code, (unsigned)number);
		assert_string_equal(outcome().text, ends[i].text);
	}
	put_away();
}

static void one_that_is_killed_is_brought_to_an_end_or_told_as_it_is(void **state)
{
	(void)state;
	prepare();
	put_file("says.1", "kill -9 $$\n");
	assert_int_equal(given(order_of(1, 1)), EXIT_SUCCESS);
	answers(1, 0, 2);
	put_file("says", "kill -9 $$\n");
	assert_int_equal(given(order_of(2, 1)), EXIT_SUCCESS);
	answers(2, NACK_UPDATE, 5);
	assert_string_equal(outcome().text, "muster-enrol was ended by signal 9");
	put_file("journal", "x");
	assert_int_equal(given(order_of(3, 1)), EXIT_SUCCESS);
	answers(3, NACK_HALF_DONE, 8);
	assert_int_equal(unlink(at("program")), 0);
	assert_int_equal(given(order_of(4, 1)), EXIT_SUCCESS);
	answers(4, NACK_UPDATE, 8);
	assert_non_null(strstr(outcome().text, "cannot run"));
	put_away();
}

static void another_run_and_a_server_that_is_away_are_waited_for(void **state)
{
	(void)state;
	prepare();
	says("says.1", "failed", ",\"detail\":\"another\"", 14);
	says("says.2", "unproved", ",\"detail\":\"away\"", 15);
	says("says.3", "unproved", ",\"detail\":\"away\"", 15);
	assert_int_equal(given(order_of(1, 1)), EXIT_SUCCESS);
	answers(1, 0, 4);
	says("says", "failed", ",\"detail\":\"another is running\"", 14);
	assert_int_equal(given(order_of(2, 1)), EXIT_SUCCESS);
	assert_int_equal(outcome().code, NACK_UPDATE);
	assert_string_equal(outcome().text, "another is running");
	put_away();
}

static void a_machine_that_takes_none_says_so_and_nothing_is_noted(void **state)
{
	(void)state;
	prepare();
	updates = "Updates=no\n";
	write_config();
	assert_int_equal(given(order_of(9, 1)), EXIT_SUCCESS);
	answers(9, NACK_NO_UPDATES, 0);
	assert_false(is_there("own/.order-update"));
	updates = "Updates=yes\n";
	write_config();
	assert_int_equal(given(order_of(8, 1)), EXIT_SUCCESS);
	answers(8, 0, 1);
	put_away();
}

/* As a loss of power would have left it. */
static void kept(struct handover h)
{
	assert_int_equal(file_write_atomic(at("own/order"), h.bytes, h.len, 0600), 0);
	handover_clear(&h);
}

static void what_was_begun_is_brought_to_its_end_before_anything_else(void **state)
{
	(void)state;
	prepare();
	kept(order_of(5, 1));
	says("says.1", "put-back", ",\"detail\":\"it is back\"", 18);
	assert_int_equal(given(order_of(6, 1)), EXIT_SUCCESS);
	assert_int_equal(outcome().number, 5);
	assert_int_equal(outcome().code, NACK_PUT_BACK);
	assert_true(is_there("state/update/order"));
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	answers(6, 0, 2);
	put_away();
}

static void what_has_ended_and_is_kept_still_is_not_done_again(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
	kept(order_of(5, 1));
	assert_int_equal(unlink(paths[4]), 0);
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	answers(5, 0, 1);
	put_away();
}

static void what_is_kept_of_a_former_enrolment_or_damaged_is_dropped(void **state)
{
	struct handover h;

	(void)state;
	prepare();
	kept(order_of(5, 1));
	machine.client_id[0]++;
	write_config();
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	assert_false(is_there("own/order"));
	h = order_of(6, 1);
	h.len--;
	kept(h);
	assert_int_equal(given(order_of(7, 1)), EXIT_SUCCESS);
	answers(7, 0, 1);
	put_away();
}

static void what_cannot_be_kept_is_not_begun(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(mkdir(at("own/order"), 0700), 0);
	assert_int_equal(given(order_of(1, 1)), EXIT_FAILURE);
	assert_int_equal(runs(), 0);
	assert_int_equal(rmdir(at("own/order")), 0);
	put_file("own/.order-update", "no such thing");
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	answers(1, NACK_STORAGE, 0);
	assert_int_equal(unlink(at("own/.order-update")), 0);
	/* It has not been begun: the same order may be. */
	assert_int_equal(given(order_of(1, 1)), EXIT_SUCCESS);
	answers(1, 0, 1);
	put_away();
}

/* A run of its own; the status of wait(2). */
static int run_apart(int changes, int error)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		left = changes;
		fails = error;
		_exit(renewal_run(&setup));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void hand_over(struct handover h)
{
	assert_int_equal(handover_give(paths[1], RENEWAL_NAME, &h), 0);
	handover_clear(&h);
}

/* The agent asks again, for as long as nobody has answered. */
static void killed_before_any_change_it_comes_to_its_end(void **state)
{
	int changes = 0, status = 1;

	(void)state;
	for (; status != 0; changes++) {
		prepare();
		assert_int_equal(given(order_of(4, 1)), EXIT_SUCCESS);
		hand_over(order_of(5, 1));
		status = run_apart(changes, 0);
		assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
		assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
		assert_true(runs() <= 3);
		answers(5, 0, runs());
		assert_int_equal(given(order_of(4, 1)), EXIT_SUCCESS);
		answers(4, NACK_OLDER_ORDER, runs());
		put_away();
	}
	assert_true(changes > 10);
}

/* Whatever fails is told or left for the next time, and that is right. */
static void whatever_cannot_be_written_spoils_nothing(void **state)
{
	int changes = 0, failed = 0;

	(void)state;
	for (; changes < 24; changes++) {
		struct outcome o;

		prepare();
		hand_over(order_of(5, 1));
		failed += run_apart(changes, ENOSPC) != 0;
		if (outcome_read(paths[4], &o) == 0)
			assert_true(o.code == 0 || o.code == NACK_STORAGE);
		assert_true(runs() <= 1);
		assert_int_equal(given(order_of(5, 1)), EXIT_SUCCESS);
		assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
		answers(5, 0, 1);
		put_away();
	}
	assert_true(failed > 2);
}

static void an_end_that_cannot_be_kept_is_told_and_not_done_again(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(mkdir(at("own/result"), 0700), 0);
	setup.pause = 5;
	slept = 0;
	assert_int_equal(given(order_of(1, 1)), EXIT_FAILURE);
	assert_int_equal(outcome().code, 0);
	assert_true(is_there("own/order"));
	/* Not at once: systemd would soon give it up. */
	assert_int_equal(slept, 5);
	assert_int_equal(renewal_run(&setup), EXIT_FAILURE);
	assert_int_equal(slept, 10);
	assert_int_equal(runs(), 1);
	assert_int_equal(rmdir(at("own/result")), 0);
	assert_int_equal(renewal_run(&setup), EXIT_SUCCESS);
	answers(1, 0, 1);
	put_away();
}

static void an_outcome_is_read_as_written_and_nothing_else_is_one(void **state)
{
	struct outcome o = { .number = UINT64_MAX, .giver = { 1 }, .code = NACK_UPDATE }, again;
	char *text;
	size_t len;

	(void)state;
	begin();
	assert_int_equal(outcome_read(at("o"), &again), -ENOENT);
	memset(o.text, 'x', sizeof o.text - 1);
	assert_int_equal(outcome_write(at("o"), &o), 0);
	assert_int_equal(outcome_read(at("o"), &again), 0);
	assert_memory_equal(&again, &o, sizeof o);
	assert_true(outcome_is_of(&again, UINT64_MAX, o.giver));
	assert_false(outcome_is_of(&again, 1, o.giver));
	again.giver[31]++;
	assert_false(outcome_is_of(&again, UINT64_MAX, o.giver));
	assert_int_equal(file_read(at("o"), 4096, &text, &len), 0);
	for (size_t size = 0; size < len; size++) {
		assert_int_equal(file_write_atomic(at("o"), text, size, 0644), 0);
		assert_int_equal(outcome_read(at("o"), &again), -EBADMSG);
	}
	text[len - 2] = '\x1b';
	assert_int_equal(file_write_atomic(at("o"), text, len, 0644), 0);
	assert_int_equal(outcome_read(at("o"), &again), -EBADMSG);
	free(text);
	end();
}

static void a_last_line_that_tells_no_result_is_none(void **state)
{
	static const char *const none[] = { "", "{", "{\"result\":\"", "{\"result\":\"updated\"",
		"{\"result\":\"updat\",\"exit\":0}", "{\"step\":\"result\",\"state\":\"updated\"}",
		"{\"result\":\"enrolled\",\"exit\":0}", "{\"result\":\"updated-and-much-more\"}",
		"updated" };
	struct enrolrun ran;

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++) {
		enrolrun_judge(none[i], 256, &ran);
		assert_int_equal(ran.end, ENROLRUN_LOST);
	}
	/* Who says that it has done it, and is killed, or fails. */
	enrolrun_judge("{\"result\":\"updated\",\"exit\":0}", 9, &ran);
	assert_int_equal(ran.end, ENROLRUN_LOST);
	enrolrun_judge("{\"result\":\"updated\",\"exit\":0}", 0, &ran);
	assert_int_equal(ran.end, ENROLRUN_DONE);
	enrolrun_judge("{\"result\":\"failed\",\"detail\":\"\\", 256, &ran);
	assert_int_equal(ran.end, ENROLRUN_FAILED);
	enrolrun_judge("{\"result\":\"failed\",\"detail\":\"\x1b[2J\"}", 256, &ran);
	assert_string_equal(ran.text, "\\x1b[2J");
}

UNIT(it(without_an_order_nothing_is_done), it(without_a_configuration_no_order_is_taken),
	it(what_the_server_has_not_said_is_refused),
	it(an_order_is_carried_out_once_however_often_it_comes),
	it(an_older_order_or_another_of_the_same_number_is_refused),
	it(a_new_enrolment_has_numbers_of_its_own), it(each_end_has_its_code_and_is_told_again),
	it(one_that_is_killed_is_brought_to_an_end_or_told_as_it_is),
	it(another_run_and_a_server_that_is_away_are_waited_for),
	it(a_machine_that_takes_none_says_so_and_nothing_is_noted),
	it(what_was_begun_is_brought_to_its_end_before_anything_else),
	it(what_has_ended_and_is_kept_still_is_not_done_again),
	it(what_is_kept_of_a_former_enrolment_or_damaged_is_dropped),
	it(what_cannot_be_kept_is_not_begun), it(killed_before_any_change_it_comes_to_its_end),
	it(whatever_cannot_be_written_spoils_nothing),
	it(an_end_that_cannot_be_kept_is_told_and_not_done_again),
	it(an_outcome_is_read_as_written_and_nothing_else_is_one),
	it(a_last_line_that_tells_no_result_is_none))
