/* SPDX-License-Identifier: MIT */
#include "server-ask.h"

#include <sodium.h>

#include "lib/label.h"
#include "server/store/search.h"

/* ---- in the store */

struct seen {
	size_t count;
	char names[64][65];
};

static int note(void *userdata, const struct client_sight *sight)
{
	struct seen *s = userdata;

	assert_true(s->count < COUNT(s->names));
	snprintf(s->names[s->count++], sizeof(s->names[0]), "%s", sight->place->key);
	return 0;
}

/* All at once; how many fit. */
static size_t look(struct store *s, const struct client_search *q, struct seen *ret)
{
	struct client_place place = {};

	*ret = (struct seen){};
	assert_int_equal(store_client_search(s, q, &place, 1000, note, ret), 0);
	return ret->count;
}

static void enrol_named(struct fixture *f, uint32_t number, const char *hostname,
	const char *labels, const char *address, struct client_record *ret)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct token_spec spec = { .uses = 1, .actor = "uid:0(root)" };
	struct enrol_request e;

	assert_int_equal(labels_split(labels, &spec.labels), 0);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_token_create(f->store, &spec, token, &t), 0);
	e = make_request(token, number);
	snprintf(e.facts.hostname, sizeof(e.facts.hostname), "%s", hostname);
	assert_int_equal(store_client_enrol(f->store, &e, address, ret), 0);
	assert_int_equal(store_commit(f->store), 0);
}

static void enrol_three(struct fixture *f, struct client_record ret[static 3])
{
	enrol_named(f, 1, "web-1.zrh", "env=prod,role=web", "192.0.2.1", &ret[0]);
	fixture_wall += 10;
	enrol_named(f, 2, "WEB-2.fra", "env=test,role=web", "192.0.2.22", &ret[1]);
	fixture_wall += 10;
	enrol_named(f, 3, "db-1.zrh", "env=prod,role=db", "2001:db8::3", &ret[2]);
}

static void words_are_found_wherever_they_are(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} looks[] = { { "", 3 }, { " ", 3 }, { "web", 2 }, { "Web", 2 }, { "WEB-2", 1 },
		{ "zrh", 2 }, { "web zrh", 1 }, { "zrh   web ", 1 }, { "192.0.2", 2 },
		{ "2001:DB8", 1 }, { "role=web", 2 }, { "env=prod db-1", 1 }, { "web-3", 0 },
		{ "web-1.zrhx", 0 }, { "%", 0 }, { "_", 0 }, { "'", 0 }, { "*", 0 },
		{ "web db-1", 0 } };
	struct fixture *f = *state;
	struct client_record c[3];
	struct seen seen;

	enrol_three(f, c);
	for (size_t i = 0; i < COUNT(looks); i++) {
		struct client_search q = { .state = -1, .text = looks[i].text };

		if (look(f->store, &q, &seen) != looks[i].count)
			fail_msg("'%s': %zu", looks[i].text, seen.count);
	}
}

static void an_id_is_found_by_any_part_of_it(void **state)
{
	struct fixture *f = *state;
	struct client_record c[3];
	struct seen seen;
	char id[CLIENT_ID_TEXT_SIZE];

	enrol_three(f, c);
	sodium_bin2hex(id, sizeof(id), c[1].id, sizeof(c[1].id));
	for (size_t i = 0; i < 20; i++) {
		struct client_search q = { .state = -1, .text = id + i };

		assert_int_equal(look(f->store, &q, &seen), 1);
		assert_string_equal(seen.names[0], "WEB-2.fra");
	}
}

static void words_without_end_are_refused(void **state)
{
	struct fixture *f = *state;
	struct client_place place = {};
	struct seen seen = {};
	char text[WORDS_SIZE + 1];
	struct client_search q = { .state = -1, .text = text };

	memset(text, 'x', sizeof(text));
	text[WORDS_SIZE] = '\0';
	assert_int_equal(store_client_search(f->store, &q, &place, 9, note, &seen), -E2BIG);
	text[WORDS_SIZE - 1] = '\0';
	assert_int_equal(store_client_search(f->store, &q, &place, 9, note, &seen), 0);
	q.text = "1 2 3 4 5 6 7 8 9";
	assert_int_equal(store_client_search(f->store, &q, &place, 9, note, &seen), -E2BIG);
	q.text = "1 2 3 4 5 6 7 8";
	assert_int_equal(store_client_search(f->store, &q, &place, 9, note, &seen), 0);
}

