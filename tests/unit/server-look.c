/* SPDX-License-Identifier: MIT */
/* What the dashboard looks at: roll-outs, differences, the newest of logs, a machine's own story. */
#include "server-ask.h"

#include <sodium.h>

#include "lib/label.h"
#include "server/desired.h"
#include "server/store/messages.h"

static json_t *field(struct api_fixture *a, const char *name)
{
	return json_object_get(a->answer, name);
}

static json_int_t number(struct api_fixture *a, const char *name)
{
	return json_integer_value(field(a, name));
}

static size_t size_of(struct api_fixture *a, const char *list)
{
	return json_array_size(field(a, list));
}

static json_t *first(struct api_fixture *a, const char *list)
{
	return json_array_get(field(a, list), 0);
}

static const char *said(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void refused(struct api_fixture *a, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[512];

		snprintf(path, sizeof(path), "/api/v1/%s", paths[i]);
		if (ask(a, "GET", path, NULL) != 400)
			fail_msg("taken: %s", path);
	}
}

static void push(struct api_fixture *a, const char *name, const char *selector, const char *content)
{
	char body[512], text[256];

	sodium_bin2base64(text, sizeof(text), (const uint8_t *)content, strlen(content),
		sodium_base64_VARIANT_ORIGINAL);
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"selector\":\"%s\",\"content\":\"%s\"}",
		name, selector, text);
	assert_int_equal(ask(a, "POST", "/api/v1/configs", body), 201);
}

/* ---- roll-outs */

struct machines {
	size_t count;
	struct client_record of[64];
};

static int keep(void *userdata, const struct client_record *c)
{
	struct machines *m = userdata;

	m->of[m->count++] = *c;
	return 0;
}

static struct machines all;

static void load_machines(struct api_fixture *a)
{
	struct client_filter filter = { .state = CLIENT_ENROLLED };

	all.count = 0;
	assert_int_equal(store_client_each(a->server.store, &filter, keep, &all, NULL), 0);
}

/* What a machine holds or refuses, by chance. */
static void answer(struct store *s, const struct client_record *c, const char *name, uint32_t luck)
{
	struct holding h = { .revision = luck % 5 };
	struct refusal why = { .revision = luck / 5 % 5, .time = 1, .code = NACK_APPLY };
	struct config_record known;

	snprintf(h.name, sizeof(h.name), "%s", name);
	if (h.revision > 0 && store_config_get(s, name, h.revision, &known) == 0)
		memcpy(h.hash, known.hash, sizeof(h.hash));
	if (luck / 25 % 7 == 0)
		h.hash[0] ^= 1;
	assert_int_equal(store_held_put(s, c->id, &h), 0);
	snprintf(why.text, sizeof(why.text), "line %u is wrong", luck);
	if (why.revision > 0)
		assert_int_equal(store_refusal_set(s, c->id, name, &why), 0);
}

static void make_rollout(struct api_fixture *a)
{
	static const char *const labels[] = { "role=db", "role=web,site=a", "site=b", "" };
	uint32_t seed = 7;

	enrol_some(a, 60);
	push(a, "app", "*", "one\n");
	push(a, "app", "role=db", "two\n");
	assert_int_equal(
		ask(a, "POST", "/api/v1/configs/app/remove", "{\"selector\":\"site=b\"}"), 201);
	push(a, "app", "role=web,site=a", "four\n");
	load_machines(a);
	assert_int_equal(store_begin(a->server.store), 0);
	for (size_t i = 0; i < all.count; i++) {
		char id[CLIENT_ID_TEXT_SIZE];
		struct labels l;

		sodium_bin2hex(id, sizeof(id), all.of[i].id, CLIENT_ID_SIZE);
		assert_int_equal(labels_split(labels[i % COUNT(labels)], &l), 0);
		assert_true(store_client_label(a->server.store, id, &l, "x", &all.of[i]) >= 0);
		seed = seed * 1664525 + 1013904223;
		if (i % 6 != 0)
			answer(a->server.store, &all.of[i], "app", seed >> 10);
	}
	assert_int_equal(store_commit(a->server.store), 0);
}

