/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include "server/changes.h"
#include "server/server.h"

struct ear {
	struct watcher watcher; /* first: cast back */
	struct server *server;
	int calls;
	size_t count; /* of the last call */
	struct change last[CHANGE_TOPICS * CHANGES_EACH];
	struct ear *other;
	enum { DO_NOTHING, DO_GO, DO_SEND_OTHER_AWAY, DO_WRITE, DO_BRING_OTHER } then;
};

struct changes_fixture {
	struct fixture *store;
	struct server server;
	struct ear ear, second;
};

static void hear(struct watcher *w, const struct change *changes, size_t count)
{
	struct ear *e = (struct ear *)w;

	e->calls++;
	e->count = count;
	assert_true(count > 0 && count <= COUNT(e->last));
	memcpy(e->last, changes, count * sizeof(*changes));
	switch (e->then) {
	case DO_NOTHING:
		break;
	case DO_GO:
		changes_unwatch(e->server, w);
		break;
	case DO_SEND_OTHER_AWAY:
		changes_unwatch(e->server, &e->other->watcher);
		break;
	case DO_BRING_OTHER:
		changes_watch(e->server, &e->other->watcher);
		break;
	case DO_WRITE:
		e->then = DO_NOTHING;
		assert_false(turn_is_open(e->server->turn));
		assert_int_equal(turn_enter(e->server->turn), 0);
		changes_tell(e->server, CHANGE_ACCESS, "hook");
		break;
	}
}

static int changes_setup(void **state)
{
	struct changes_fixture *f = calloc(1, sizeof(*f));
	struct server *s = &f->server;

	assert_int_equal(setup((void **)&f->store), 0);
	s->store = f->store->store;
	assert_true(sd_event_new(&s->loop) >= 0);
	assert_int_equal(turn_new(s->loop, s->store, &s->turn), 0);
	assert_int_equal(changes_start(s), 0);
	f->ear = (struct ear){ .watcher.changed = hear, .server = s, .other = &f->second };
	f->second = (struct ear){ .watcher.changed = hear, .server = s, .other = &f->ear };
	*state = f;
	return 0;
}

static int changes_teardown(void **state)
{
	struct changes_fixture *f = *state;

	f->server.turn = turn_free(f->server.turn);
	changes_stop(&f->server);
	changes_stop(&f->server);
	sd_event_unref(f->server.loop);
	teardown((void **)&f->store);
	free(f);
	return 0;
}

/* Everything that is pending now, and no more. */
static void run(struct changes_fixture *f)
{
	while (sd_event_run(f->server.loop, 0) > 0)
		;
}

static void enter(struct changes_fixture *f)
{
	assert_int_equal(turn_enter(f->server.turn), 0);
}

static void assert_heard(const struct ear *e, size_t i, enum change_topic topic, const char *id)
{
	assert_true(i < e->count);
	assert_int_equal(e->last[i].topic, topic);
	assert_string_equal(e->last[i].id, id);
}

static void nothing_is_given_out_before_the_commit(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	changes_tell(&f->server, CHANGE_CONFIGS, "motd");
	assert_int_equal(f->ear.calls, 0);
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 2);
	assert_heard(&f->ear, 0, CHANGE_TOKENS, "t-1");
	assert_heard(&f->ear, 1, CHANGE_CONFIGS, "motd");
}

static void what_a_failed_turn_did_is_never_given_out(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	turn_fail(f->server.turn);
	run(f);
	assert_int_equal(f->ear.calls, 0);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-2");
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 1);
	assert_heard(&f->ear, 0, CHANGE_TOKENS, "t-2");
}

/* The connection is there, whatever becomes of the store. */
static void who_is_connected_does_not_depend_on_the_turn(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_CLIENTS, "c");
	changes_tell(&f->server, CHANGE_STATUS, "c");
	changes_tell(&f->server, CHANGE_DATABASE, NULL);
	turn_fail(f->server.turn);
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 2);
	assert_heard(&f->ear, 0, CHANGE_STATUS, "c");
	assert_heard(&f->ear, 1, CHANGE_DATABASE, "");
}

