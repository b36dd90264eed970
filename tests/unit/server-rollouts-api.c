/* SPDX-License-Identifier: MIT */
/* The routes of roll-outs: what they refuse, what they tell of a roll-out and of each machine. */
#include "server-ask.h"

#include <sodium.h>

#include "server/store/listening.h"
#include "server/store/updates.h"

#define ROLLOUTS "/api/v1/rollouts"

/* The server has something to offer. */
static void offer(struct api_fixture *a, uint8_t first_byte, const char *version)
{
	struct release *r = &a->server.release;

	free(r->manifest_text);
	r->manifest_text = strdup("a manifest");
	r->digest[0] = first_byte;
	snprintf(r->manifest.version, sizeof(r->manifest.version), "%s", version);
}

static int fixture_end(void **state)
{
	struct api_fixture *a = *state;

	free(a->server.release.manifest_text);
	return api_teardown(state);
}

static int64_t number(const json_t *object, const char *field)
{
	const json_t *value = json_object_get(object, field);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static int64_t counted(struct api_fixture *a, const char *what)
{
	return number(json_object_get(a->answer, "counts"), what);
}

static const char *said(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text ? text : "";
}

static json_t *machine(struct api_fixture *a, size_t i)
{
	return json_array_get(json_object_get(a->answer, "machines"), i);
}

static size_t machines(struct api_fixture *a, const char *query)
{
	char path[256];

	snprintf(path, sizeof(path), ROLLOUTS "/current/machines%s", query);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	return json_array_size(json_object_get(a->answer, "machines"));
}

static uint64_t entries(struct api_fixture *a)
{
	uint64_t n = 0;

	assert_int_equal(store_audit_count(a->server.store, &n), 0);
	return n;
}

static void begins(struct api_fixture *a, const char *body)
{
	assert_int_equal(ask(a, "POST", ROLLOUTS, body), 201);
}

/* ---- who is to be asked, as the server does */

struct fleet {
	size_t count;
	struct client_record of[16];
};
static struct fleet fleet;

static int keep(void *userdata, const struct client_record *c)
{
	struct fleet *f = userdata;

	f->of[f->count++] = *c;
	return 0;
}

static void enrolled(struct api_fixture *a, uint32_t count)
{
	struct client_filter filter = { .state = CLIENT_ENROLLED };

	enrol_some(a, count);
	fleet.count = 0;
	assert_int_equal(store_client_each(a->server.store, &filter, keep, &fleet, NULL), 0);
	assert_int_equal(fleet.count, count);
}

static struct update_record asked(struct api_fixture *a, size_t i)
{
	struct update_record u;

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_update_take(a->server.store, &fleet.of[i], a->server.release.digest, &u),
		UPDATE_TAKEN);
	assert_int_equal(store_commit(a->server.store), 0);
	return u;
}

static void answers(struct api_fixture *a, size_t i, uint16_t code, const char *text)
{
	struct update_record u = asked(a, i);

	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_update_answer(a->server.store, fleet.of[i].id, u.number, code, text), 1);
	assert_int_equal(store_commit(a->server.store), 0);
}

static void is_lost(struct api_fixture *a, size_t i)
{
	(void)asked(a, i);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_update_lost(a->server.store, fleet.of[i].id, "it fell silent"), 1);
	assert_int_equal(store_commit(a->server.store), 0);
}

/* ---- refusals */

static void without_a_release_there_is_nothing_to_roll_out(void **state)
{
	struct api_fixture *a = *state;
	uint64_t before = entries(a);

	assert_int_equal(ask(a, "GET", "/api/v1/release", NULL), 404);
	assert_string_equal(a->code, "no-release");
	assert_int_equal(ask(a, "POST", ROLLOUTS, "{\"selector\":\"*\"}"), 409);
	assert_string_equal(a->code, "no-release");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 404);
	assert_int_equal(ask(a, "GET", ROLLOUTS, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "rollouts")), 0);
	assert_int_equal(entries(a), before);
}