static void they_come_in_every_order(void **state)
{
	static const struct {
		enum client_sort sort;
		bool descending;
		const char *keys[3];
	} orders[] = {
		{ SORT_HOSTNAME, false, { "WEB-2.fra", "db-1.zrh", "web-1.zrh" } },
		{ SORT_HOSTNAME, true, { "web-1.zrh", "db-1.zrh", "WEB-2.fra" } },
		{ SORT_ENROLLED, false, { "1800000000", "1800000010", "1800000020" } },
		{ SORT_ENROLLED, true, { "1800000020", "1800000010", "1800000000" } },
		{ SORT_SEEN, false, { "0", "0", "0" } },
		{ SORT_SEEN, true, { "0", "0", "0" } },
	};
	struct fixture *f = *state;
	struct client_record c[3];

	enrol_three(f, c);
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct client_search q = {
			.state = -1, .sort = orders[i].sort, .descending = orders[i].descending
		};
		struct client_place place = {};
		struct seen seen = {};

		/* row by row, as steps do */
		while (store_client_search(f->store, &q, &place, 1, note, &seen) > 0)
			;
		assert_int_equal(seen.count, 3);
		for (size_t n = 0; n < 3; n++)
			assert_string_equal(seen.names[n], orders[i].keys[n]);
	}
}

static void the_selector_and_the_state_choose(void **state)
{
	struct fixture *f = *state;
	struct client_record c[3];
	struct seen seen;
	struct client_search q = { .state = -1, .selector = "role=web,env!=test" };
	struct client_order order = { .actor = "uid:0(root)" };
	char id[CLIENT_ID_TEXT_SIZE];

	enrol_three(f, c);
	assert_int_equal(look(f->store, &q, &seen), 1);
	assert_string_equal(seen.names[0], "web-1.zrh");
	q.selector = "!role";
	assert_int_equal(look(f->store, &q, &seen), 0);
	q.selector = NULL;
	q.state = CLIENT_SUSPENDED;
	assert_int_equal(look(f->store, &q, &seen), 0);
	sodium_bin2hex(id, sizeof(id), c[2].id, sizeof(c[2].id));
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, id, CLIENT_SUSPEND, &order, &c[0]), 1);
	assert_int_equal(look(f->store, &q, &seen), 1);
	assert_string_equal(seen.names[0], "db-1.zrh");
	assert_int_equal(store_client_change(f->store, id, CLIENT_REMOVE, &order, &c[0]), 1);
	q.state = -1;
	assert_int_equal(look(f->store, &q, &seen), 2);
	assert_int_equal(store_commit(f->store), 0);
}

/* What is looked at is kept a second time; it must follow. */
static void what_changes_is_found_as_it_is_now(void **state)
{
	struct fixture *f = *state;
	struct client_record c[3];
	struct client_search q = { .state = -1 };
	struct hello h = { .uptime = 5 };
	struct labels labels;
	struct seen seen;
	char id[CLIENT_ID_TEXT_SIZE];

	enrol_three(f, c);
	h.facts = c[0].facts;
	snprintf(h.facts.hostname, sizeof(h.facts.hostname), "renamed");
	sodium_bin2hex(id, sizeof(id), c[0].id, sizeof(c[0].id));
	assert_int_equal(labels_split("site=bonn", &labels), 0);
	assert_int_equal(store_begin(f->store), 0);
	for (int i = 0; i < 2; i++) /* the second says nothing new */
		assert_int_equal(store_client_hello(f->store, c[0].id, &h, "198.51.100.9"), 0);
	assert_int_equal(store_client_label(f->store, id, &labels, "uid:0(root)", &c[0]), 1);
	assert_int_equal(store_commit(f->store), 0);
	q.text = "web-1";
	assert_int_equal(look(f->store, &q, &seen), 0);
	q.text = "192.0.2.1";
	assert_int_equal(look(f->store, &q, &seen), 0);
	q.text = "renamed 198.51 site=bonn";
	assert_int_equal(look(f->store, &q, &seen), 1);
	assert_int_equal(store_client_by_id(f->store, c[0].id, &c[1]), 0);
	assert_int_equal(c[1].last_hello, fixture_wall);
	assert_int_equal(c[1].uptime, 5);
}

/* More labels than an index takes, and rows that something else has written. */
static void what_is_too_long_for_the_index_is_read(void **state)
{
	struct fixture *f = *state;
	struct client_search q = { .state = -1, .text = "deep", .selector = "a0,a19!=x" };
	struct client_record c;
	struct labels labels = {};
	struct seen seen;
	char text[LABELS_TEXT_SIZE];

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "a%d=%060d", i, i);
		assert_int_equal(labels_add(&labels, text), 0);
	}
	assert_int_equal(labels_add(&labels, "z=deep"), 0);
	labels_join(&labels, text);
	enrol_named(f, 7, "long", text, "192.0.2.7", &c);
	assert_int_equal(raw_number(f->path, "SELECT length(find) FROM client"), 0);
	assert_int_equal(look(f->store, &q, &seen), 1);
	q.text = "deeper";
	assert_int_equal(look(f->store, &q, &seen), 0);
	q.text = NULL;
	q.selector = "b";
	assert_int_equal(look(f->store, &q, &seen), 0);
}

