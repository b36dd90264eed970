/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include "server/channels.h"
#include "server/server.h"

struct metrics_fixture {
	struct fixture *store;
	struct server server;
	struct buffer out;
};

static int metrics_setup(void **state)
{
	struct metrics_fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(setup((void **)&f->store), 0);
	f->server.store = f->store->store;
	assert_true(sd_event_new(&f->server.loop) >= 0);
	assert_int_equal(turn_new(f->server.loop, f->server.store, &f->server.turn), 0);
	assert_int_equal(channels_new(&f->server.channels), 0);
	*state = f;
	return 0;
}

static int metrics_teardown(void **state)
{
	struct metrics_fixture *f = *state;

	f->server.turn = turn_free(f->server.turn);
	channels_free(f->server.channels);
	sd_event_unref(f->server.loop);
	buffer_clear(&f->out);
	teardown((void **)&f->store);
	free(f);
	return 0;
}

static const char *text_of(struct metrics_fixture *f)
{
	buffer_clear(&f->out);
	assert_int_equal(metrics_write(&f->server, &f->out), 0);
	assert_int_equal(buffer_append(&f->out, "", 1), 0);
	return (const char *)f->out.data;
}

static void assert_line(struct metrics_fixture *f, const char *line)
{
	char wanted[160];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	if (strstr(text_of(f), wanted) == NULL)
		fail_msg("no line '%s' in: %s", line, (char *)f->out.data);
}

static void what_is_counted_is_told(void **state)
{
	struct metrics_fixture *f = *state;
	struct metrics *m = &f->server.metrics;

	m->packets[FROM_CLIENT][OP_HELLO] = 3;
	m->packets[FROM_SERVER][OP_ACK] = UINT64_MAX;
	m->nacks[NACK_TOKEN_UNKNOWN] = 5;
	m->enrolments[ENROLMENT_REFUSED] = 6;
	m->answers[4] = 7;
	assert_line(f, "muster_packets_total{op=\"HELLO\",direction=\"received\"} 3");
	assert_line(f, "muster_packets_total{op=\"ACK\",direction=\"sent\"} 18446744073709551615");
	assert_line(f, "muster_refusals_total{reason=\"token unknown\"} 5");
	assert_line(f, "muster_enrolments_total{result=\"refused\"} 6");
	assert_line(f, "muster_api_answers_total{status=\"4xx\"} 7");
}

/* A packet that is no machine's to send is a breach, not a series that somebody outside can make. */
static void op_codes_that_are_none_make_no_series(void **state)
{
	struct metrics_fixture *f = *state;

	memset(f->server.metrics.packets, 0xff, sizeof(f->server.metrics.packets));
	assert_null(strstr(text_of(f), "{op=\"CONFIG\",direction=\"received\"}"));
	assert_null(strstr(text_of(f), "{op=\"\""));
	assert_null(strstr(text_of(f), "(null)"));
}

static void what_is_stored_is_looked_up(void **state)
{
	struct metrics_fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;

	assert_line(f, "muster_clients{state=\"enrolled\"} 0");
	make_token(f->server.store, 2, 3600, token, &t);
	assert_int_equal(store_begin(f->server.store), 0);
	assert_int_equal(enrol_number(f->server.store, token, 1), 0);
	assert_int_equal(store_commit(f->server.store), 0);
	assert_line(f, "muster_clients{state=\"enrolled\"} 1");
	assert_line(f, "muster_tokens_live 1");
	assert_line(f, "muster_audit_entries_total 2");
	assert_null(strstr(text_of(f), "muster_outlet_waiting"));
	strcpy(f->server.config.outlet_file, "/tmp/x");
	assert_line(f, "muster_outlet_waiting 0");
}

static void commits_are_counted_and_timed(void **state)
{
	struct metrics_fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(turn_enter(f->server.turn), 0);
		if (i == 2)
			turn_fail(f->server.turn);
		while (sd_event_run(f->server.loop, 0) > 0)
			;
	}
	assert_line(f, "muster_turns_total{result=\"committed\"} 2");
	assert_line(f, "muster_turns_total{result=\"failed\"} 1");
	assert_line(f, "muster_turn_commit_seconds_bucket{le=\"+Inf\"} 2");
	assert_line(f, "muster_turn_commit_seconds_count 2");
}

static void a_message_is_as_many_packets_as_it_takes(void **state)
{
	(void)state;
	/* 437 bytes of a message in a packet, 88 of them around its body */
	assert_int_equal(metrics_packets(0), 1);
	assert_int_equal(metrics_packets(437 - 88), 1);
	assert_int_equal(metrics_packets(437 - 88 + 1), 2);
	assert_int_equal(metrics_packets(2 * 437 - 88), 2);
	assert_int_equal(metrics_packets(2 * 437 - 88 + 1), 3);
}

static void without_room_there_is_an_error_and_no_half_line_is_sent(void **state)
{
	struct metrics_fixture *f = *state;

	f->out.limit = 100;
	assert_int_equal(metrics_write(&f->server, &f->out), -EMSGSIZE);
	f->out.limit = 0;
}

#define METRICS_TEST(f) cmocka_unit_test_setup_teardown(f, metrics_setup, metrics_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(what_is_counted_is_told),
		METRICS_TEST(op_codes_that_are_none_make_no_series),
		METRICS_TEST(what_is_stored_is_looked_up),
		METRICS_TEST(commits_are_counted_and_timed),
		METRICS_TEST(a_message_is_as_many_packets_as_it_takes),
		METRICS_TEST(without_room_there_is_an_error_and_no_half_line_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