static void what_is_no_roll_out_is_refused_by_its_field(void **state)
{
	static const char *const bad[] = { "{}", "{\"at_once\":1}", "{\"selector\":\"\"}",
		"{\"selector\":\"Role=Web\"}", "{\"selector\":\"a=1,\"}", "{\"selector\":7}",
		"{\"selector\":\"client:00\"}", "{\"selector\":\"*\",\"client\":\"ab\"}",
		"{\"selector\":\"*\",\"at_once\":0}", "{\"selector\":\"*\",\"at_once\":-1}",
		"{\"selector\":\"*\",\"at_once\":10001}", "{\"selector\":\"*\",\"at_once\":\"10\"}",
		"{\"selector\":\"*\",\"at_once\":1.5}", "{\"selector\":\"*\",\"at_once\":true}",
		"{\"selector\":\"*\",\"at_once\":9223372036854775807}",
		"{\"selector\":\"*\",\"failures\":-1}", "{\"selector\":\"*\",\"failures\":1000001}",
		"{\"selector\":\"*\",\"failures\":4294967296}",
		"{\"selector\":\"*\",\"failures\":[]}" };
	struct api_fixture *a = *state;
	uint64_t before;

	offer(a, 1, "1.0");
	before = entries(a);
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (ask(a, "POST", ROLLOUTS, bad[i]) != 400)
			fail_msg("%s is taken", bad[i]);
		assert_string_equal(a->code, "bad-field");
	}
	assert_int_equal(ask(a, "POST", ROLLOUTS, "{\"selector\":\"*\",\"release\":\"\"}"), 400);
	assert_string_equal(a->code, "unknown-field");
	assert_int_equal(ask(a, "POST", ROLLOUTS, "{\"client\":\"00ff\"}"), 404);
	assert_int_equal(ask(a, "POST", ROLLOUTS "?wait=1", "{\"selector\":\"*\"}"), 400);
	assert_int_equal(entries(a), before);
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 404);
}

static void who_is_no_roll_out_is_not_found(void **state)
{
	static const char *const bad[] = { "0", "00", "1", "abc", "currents", "-1",
		"18446744073709551616", "9223372036854775808" };
	static const char *const acts[] = { "halt", "resume", "end" };
	struct api_fixture *a = *state;
	char path[128];

	offer(a, 1, "1.0");
	begins(a, "{\"selector\":\"*\"}");
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(path, sizeof(path), ROLLOUTS "/%s", bad[i]);
		assert_int_equal(ask(a, "GET", path, NULL), 404);
		snprintf(path, sizeof(path), ROLLOUTS "/%s/machines", bad[i]);
		assert_int_equal(ask(a, "GET", path, NULL), 404);
		for (size_t k = 0; k < COUNT(acts); k++) {
			snprintf(path, sizeof(path), ROLLOUTS "/%s/%s", bad[i], acts[k]);
			assert_int_equal(ask(a, "POST", path, NULL), 404);
		}
	}
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_string_equal(answered(a, "state"), "running");
}

static void parameters_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "?after=0", "?after=x", "?limit=0", "?limit=1001",
		"?before=1", "/current?limit=1",
		"/current/machines?outcome=", "/current/machines?outcome=refused",
		"/current/machines?after=00",
		"/current/machines?outcome=waiting&after=00112233445566778899aabbccddeeff",
		"/current/machines?outcome=done&after=zz", "/current/machines?limit=0" };
	struct api_fixture *a = *state;
	char path[256];

	offer(a, 1, "1.0");
	begins(a, "{\"selector\":\"*\"}");
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(path, sizeof(path), ROLLOUTS "%s", bad[i]);
		if (ask(a, "GET", path, NULL) != 400)
			fail_msg("%s is taken", path);
	}
}

/* ---- starting, halting, ending */

static void a_roll_out_is_of_what_is_offered_and_ends_the_one_before(void **state)
{
	struct api_fixture *a = *state;
	int64_t first;

	offer(a, 1, "1.0");
	begins(a, "{\"selector\":\"role=web,!old\"}");
	assert_string_equal(answered(a, "version"), "1.0");
	assert_string_equal(answered(a, "selector"), "role=web,!old");
	assert_string_equal(answered(a, "actor"), "uid:0(root)");
	assert_string_equal(answered(a, "state"), "running");
	assert_true(strncmp(answered(a, "release"), "0100", 4) == 0);
	assert_int_equal(number(a->answer, "at_once"), 10);
	assert_int_equal(number(a->answer, "failures"), 0);
	assert_true(json_is_true(json_object_get(a->answer, "offered")));
	first = number(a->answer, "id");

	offer(a, 2, "2.0");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_true(json_is_false(json_object_get(a->answer, "offered")));
	begins(a, "{\"selector\":\"*\",\"at_once\":10000,\"failures\":1000000}");
	assert_true(number(a->answer, "id") > first);
	assert_int_equal(ask(a, "GET", ROLLOUTS "?limit=1", NULL), 200);
	assert_string_equal(
		said(json_array_get(json_object_get(a->answer, "rollouts"), 0), "version"), "2.0");
	char path[128];
	snprintf(path, sizeof(path), ROLLOUTS "?after=%s", answered(a, "next"));
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	json_t *old = json_array_get(json_object_get(a->answer, "rollouts"), 0);
	assert_int_equal(number(old, "id"), first);
	assert_string_equal(said(old, "state"), "ended");
	assert_true(strncmp(said(old, "reason"), "replaced by roll-out ", 21) == 0);
}