/* Counting all at once must judge as the server does for one. */
static void counts_are_those_of_each_machine(void **state)
{
	struct api_fixture *a = *state;
	uint64_t counts[CONFIG_STATES] = {}, machines = 0;

	make_rollout(a);
	for (size_t i = 0; i < all.count; i++) {
		struct config_standing s;

		assert_int_equal(desired_standing(&a->server, &all.of[i], "app", &s), 0);
		if (s.state == CONFIG_NONE && !s.wanted)
			continue;
		counts[s.state]++;
		machines++;
	}
	assert_int_equal(ask(a, "GET", "/api/v1/configs/app/progress", NULL), 200);
	assert_int_equal(number(a, "revision"), 4);
	assert_int_equal(number(a, "machines"), machines);
	for (int i = 0; i < CONFIG_STATES; i++)
		assert_int_equal(json_integer_value(json_object_get(field(a, "counts"),
					 config_state_name((enum config_state)i))),
			counts[i]);
	assert_true(counts[CONFIG_CURRENT] > 0 && counts[CONFIG_REFUSED] > 0 &&
		    counts[CONFIG_OFFLINE] > 0 && counts[CONFIG_NONE] > 0);
	for (int i = 0; i < CONFIG_STATES; i++) {
		char path[128];

		snprintf(path, sizeof(path), "/api/v1/configs/app/status?outcome=%s",
			config_state_name((enum config_state)i));
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		assert_int_equal(size_of(a, "clients"), counts[i]);
		if (counts[i] > 0)
			assert_string_equal(said(first(a, "clients"), "state"),
				config_state_name((enum config_state)i));
	}
}

static void a_roll_out_comes_in_pages(void **state)
{
	struct api_fixture *a = *state;
	char path[256] = "/api/v1/configs/app/status?limit=7";
	size_t n = 0;

	make_rollout(a);
	assert_int_equal(ask(a, "GET", "/api/v1/configs/app/progress", NULL), 200);
	json_int_t machines = number(a, "machines");
	do {
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		n += size_of(a, "clients");
		snprintf(path, sizeof(path), "/api/v1/configs/app/status?limit=7&after=%s",
			answered(a, "next"));
	} while (*answered(a, "next"));
	assert_int_equal(n, machines);
	assert_int_equal(ask(a, "GET", "/api/v1/configs/app/status?q=machine-11", NULL), 200);
	assert_true(size_of(a, "clients") <= 1);
	assert_int_equal(ask(a, "GET", "/api/v1/configs/app/progress?label=nobody", NULL), 200);
	assert_int_equal(number(a, "machines"), 0);
}

static void what_is_no_roll_out_is_refused(void **state)
{
	static const char *const bad[] = { "configs/app/status?outcome=",
		"configs/app/status?outcome=done", "configs/app/status?after=00",
		"configs/app/status?after=.", "configs/app/status?state=enrolled",
		"configs/app/status?=x", "configs/app/status?label=A",
		"configs/app/progress?limit=1", "configs/app/progress?outcome=current",
		"configs/app/status?limit=0" };
	struct api_fixture *a = *state;

	push(a, "app", "*", "one\n");
	refused(a, bad, COUNT(bad));
	assert_int_equal(ask(a, "GET", "/api/v1/configs/none/progress", NULL), 404);
	assert_int_equal(ask(a, "GET", "/api/v1/configs/none/status", NULL), 404);
}

static void a_machine_tells_of_its_configurations(void **state)
{
	struct api_fixture *a = *state;
	struct holding h = { .revision = 9, .name = "never-pushed" };
	char path[128], id[CLIENT_ID_TEXT_SIZE];
	json_t *one;

	enrol_some(a, 1);
	push(a, "app", "role=web", "one\n");
	push(a, "other", "role=db", "one\n");
	load_machines(a);
	sodium_bin2hex(id, sizeof(id), all.of[0].id, CLIENT_ID_SIZE);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_held_put(a->server.store, all.of[0].id, &h), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	snprintf(path, sizeof(path), "/api/v1/clients/%s", id);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_int_equal(size_of(a, "configs"), 2);
	one = first(a, "configs");
	assert_string_equal(said(one, "name"), "app");
	assert_string_equal(said(one, "state"), "offline");
	assert_int_equal(json_integer_value(json_object_get(one, "should")), 1);
	assert_true(json_is_null(json_object_get(one, "has")));
	one = json_array_get(field(a, "configs"), 1);
	assert_string_equal(said(one, "name"), "never-pushed");
	assert_int_equal(json_integer_value(json_object_get(one, "has")), 9);
}