static void what_is_told_twice_is_given_out_once(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	for (int i = 0; i < 100; i++)
		changes_tell(&f->server, CHANGE_MESSAGES, i % 2 ? "a" : "b");
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 2);
}

static void many_of_a_topic_become_one_without_an_id(void **state)
{
	struct changes_fixture *f = *state;
	uint8_t client[CLIENT_ID_SIZE] = {};

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	for (uint32_t i = 0; i < 10000; i++) {
		memcpy(client, &i, sizeof(i));
		changes_tell_client(&f->server, CHANGE_STATUS, client);
	}
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 2);
	assert_heard(&f->ear, 0, CHANGE_TOKENS, "t-1");
	assert_heard(&f->ear, 1, CHANGE_STATUS, "");

	/* The next turn starts anew. */
	enter(f);
	changes_tell_client(&f->server, CHANGE_STATUS, client);
	run(f);
	assert_heard(&f->ear, 0, CHANGE_STATUS, "0f270000000000000000000000000000");
}

static void all_topics_full_fit(void **state)
{
	struct changes_fixture *f = *state;
	char id[16];

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	for (int topic = 0; topic < CHANGE_TOPICS; topic++)
		for (int i = 0; i < CHANGES_EACH; i++) {
			snprintf(id, sizeof(id), "%d", i);
			changes_tell(&f->server, (enum change_topic)topic, id);
		}
	run(f);
	assert_int_equal(f->ear.count, CHANGE_TOPICS * CHANGES_EACH);
	enter(f);
	for (int topic = 0; topic < CHANGE_TOPICS; topic++)
		for (int i = 0; i <= CHANGES_EACH; i++) {
			snprintf(id, sizeof(id), "%d", i);
			changes_tell(&f->server, (enum change_topic)topic, id);
		}
	run(f);
	assert_int_equal(f->ear.count, CHANGE_TOPICS);
	for (size_t i = 0; i < CHANGE_TOPICS; i++)
		assert_heard(&f->ear, i, (enum change_topic)i, "");
}

static void an_id_that_is_too_long_is_any(void **state)
{
	struct changes_fixture *f = *state;
	char id[CHANGE_ID_SIZE + 1] = "";

	changes_watch(&f->server, &f->ear.watcher);
	memset(id, 'x', CHANGE_ID_SIZE);
	enter(f);
	changes_tell(&f->server, CHANGE_RECEIPTS, id);
	run(f);
	assert_heard(&f->ear, 0, CHANGE_RECEIPTS, "");
	id[CHANGE_ID_SIZE - 1] = '\0';
	enter(f);
	changes_tell(&f->server, CHANGE_RECEIPTS, id);
	run(f);
	assert_heard(&f->ear, 0, CHANGE_RECEIPTS, id);
}

static void outside_of_a_turn_what_comes_together_is_given_out_together(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	changes_tell(&f->server, CHANGE_STATUS, "a");
	changes_tell(&f->server, CHANGE_STATUS, "b");
	assert_int_equal(f->ear.calls, 0);
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 2);
}

static void told_before_a_turn_and_in_it_is_given_out_after_it(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_false(turn_is_open(f->server.turn));
	run(f);
	assert_int_equal(f->ear.calls, 1);
}

static void without_watchers_nothing_is_kept(void **state)
{
	struct changes_fixture *f = *state;
	struct server none = {};

	assert_false(changes_watched(&f->server));
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	changes_watch(&f->server, &f->ear.watcher);
	assert_true(changes_watched(&f->server));
	run(f);
	assert_int_equal(f->ear.calls, 0);
	changes_tell(&none, CHANGE_TOKENS, "t-1"); /* not started: as without watchers */
	assert_false(changes_watched(&none));
}

static void who_has_gone_hears_nothing(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	changes_unwatch(&f->server, &f->ear.watcher);
	changes_unwatch(&f->server, &f->ear.watcher);
	run(f);
	assert_int_equal(f->ear.calls, 0);
	assert_false(changes_watched(&f->server));
}