static void acts_are_done_once_and_an_end_is_one(void **state)
{
	struct api_fixture *a = *state;
	uint64_t before;

	offer(a, 1, "1.0");
	begins(a, "{\"selector\":\"*\"}");
	assert_int_equal(
		ask(a, "POST", ROLLOUTS "/current/halt", "{\"reason\":\"looks wrong\"}"), 200);
	assert_string_equal(answered(a, "state"), "halted");
	assert_string_equal(answered(a, "reason"), "looks wrong");
	before = entries(a);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/halt", NULL), 200);
	assert_int_equal(entries(a), before);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", "{\"failures\":-1}"), 400);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", "{\"failures\":\"3\"}"), 400);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/halt", "{\"failures\":3}"), 400);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/end", "{\"reason\":\"a\\nb\"}"), 400);
	assert_int_equal(entries(a), before);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", "{\"failures\":3}"), 200);
	assert_string_equal(answered(a, "state"), "running");
	assert_int_equal(number(a->answer, "failures"), 3);
	before = entries(a);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", NULL), 200);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", "{\"failures\":3}"), 200);
	assert_int_equal(entries(a), before);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", "{\"failures\":4}"), 200);
	assert_int_equal(number(a->answer, "failures"), 4);
	assert_int_equal(entries(a), before + 1);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/end", NULL), 200);
	assert_string_equal(answered(a, "state"), "ended");
	before = entries(a);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/halt", NULL), 409);
	assert_string_equal(a->code, "wrong-state");
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", NULL), 409);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/end", NULL), 200);
	assert_int_equal(entries(a), before);
}

/* ---- what is told of machines */

static void everybody_meant_is_in_one_count(void **state)
{
	struct api_fixture *a = *state;

	offer(a, 1, "1.0");
	enrolled(a, 8);
	begins(a, "{\"selector\":\"role=web\",\"failures\":5}");
	(void)asked(a, 0);
	answers(a, 1, 0, "");
	answers(a, 2, NACK_PUT_BACK, "no");
	is_lost(a, 3);
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "under-way"), 1);
	assert_int_equal(counted(a, "done"), 1);
	assert_int_equal(counted(a, "failed"), 2);
	assert_int_equal(counted(a, "waiting"), 0);
	assert_int_equal(counted(a, "offline"), 4);
	assert_int_equal(machines(a, ""), 4);
	assert_int_equal(machines(a, "?outcome=under-way"), 1);
	assert_int_equal(machines(a, "?outcome=done"), 1);
	assert_int_equal(machines(a, "?outcome=failed"), 1);
	assert_int_equal(machines(a, "?outcome=lost"), 1);
	assert_int_equal(machines(a, "?outcome=waiting"), 0);
	assert_int_equal(machines(a, "?outcome=offline"), 4);
	assert_string_equal(said(machine(a, 0), "state"), "offline");

	/* Of one that has ended the counts stay, and nobody waits. */
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/end", NULL), 200);
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "done"), 1);
	assert_int_equal(counted(a, "offline"), 0);
	assert_int_equal(machines(a, "?outcome=offline"), 0);
}

static void who_listens_and_is_reached_is_there(void **state)
{
	struct api_fixture *a = *state;
	struct listening_hello h = { .address = "192.0.2.1", .port = 8444, .next = fixture_wall };

	offer(a, 1, "1.0");
	enrolled(a, 3);
	h.client = fleet.of[1].id;
	h.tls_pin = fleet.of[1].tls_pin;
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_listening_hello(a->server.store, &h), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	begins(a, "{\"selector\":\"*\"}");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "waiting"), 1);
	assert_int_equal(counted(a, "offline"), 2);
	assert_int_equal(machines(a, "?outcome=waiting"), 1);
	assert_string_equal(said(machine(a, 0), "state"), "waiting");
}

static void who_has_had_it_before_is_not_waited_for(void **state)
{
	struct api_fixture *a = *state;
	char id[CLIENT_ID_TEXT_SIZE], body[128];

	offer(a, 1, "1.0");
	enrolled(a, 3);
	sodium_bin2hex(id, sizeof(id), fleet.of[1].id, CLIENT_ID_SIZE);
	snprintf(body, sizeof(body), "{\"client\":\"%.8s\"}", id);
	begins(a, body);
	assert_string_equal(answered(a, "selector") + strlen(CLIENT_SELECTOR), id);
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "offline"), 1);
	answers(a, 1, 0, "");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "offline"), 0);
	begins(a, "{\"selector\":\"*\"}");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "offline"), 2);
	assert_int_equal(counted(a, "done"), 0);
	begins(a, "{\"selector\":\"role=nobody\"}");
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_int_equal(counted(a, "offline"), 0);
}