/* ---- differences */

static void the_difference_of_revisions_is_told(void **state)
{
	static const struct {
		const char *query;
		int status;
	} asked[] = { { "", 200 }, { "?from=1", 200 }, { "?from=1&to=2", 200 }, { "?to=2", 200 },
		{ "?from=2&to=2", 200 }, { "?from=3&to=1", 200 }, { "?from=4", 404 },
		{ "?to=9", 404 }, { "?from=0", 400 }, { "?from=x", 400 }, { "?revision=1", 400 } };
	struct api_fixture *a = *state;

	push(a, "app", "*", "a\nb\n");
	assert_int_equal(ask(a, "GET", "/api/v1/configs/app/diff", NULL), 409);
	assert_string_equal(a->code, "only-one");
	assert_int_equal(ask(a, "GET", "/api/v1/configs/none/diff", NULL), 404);
	push(a, "app", "*", "a\nc\n");
	assert_int_equal(ask(a, "POST", "/api/v1/configs/app/remove", "{}"), 201);
	for (size_t i = 0; i < COUNT(asked); i++) {
		char path[128];

		snprintf(path, sizeof(path), "/api/v1/configs/app/diff%s", asked[i].query);
		if (ask(a, "GET", path, NULL) != asked[i].status)
			fail_msg("%s", path);
	}
}

/* ---- the newest of logs */

static void tell(struct api_fixture *a, uint32_t number, const char *type, const char *text)
{
	static const struct message_limits limits = { 1000, 1 << 20 };
	struct msg m = { .number = 1, .time = fixture_wall };

	memcpy(m.spool, &number, sizeof(number));
	snprintf(m.type, sizeof(m.type), "%s", type);
	m.text = text;
	m.len = strlen(text);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(
		store_message_add(a->server.store, all.of[number % all.count].id, &m, &limits), 0);
	assert_int_equal(store_commit(a->server.store), 0);
}

static void messages_come_from_the_newest_on(void **state)
{
	static const struct {
		const char *query;
		size_t count;
	} asked[] = { { "", 20 }, { "&type=odd", 10 }, { "&q=TEXT%207", 2 },
		{ "&q=odd%20text", 10 }, { "&q=machine-1", 10 }, { "&q=none", 0 },
		{ "&since=2027-01-15T08:01:00Z", 14 }, { "&until=2027-01-15T08:01:00Z", 6 },
		{ "&since=2027-01-15T08:01:00Z&until=2027-01-15T08:02:00Z", 6 },
		{ "&since=2028-01-01T00:00:00Z", 0 }, { "&until=2028-01-01T00:00:00Z", 20 },
		{ "&until=2000-01-01T00:00:00Z", 0 } };
	struct api_fixture *a = *state;
	char path[256], text[32];
	json_int_t last;
	size_t n = 0;

	enrol_some(a, 2);
	load_machines(a);
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "text %u", i);
		tell(a, i, i % 2 ? "odd" : "even", text);
		fixture_wall += 10;
	}
	for (size_t i = 0; i < COUNT(asked); i++) {
		snprintf(path, sizeof(path), "/api/v1/messages?order=newest%s", asked[i].query);
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		if (size_of(a, "messages") != asked[i].count)
			fail_msg("%s: %zu", path, size_of(a, "messages"));
	}
	snprintf(path, sizeof(path), "/api/v1/messages?order=newest&limit=8");
	for (last = 100;; snprintf(path, sizeof(path),
		     "/api/v1/messages?order=newest&limit=8&after=%s", answered(a, "next"))) {
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		for (size_t i = 0; i < size_of(a, "messages"); i++, n++) {
			json_int_t seq = json_integer_value(
				json_object_get(json_array_get(field(a, "messages"), i), "seq"));

			assert_true(seq < last);
			last = seq;
		}
		if (!*answered(a, "next"))
			break;
	}
	assert_int_equal(n, 20);
}

