/* SPDX-License-Identifier: MIT */
/* What the agent hands to root's part: whatever lies in its folder, only the server's word is taken. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/handover.h"
#include "lib/file.h"
#include "tests/unit/folder.h"
#include "tests/unit/handed.h"

static char below[80], order[96], other[96];

static void prepare(void)
{
	begin();
	handed_begin();
	snprintf(below, sizeof below, "%s/apply", folder);
	snprintf(order, sizeof order, "%s/apply/order", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	assert_int_equal(file_write_atomic(other, "another's", 9, 0600), 0);
}

static void put_away(void)
{
	handed_end();
	end();
}

static void what_is_given_is_taken_once(void **state)
{
	struct handover given, taken = {};
	const uint8_t *body;
	size_t len;

	(void)state;
	prepare();
	assert_int_equal(handover_take(folder, "apply", &taken), -ENOENT);
	given = handed(OP_RESET, "body", 4);
	assert_int_equal(handover_give(folder, "apply", &given), 0);
	assert_int_equal(handover_give(folder, "apply", &given), 0);
	assert_int_equal(handover_take(folder, "apply", &taken), 0);
	assert_int_equal(taken.len, given.len);
	assert_memory_equal(taken.bytes, given.bytes, given.len);
	assert_int_equal(handover_verify(&taken, OP_RESET, &machine), 0);
	body = handover_body(&taken, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(body, "body", 4);
	handover_clear(&taken);
	assert_int_equal(handover_take(folder, "apply", &taken), -ENOENT);
	assert_int_equal(handover_give(folder, "apply", &given), 0);
	handover_withdraw(folder, "apply");
	assert_int_equal(handover_take(folder, "apply", &taken), -ENOENT);
	assert_null(taken.bytes);
	handover_clear(&given);
	put_away();
}

/* Neither followed nor waited for, and not there any more for a second look; 1: any errno. */
static void refused(int error)
{
	struct handover h = {};
	int r = handover_take(folder, "apply", &h);

	assert_true(error == 1 ? r < 0 : r == error);
	assert_null(h.bytes);
	assert_int_equal(access(order, F_OK), -1);
}

static void what_is_no_file_of_the_agents_own_is_refused(void **state)
{
	char *text;
	size_t len;

	(void)state;
	prepare();
	assert_int_equal(mkdir(below, 0700), 0);
	assert_int_equal(symlink(other, order), 0);
	refused(-ELOOP);
	assert_int_equal(symlink("/nowhere", order), 0);
	refused(-ELOOP);
	assert_int_equal(link(other, order), 0);
	refused(-EINVAL);
	assert_int_equal(mkfifo(order, 0600), 0);
	refused(-EINVAL);
	assert_int_equal(file_read(other, 64, &text, &len), 0);
	assert_string_equal(text, "another's");
	free(text);
	put_away();
}

static void a_folder_that_is_a_link_is_not_entered(void **state)
{
	struct handover h = {};
	char elsewhere[80], there[96];

	(void)state;
	prepare();
	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
	snprintf(there, sizeof there, "%s/order", elsewhere);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(file_write_atomic(there, "x", 1, 0600), 0);
	assert_int_equal(symlink(elsewhere, below), 0);
	assert_true(handover_take(folder, "apply", &h) < 0);
	assert_null(h.bytes);
	assert_int_equal(access(there, F_OK), 0);
	put_away();
}

/* It can't be unlinked, but it is none either. */
static void a_folder_in_place_of_the_order_is_refused(void **state)
{
	struct handover h = {};

	(void)state;
	prepare();
	assert_int_equal(mkdir(below, 0700), 0);
	assert_int_equal(mkdir(order, 0700), 0);
	assert_true(handover_take(folder, "apply", &h) < 0);
	assert_null(h.bytes);
	put_away();
}

static void what_is_longer_than_a_message_is_refused(void **state)
{
	struct handover h = {};
	int fd;

	(void)state;
	prepare();
	assert_int_equal(mkdir(below, 0700), 0);
	fd = open(order, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, HANDOVER_MAX + 1), 0);
	close(fd);
	refused(-EFBIG);
	fd = open(order, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, HANDOVER_MAX), 0);
	close(fd);
	assert_int_equal(handover_take(folder, "apply", &h), 0);
	assert_int_equal(h.len, HANDOVER_MAX);
	assert_true(handover_verify(&h, OP_RESET, &machine) < 0);
	handover_clear(&h);
	put_away();
}

static void no_part_of_an_order_can_be_another(void **state)
{
	struct handover h;

	(void)state;
	prepare();
	h = handed(OP_RESET, "body", 4);
	assert_int_equal(handover_verify(&h, OP_RESET, &machine), 0);
	for (size_t i = 0; i < h.len; i++) {
		h.bytes[i] ^= 1;
		assert_true(handover_verify(&h, OP_RESET, &machine) < 0);
		h.bytes[i] ^= 1;
	}
	for (size_t len = 0; len < h.len; len++) {
		struct handover cut = { exactly(h.bytes, len), len };

		assert_true(handover_verify(&cut, OP_RESET, &machine) < 0);
		handover_clear(&cut);
	}
	assert_true(handover_verify(&h, OP_CONFIG, &machine) < 0);
	handover_clear(&h);
	put_away();
}

static void an_order_for_another_machine_or_by_another_server_is_refused(void **state)
{
	struct config another;
	struct handover h;

	(void)state;
	prepare();
	h = handed(OP_RESET, "body", 4);
	another = machine;
	another.client_id[15]++;
	assert_int_equal(handover_verify(&h, OP_RESET, &another), -EKEYREJECTED);
	another = machine;
	handed_end();
	handed_begin();
	memcpy(another.server_key, machine.server_key, PUBLIC_KEY_SIZE);
	assert_true(handover_verify(&h, OP_RESET, &another) < 0);
	handover_clear(&h);
	put_away();
}

UNIT(it(what_is_given_is_taken_once), it(what_is_no_file_of_the_agents_own_is_refused),
	it(a_folder_that_is_a_link_is_not_entered), it(a_folder_in_place_of_the_order_is_refused),
	it(what_is_longer_than_a_message_is_refused), it(no_part_of_an_order_can_be_another),
	it(an_order_for_another_machine_or_by_another_server_is_refused))