static void machines_come_in_pages(void **state)
{
	static const char *const queries[] = { "?limit=2&outcome=done", "?limit=2",
		"?limit=2&outcome=offline" };
	struct api_fixture *a = *state;
	char query[256];

	offer(a, 1, "1.0");
	enrolled(a, 10);
	begins(a, "{\"selector\":\"*\"}");
	for (size_t i = 0; i < 5; i++)
		answers(a, i, 0, "");
	for (size_t i = 0; i < COUNT(queries); i++) {
		size_t n = 0, pages = 0;

		snprintf(query, sizeof(query), "%s", queries[i]);
		do {
			n += machines(a, query);
			pages++;
			snprintf(query, sizeof(query), "%s&after=%s", queries[i],
				answered(a, "next"));
		} while (*answered(a, "next"));
		assert_int_equal(n, 5);
		assert_int_equal(pages, 3);
	}
}

static size_t needing(struct api_fixture *a)
{
	json_t *halted;

	assert_int_equal(ask(a, "GET", "/api/v1/overview", NULL), 200);
	halted = json_object_get(json_object_get(a->answer, "attention"), "rollouts");
	assert_int_equal(number(halted, "count"), json_array_size(json_object_get(halted, "list")));
	return json_array_size(json_object_get(halted, "list"));
}

static void what_is_halted_needs_somebody_until_it_goes_on(void **state)
{
	struct api_fixture *a = *state;

	assert_int_equal(needing(a), 0);
	offer(a, 1, "1.0");
	enrolled(a, 1);
	begins(a, "{\"selector\":\"*\"}");
	assert_int_equal(needing(a), 0);
	answers(a, 0, NACK_UPDATE, "no space");
	assert_int_equal(needing(a), 1);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/resume", NULL), 200);
	assert_int_equal(needing(a), 0);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/halt", NULL), 200);
	assert_int_equal(needing(a), 1);
	assert_int_equal(ask(a, "POST", ROLLOUTS "/current/end", NULL), 200);
	assert_int_equal(needing(a), 0);
}

/* A text of a machine's is anything. */
static void what_a_machine_says_is_told_escaped_and_with_its_reason(void **state)
{
	struct api_fixture *a = *state;
	char id[CLIENT_ID_TEXT_SIZE], path[128];
	json_t *m;

	offer(a, 1, "1.0");
	enrolled(a, 2);
	sodium_bin2hex(id, sizeof(id), fleet.of[0].id, CLIENT_ID_SIZE);
	snprintf(path, sizeof(path), "/api/v1/clients/%s", id);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_true(json_is_null(json_object_get(a->answer, "update")));
	begins(a, "{\"selector\":\"*\"}");
	answers(a, 0, NACK_HALF_DONE, "\033[2J\"red\"\n");
	assert_int_equal(machines(a, "?outcome=failed"), 1);
	m = machine(a, 0);
	assert_string_equal(said(m, "id"), id);
	assert_string_equal(said(m, "reason"), "update half done");
	assert_int_equal(number(m, "code"), NACK_HALF_DONE);
	assert_string_equal(said(m, "text"), "\\x1b[2J\"red\"\\x0a");
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	m = json_object_get(a->answer, "update");
	assert_string_equal(said(m, "state"), "failed");
	assert_string_equal(said(m, "text"), "\\x1b[2J\"red\"\\x0a");
	assert_true(number(m, "rollout") > 0);
	assert_int_equal(ask(a, "GET", ROLLOUTS "/current", NULL), 200);
	assert_string_equal(answered(a, "state"), "halted");
	assert_null(strchr(answered(a, "reason"), '\033'));
	assert_non_null(strstr(answered(a, "reason"), "update half done"));
}

static void the_same_request_under_a_key_starts_one(void **state)
{
	size_t count;
	const struct api_route *routes = api_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		if (routes[i].handler == api_rollout_start)
			assert_true(api_creates(&routes[i]));
}

#define T(test) cmocka_unit_test_setup_teardown(test, api_setup, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_a_release_there_is_nothing_to_roll_out),
		T(what_is_no_roll_out_is_refused_by_its_field),
		T(who_is_no_roll_out_is_not_found),
		T(parameters_that_are_none_are_refused),
		T(a_roll_out_is_of_what_is_offered_and_ends_the_one_before),
		T(acts_are_done_once_and_an_end_is_one),
		T(everybody_meant_is_in_one_count),
		T(who_listens_and_is_reached_is_there),
		T(who_has_had_it_before_is_not_waited_for),
		T(machines_come_in_pages),
		T(what_is_halted_needs_somebody_until_it_goes_on),
		T(what_a_machine_says_is_told_escaped_and_with_its_reason),
		T(the_same_request_under_a_key_starts_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