static void a_watcher_may_end_itself_and_another(void **state)
{
	struct changes_fixture *f = *state;

	/* The latest to come is called first. */
	changes_watch(&f->server, &f->second.watcher);
	changes_watch(&f->server, &f->ear.watcher);
	f->ear.then = DO_SEND_OTHER_AWAY;
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->second.calls, 0);
	f->ear.then = DO_GO;
	changes_watch(&f->server, &f->second.watcher);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	run(f);
	assert_int_equal(f->ear.calls, 2);
	assert_int_equal(f->second.calls, 1);
	changes_unwatch(&f->server, &f->second.watcher);
	assert_false(changes_watched(&f->server));
}

static void who_comes_while_changes_are_given_out_gets_the_next(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	f->ear.then = DO_BRING_OTHER;
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	run(f);
	f->ear.then = DO_NOTHING;
	assert_int_equal(f->second.calls, 0);
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-2");
	run(f);
	assert_int_equal(f->second.calls, 1);
	assert_heard(&f->second, 0, CHANGE_TOKENS, "t-2");
}

static void a_watcher_may_open_the_next_turn(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	f->ear.then = DO_WRITE;
	enter(f);
	changes_tell(&f->server, CHANGE_TOKENS, "t-1");
	run(f);
	assert_int_equal(f->ear.calls, 2);
	assert_int_equal(f->ear.count, 1);
	assert_heard(&f->ear, 0, CHANGE_ACCESS, "hook");
}

static void every_audit_entry_is_told(void **state)
{
	struct changes_fixture *f = *state;

	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	assert_int_equal(store_audit(f->server.store, "a", "b", "c", "d"), 0);
	assert_int_equal(store_audit(f->server.store, "a", "b", "c", "d"), 0);
	run(f);
	assert_int_equal(f->ear.calls, 1);
	assert_int_equal(f->ear.count, 1);
	assert_heard(&f->ear, 0, CHANGE_AUDIT, "");
}

/* The clock is followed back, and that audited, while the turn is being opened. */
static void an_entry_made_by_the_turns_beginning_waits_for_its_end(void **state)
{
	struct changes_fixture *f = *state;

	fixture_wall += 60 * 86400;
	enter(f);
	run(f);
	fixture_wall -= 60 * 86400;
	changes_watch(&f->server, &f->ear.watcher);
	enter(f);
	assert_int_equal(f->ear.calls, 0);
	run(f);
	assert_true(f->ear.calls >= 1);
	assert_heard(&f->ear, 0, CHANGE_AUDIT, "");
}

static void topics_have_names_of_their_own(void **state)
{
	(void)state;
	for (int a = 0; a < CHANGE_TOPICS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(change_topic_name((enum change_topic)a),
				change_topic_name((enum change_topic)b));
}

#define CHANGES_TEST(f) cmocka_unit_test_setup_teardown(f, changes_setup, changes_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHANGES_TEST(nothing_is_given_out_before_the_commit),
		CHANGES_TEST(what_a_failed_turn_did_is_never_given_out),
		CHANGES_TEST(who_is_connected_does_not_depend_on_the_turn),
		CHANGES_TEST(what_is_told_twice_is_given_out_once),
		CHANGES_TEST(many_of_a_topic_become_one_without_an_id),
		CHANGES_TEST(all_topics_full_fit),
		CHANGES_TEST(an_id_that_is_too_long_is_any),
		CHANGES_TEST(outside_of_a_turn_what_comes_together_is_given_out_together),
		CHANGES_TEST(told_before_a_turn_and_in_it_is_given_out_after_it),
		CHANGES_TEST(without_watchers_nothing_is_kept),
		CHANGES_TEST(who_has_gone_hears_nothing),
		CHANGES_TEST(a_watcher_may_end_itself_and_another),
		CHANGES_TEST(who_comes_while_changes_are_given_out_gets_the_next),
		CHANGES_TEST(a_watcher_may_open_the_next_turn),
		CHANGES_TEST(every_audit_entry_is_told),
		CHANGES_TEST(an_entry_made_by_the_turns_beginning_waits_for_its_end),
		CHANGES_TEST(topics_have_names_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