static void entries_come_from_the_newest_on(void **state)
{
	static const struct {
		const char *query;
		size_t count;
	} asked[] = { { "", 8 }, { "&act=token.", 5 }, { "&act=client.enrol", 3 },
		{ "&act=client.enrolx", 0 }, { "&q=MACHINE-1", 1 }, { "&q=root", 5 },
		{ "&q=root%20enrol", 0 }, { "&object=none", 0 } };
	struct api_fixture *a = *state;
	char path[256];

	enrol_some(a, 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{}"), 201);
	for (size_t i = 0; i < COUNT(asked); i++) {
		snprintf(path, sizeof(path), "/api/v1/audit?order=newest%s", asked[i].query);
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		if (size_of(a, "entries") != asked[i].count)
			fail_msg("%s: %zu", path, size_of(a, "entries"));
	}
	assert_int_equal(ask(a, "GET", "/api/v1/audit?order=newest&limit=1", NULL), 200);
	assert_int_equal(json_integer_value(json_object_get(first(a, "entries"), "seq")), 8);
	assert_string_equal(answered(a, "next"), "8");
	assert_int_equal(ask(a, "GET", "/api/v1/audit?order=newest&limit=1&after=8", NULL), 200);
	assert_int_equal(json_integer_value(json_object_get(first(a, "entries"), "seq")), 7);
}

static void orders_and_filters_that_do_not_go_together_are_refused(void **state)
{
	static const char long_act[] = "audit?order=newest&act="
				       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				       "aaaaaaaaaaaaaaaaa";
	static const char *const bad[] = { "audit?order=", "audit?order=up", "audit?act=x",
		"audit?q=x", "audit?object=x", "audit?order=oldest&q=x",
		"audit?order=newest&last=5", "audit?order=newest&after=0",
		"audit?order=newest&after=x", "audit?order=newest&q=1+2+3+4+5+6+7+8+9",
		"messages?order=down", "messages?q=x", "messages?since=2027-01-15T08:01:00Z",
		"messages?order=newest&wait=5", "messages?order=newest&last=5",
		"messages?order=newest&since=yesterday",
		"messages?order=newest&since=2027-02-30T08:01:00Z",
		"messages?order=newest&since=", "messages?order=newest&until=2027-01-15",
		"messages?order=newest&type=A", "messages?order=newest&until=2027-01-15T08:01:00Zx",
		long_act };

	refused(*state, bad, COUNT(bad));
	assert_int_equal(ask(*state, "GET", "/api/v1/messages?order=newest&client=00", NULL), 404);
	assert_int_equal(ask(*state, "GET", "/api/v1/messages?order=oldest&last=5", NULL), 200);
	assert_int_equal(ask(*state, "GET", "/api/v1/audit?order=oldest&last=5", NULL), 200);
}

/* ---- one machine's story */

static void receipt(struct store *s, const struct client_record *c, uint64_t revision)
{
	struct receipt r = { .time = fixture_wall,
		.op = revision % 2 ? OP_ACK : OP_NACK,
		.kind = ORDER_SET,
		.code = revision % 2 ? 0 : NACK_APPLY,
		.name = "app",
		.revision = revision,
		.len = 30 };

	memcpy(r.client, c->id, sizeof(r.client));
	assert_int_equal(store_receipt_add(s, &r), 0);
}

static void a_machine_has_one_story(void **state)
{
	static const char *const bad[] = { "?after=1", "?after=.", "?after=1.", "?after=.1",
		"?after=0.1", "?after=1.1.1", "?after=1.x",
		"?after=999999999999999999999999999999.1", "?limit=201", "?limit=0",
		"?order=newest" };
	struct api_fixture *a = *state;
	char path[256], base[128], id[CLIENT_ID_TEXT_SIZE], before[32] = "9";
	size_t n = 0;

	enrol_some(a, 2);
	load_machines(a);
	sodium_bin2hex(id, sizeof(id), all.of[0].id, CLIENT_ID_SIZE);
	for (uint64_t i = 1; i <= 6; i++) {
		fixture_wall += 10;
		snprintf(path, sizeof(path), "/api/v1/clients/%s/%s", id,
			i % 2 ? "suspend" : "resume");
		assert_int_equal(ask(a, "POST", path, "{}"), 200);
		fixture_wall += 10;
		assert_int_equal(store_begin(a->server.store), 0);
		receipt(a->server.store, &all.of[0], i);
		receipt(a->server.store, &all.of[1], i);
		assert_int_equal(store_commit(a->server.store), 0);
	}
	snprintf(base, sizeof(base), "/api/v1/clients/%.20s/timeline", id);
	snprintf(path, sizeof(path), "%s?limit=5", base);
	do {
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		for (size_t i = 0; i < size_of(a, "events"); i++, n++) {
			const char *time = said(json_array_get(field(a, "events"), i), "time");

			assert_true(strcmp(time, before) <= 0);
			snprintf(before, sizeof(before), "%s", time);
		}
		snprintf(path, sizeof(path), "%s?limit=5&after=%s", base, answered(a, "next"));
	} while (*answered(a, "next"));
	assert_int_equal(n, 13);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(path, sizeof(path), "%s%s", base, bad[i]);
		assert_int_equal(ask(a, "GET", path, NULL), 400);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/clients/none/timeline", NULL), 404);
}

/* ---- the overview */

static void the_overview_counts_and_names_what_needs_attention(void **state)
{
	static const char *const bad[] = { "overview?span=", "overview?span=year", "overview?x=1" };
	static const struct {
		const char *span;
		size_t bars;
	} spans[] = { { "day", 24 }, { "week", 28 }, { "month", 30 } };
	struct api_fixture *a = *state;
	struct refusal why = { .revision = 1, .time = 5, .code = NACK_APPLY, .text = "no" };
	json_t *needs;

	assert_int_equal(
		ask(a, "POST", "/api/v1/tokens", "{\"expires\":\"2h\",\"note\":\"soon\"}"), 201);
	enrol_some(a, 7);
	load_machines(a);
	assert_int_equal(store_begin(a->server.store), 0);
	assert_int_equal(store_refusal_set(a->server.store, all.of[3].id, "app", &why), 0);
	assert_int_equal(store_commit(a->server.store), 0);
	for (size_t i = 0; i < COUNT(spans); i++) {
		char path[64];
		json_int_t sum = 0;

		snprintf(path, sizeof(path), "/api/v1/overview?span=%s", spans[i].span);
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		assert_int_equal(size_of(a, "enrolments"), spans[i].bars);
		for (size_t n = 0; n < spans[i].bars; n++)
			sum += json_integer_value(json_object_get(
				json_array_get(field(a, "enrolments"), n), "count"));
		assert_int_equal(sum, 7);
	}
	needs = field(a, "attention");
	assert_int_equal(json_integer_value(json_object_get(field(a, "clients"), "enrolled")), 7);
	assert_int_equal(json_integer_value(json_object_get(field(a, "tokens"), "live")), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(needs, "offline"), "count")), 7);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(needs, "offline"), "list")), 5);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(needs, "refused"), "count")), 1);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(needs, "tokens_ending"), "count")),
		1);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(needs, "pending"), "count")), 0);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(needs, "clones"), "count")), 0);
	assert_int_equal(raw(a->store->path,
				 "UPDATE client SET clone_since = 5 WHERE hostname = 'machine-3'"),
		0);
	assert_int_equal(ask(a, "GET", "/api/v1/overview", NULL), 200);
	needs = json_object_get(field(a, "attention"), "clones");
	assert_int_equal(json_integer_value(json_object_get(needs, "count")), 1);
	assert_string_equal(
		said(json_array_get(json_object_get(needs, "list"), 0), "hostname"), "machine-3");
	refused(a, bad, COUNT(bad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define A(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)
		A(counts_are_those_of_each_machine),
		A(a_roll_out_comes_in_pages),
		A(what_is_no_roll_out_is_refused),
		A(a_machine_tells_of_its_configurations),
		A(the_difference_of_revisions_is_told),
		A(messages_come_from_the_newest_on),
		A(entries_come_from_the_newest_on),
		A(orders_and_filters_that_do_not_go_together_are_refused),
		A(a_machine_has_one_story),
		A(the_overview_counts_and_names_what_needs_attention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