static void enrolments_are_counted_by_spans(void **state)
{
	struct fixture *f = *state;
	struct client_record c[3];
	uint64_t counts[4];

	enrol_three(f, c);
	assert_int_equal(store_client_enrolments(f->store, 1799999990, 10, 4, counts), 0);
	assert_int_equal(counts[0], 0);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(counts[i], 1);
}

/* ---- by the API */

static void a_search_comes_in_pages(void **state)
{
	static const char *const queries[] = { "q=machine", "sort=hostname", "sort=-hostname",
		"sort=enrolled", "sort=-enrolled", "sort=seen", "sort=-seen", "connected=no",
		"q=192.0.2.1&label=role=web&state=enrolled&connected=no&sort=-hostname" };
	struct api_fixture *a = *state;

	enrol_some(a, 25);
	for (size_t i = 0; i < COUNT(queries); i++) {
		char path[512];
		size_t n = 0, pages = 0;

		snprintf(path, sizeof(path), "/api/v1/clients?limit=10&%s", queries[i]);
		do {
			assert_int_equal(ask(a, "GET", path, NULL), 200);
			n += json_array_size(json_object_get(a->answer, "clients"));
			pages++;
			snprintf(path, sizeof(path), "/api/v1/clients?limit=10&%s&after=%s",
				queries[i], answered(a, "next"));
		} while (*answered(a, "next"));
		assert_int_equal(n, 25);
		assert_int_equal(pages, 3);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/clients?q=machine-1%20192&limit=5", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 5);
	assert_int_equal(ask(a, "GET", "/api/v1/clients?q=machine-24", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 1);
	assert_true(json_is_null(json_object_get(a->answer, "next")));
}

static void they_are_counted(void **state)
{
	static const struct {
		const char *query;
		int count;
	} queries[] = { { "", 25 }, { "q=machine-1", 11 }, { "label=role%3Dweb", 25 },
		{ "label=!role", 0 }, { "state=enrolled", 25 }, { "state=pending", 0 },
		{ "connected=yes", 0 }, { "connected=no", 25 }, { "q=machine-2&label=role", 6 } };
	struct api_fixture *a = *state;
	char path[128];

	enrol_some(a, 25);
	for (size_t i = 0; i < COUNT(queries); i++) {
		snprintf(path, sizeof(path), "/api/v1/clients/count?%s", queries[i].query);
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		assert_int_equal(
			json_integer_value(json_object_get(a->answer, "count")), queries[i].count);
	}
}

static void a_search_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "q=1+2+3+4+5+6+7+8+9", "q=%00", "q=%ff", "q=%1b",
		"connected=", "connected=true", "connected=1", "sort=", "sort=-", "sort=--seen",
		"sort=labels", "sort=id&q=x", "sort=id&connected=no", "sort=-id",
		"sort=hostname&after=x", "sort=hostname&after=.", "sort=hostname&after=6d.00",
		"sort=hostname&after=00000000000000000000000000000000",
		"sort=hostname&after=ff.00000000000000000000000000000000",
		"sort=hostname&after=00.00000000000000000000000000000000",
		"sort=hostname&after=6d.000000000000000000000000000000000",
		"sort=hostname&after=6d.000000000000000000000000000000000a",
		"sort=seen&after=6d.00000000000000000000000000000000",
		"sort=seen&after=2d31.00000000000000000000000000000000",
		"sort=enrolled&after=.00000000000000000000000000000000", "q=a&label=A",
		"q=a&state=removed", "q=a&limit=0", "q=a&limit=1001", "q=a&q=b" };
	struct api_fixture *a = *state;
	char path[512];

	enrol_some(a, 3);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(path, sizeof(path), "/api/v1/clients?%s", bad[i]);
		if (ask(a, "GET", path, NULL) != 400)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(a->code, "bad-parameter");
	}
	snprintf(path, sizeof(path), "/api/v1/clients?q=%0129d", 0);
	assert_int_equal(ask(a, "GET", path, NULL), 400);
	assert_int_equal(ask(a, "GET", "/api/v1/clients/count?sort=seen", NULL), 400);
	assert_int_equal(ask(a, "GET", "/api/v1/clients/count?connected=maybe", NULL), 400);
	assert_int_equal(ask(a, "POST", "/api/v1/clients/count", NULL), 405);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define S(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define A(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)
		S(words_are_found_wherever_they_are),
		S(an_id_is_found_by_any_part_of_it),
		S(words_without_end_are_refused),
		S(they_come_in_every_order),
		S(the_selector_and_the_state_choose),
		S(what_changes_is_found_as_it_is_now),
		S(what_is_too_long_for_the_index_is_read),
		S(enrolments_are_counted_by_spans),
		A(a_search_comes_in_pages),
		A(they_are_counted),
		A(a_search_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
