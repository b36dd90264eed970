/* SPDX-License-Identifier: MIT */
/* Machines that have fallen silent while they were updated, and those that would have to be dialled
 * for an update. */
#include "server-ask.h"

#include <sodium.h>

#include "server/lost.h"
#include "server/store/updates.h"
#include "server/updates.h"

static const uint8_t offered[RELEASE_DIGEST_SIZE] = { 1 };

/* A roll-out to two machines at a time, of the release that the server offers; nothing ticks. */
static void roll_out(struct api_fixture *a)
{
	struct rollout_spec spec = { .release = offered,
		.version = "1.2.3",
		.selector = "*",
		.at_once = 2,
		.failures = 9,
		.actor = "x" };
	struct rollout_record r;

	memcpy(a->server.release.digest, offered, sizeof(offered));
	a->server.release.manifest_text = a->store->path; /* something is offered */
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_rollout_start(a->server.store, &spec, &r), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	assert_int_equal(updates_start(&a->server), 0);
}

static struct client_record clients[3];

static int keep(void *userdata, const struct client_record *c)
{
	size_t *count = userdata;

	clients[(*count)++] = *c;
	return 0;
}

static void enrol_three(struct api_fixture *a)
{
	struct client_filter filter = { .state = CLIENT_ENROLLED };
	size_t count = 0;

	enrol_some(a, 3);
	assert_int_equal(store_client_each(a->server.store, &filter, keep, &count, NULL), 0);
	assert_int_equal(count, 3);
}

static void take(struct api_fixture *a, int i)
{
	struct update_record u;

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_update_take(a->server.store, &clients[i], offered, &u), UPDATE_TAKEN);
	assert_int_equal(store_commit(a->server.store), 0);
}

static void hear(struct api_fixture *a, int i)
{
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_client_hello(a->server.store, clients[i].id, &(struct hello){}, "::1"), 0);
	assert_int_equal(store_commit(a->server.store), 0);
}

static int give_up(struct api_fixture *a, uint64_t attended)
{
	int r = lost_give_up(&a->server, attended);

	server_commit(&a->server);
	return r;
}

static enum update_state state_of(struct api_fixture *a, int i)
{
	struct update_record u;

	assert_int_equal(store_update_get(a->server.store, clients[i].id, &u), 0);
	return u.state;
}

static void who_was_not_up_to_hear_them_gives_nobody_up(void **state)
{
	struct api_fixture *a = *state;
	uint64_t start = fixture_wall;

	enrol_three(a);
	roll_out(a);
	take(a, 0);
	fixture_wall += 100000;
	assert_int_equal(give_up(a, fixture_wall), 0);
	assert_int_equal(give_up(a, fixture_wall - 899), 0);
	assert_int_equal(state_of(a, 0), UPDATE_SENT);
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 0), UPDATE_LOST);
	updates_stop(&a->server);
}

/* A server that was away, or whose clock has leapt, gives whoever is heard of the whole time. */
static void an_answer_is_missed_by_those_only_who_could_have_heard_it(void **state)
{
	struct api_fixture *a = *state;
	uint64_t start = fixture_wall;

	enrol_three(a);
	roll_out(a);
	take(a, 0);
	fixture_wall += 100000;
	hear(a, 0);
	assert_int_equal(give_up(a, fixture_wall - 900), 0);
	assert_int_equal(give_up(a, fixture_wall - 3599), 0);
	assert_int_equal(state_of(a, 0), UPDATE_SENT);
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 0), UPDATE_LOST);
	updates_stop(&a->server);
}

static void who_is_silent_is_given_up_and_who_is_heard_of_is_not(void **state)
{
	struct api_fixture *a = *state;
	struct rollout_record r;
	uint64_t start = fixture_wall;

	enrol_three(a);
	roll_out(a);
	take(a, 0);
	take(a, 1);
	fixture_wall += 600;
	hear(a, 1);
	fixture_wall += 300;
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 0), UPDATE_SENT); /* it is now, exactly */
	fixture_wall++;
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 0), UPDATE_LOST);
	assert_int_equal(state_of(a, 1), UPDATE_SENT);
	assert_int_equal(store_rollout_get(a->server.store, 0, &r), 0);
	assert_int_equal(r.under_way, 1);
	assert_int_equal(r.failed, 1);
	assert_int_equal(
		raw_number(a->store->path,
			"SELECT count(*) FROM audit WHERE act = 'client.update-lost'"
			" AND actor = 'server' AND detail LIKE '%not heard of for 15 minutes'"),
		1);
	/* Heard of all the time, but without an answer. */
	fixture_wall = start + 3600;
	hear(a, 1);
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 1), UPDATE_SENT);
	fixture_wall++;
	assert_int_equal(give_up(a, start), 0);
	assert_int_equal(state_of(a, 1), UPDATE_LOST);
	assert_int_equal(raw_number(a->store->path,
				 "SELECT count(*) FROM audit WHERE detail LIKE '%no answer for 60 "
				 "minutes'"),
		1);
	updates_stop(&a->server);
}

static void who_is_under_way_is_worth_a_dial_and_others_as_far_as_there_are_places(void **state)
{
	struct api_fixture *a = *state;

	enrol_three(a);
	assert_int_equal(updates_worth_dialling(&a->server, &clients[0], 0), 0);
	roll_out(a);
	assert_int_equal(updates_worth_dialling(&a->server, &clients[0], 0), 1);
	assert_int_equal(updates_worth_dialling(&a->server, &clients[1], 3), 0);
	assert_int_equal(updates_worth_dialling(&a->server, &clients[1], 0), 1);
	/* Two are hoped for: more than that would wait when they are reached. */
	assert_int_equal(updates_worth_dialling(&a->server, &clients[2], 0), 0);
	take(a, 2);
	assert_int_equal(updates_worth_dialling(&a->server, &clients[2], 3), 1);
	clients[2].state = CLIENT_SUSPENDED;
	assert_int_equal(updates_worth_dialling(&a->server, &clients[2], 0), 0);
	updates_stop(&a->server);
}

static void without_a_roll_out_a_hello_asks_nothing_of_the_store(void **state)
{
	struct api_fixture *a = *state;
	struct channel c = { .server = &a->server, .connected = true };

	enrol_three(a);
	assert_int_equal(updates_start(&a->server), 0);
	a->server.store = NULL; /* whoever asks it ends here */
	assert_int_equal(updates_hello(&c, &clients[0]), 0);
	assert_true(c.update.looked);
	assert_int_equal(updates_hello(&c, &clients[0]), 0);
	a->server.store = a->store->store;
	updates_stop(&a->server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define A(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)
		A(who_was_not_up_to_hear_them_gives_nobody_up),
		A(an_answer_is_missed_by_those_only_who_could_have_heard_it),
		A(who_is_silent_is_given_up_and_who_is_heard_of_is_not),
		A(who_is_under_way_is_worth_a_dial_and_others_as_far_as_there_are_places),
		A(without_a_roll_out_a_hello_asks_nothing_of_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
