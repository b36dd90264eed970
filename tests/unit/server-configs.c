/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include "server/store/configs.h"

static struct config_record push(
	struct store *s, const char *name, const char *selector, const char *content)
{
	struct config_spec spec = { .name = name,
		.selector = selector,
		.content = content,
		.len = content ? strlen(content) : 0,
		.actor = "uid:0(root)",
		.act = content ? "config.push" : "config.remove" };
	struct config_record c;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_config_push(s, &spec, &c), 0);
	assert_int_equal(store_commit(s), 0);
	return c;
}

static struct client_record a_client(uint8_t id, const char *labels)
{
	struct client_record c = { .id = { id } };

	assert_int_equal(labels_split(labels, &c.labels), 0);
	return c;
}

static int join(void *userdata, const struct config_record *c)
{
	char *text = userdata;

	sprintf(text + strlen(text), "%s@%llu%s ", c->name, (unsigned long long)c->revision,
		c->removal ? "-" : "");
	return 0;
}

static const char *wanted(struct store *s, uint8_t id, const char *labels)
{
	static char text[512];
	struct client_record c = a_client(id, labels);

	*text = '\0';
	assert_int_equal(store_config_wanted(s, &c, "", join, text), 0);
	return text;
}

static void the_newest_that_matches_is_the_one(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;

	push(s, "a", "*", "1");
	push(s, "a", "role=web", "2");
	push(s, "a", "role=web,zone=x", "3");
	push(s, "b", "client:07000000000000000000000000000000", "1");
	assert_string_equal(wanted(s, 1, ""), "a@1 ");
	assert_string_equal(wanted(s, 1, "role=web"), "a@2 ");
	assert_string_equal(wanted(s, 7, "role=web,zone=x"), "a@3 b@1 ");
	push(s, "a", "role=web", NULL);
	assert_string_equal(wanted(s, 1, "role=web,zone=x"), "a@4- ");
	assert_string_equal(wanted(s, 1, ""), "a@1 ");
	push(s, "a", "*", "5");
	assert_string_equal(wanted(s, 1, "role=web,zone=x"), "a@5 ");
}

static void nothing_of_the_history_is_lost(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct config_record c;
	char text[512] = "", *content;
	size_t len;

	for (int i = 0; i < 5; i++)
		push(s, "a", "*", i % 2 ? "odd" : "even");
	assert_int_equal(store_config_history(s, "a", 0, 0, join, text), 0);
	assert_string_equal(text, "a@5 a@4 a@3 a@2 a@1 ");
	*text = '\0';
	assert_int_equal(store_config_history(s, "a", 4, 2, join, text), 0);
	assert_string_equal(text, "a@3 a@2 ");
	assert_int_equal(store_config_get(s, "a", 2, &c), 0);
	assert_int_equal(store_config_content(s, c.hash, &content, &len), 0);
	assert_string_equal(content, "odd");
	free(content);
	assert_int_equal(store_config_get(s, "a", 6, &c), -ENOENT);
	assert_int_equal(store_config_get(s, "b", 0, &c), -ENOENT);
	assert_int_equal(
		raw_number(((struct fixture *)*state)->path, "SELECT count(*) FROM config_content"),
		2);
}

static void an_empty_configuration_is_none_of_a_removal(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct config_record c = push(s, "a", "*", "");
	char *content;
	size_t len = 9;

	assert_false(c.removal);
	assert_int_equal(store_config_content(s, c.hash, &content, &len), 0);
	assert_int_equal(len, 0);
	free(content);
}

static void what_can_not_be_pushed_is_refused(void **state)
{
	static const char *const bad[][2] = { { "../a", "*" }, { "", "*" }, { "a", "" },
		{ "a", "client:07" }, { "a", "client:" }, { "a", "client:../../x" }, { "a", ",," },
		{ "a", "client:0700000000000000000000000000000g" } };
	struct store *s = ((struct fixture *)*state)->store;
	struct config_record c;

	assert_int_equal(store_begin(s), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct config_spec spec = { .name = bad[i][0],
			.selector = bad[i][1],
			.content = "x",
			.len = 1,
			.actor = "a",
			.act = "config.push" };

		assert_int_equal(store_config_push(s, &spec, &c), -EINVAL);
	}
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_config_get(s, "a", 0, &c), -ENOENT);
}

static struct holding held(const char *name, uint64_t revision)
{
	struct holding h = { .revision = revision };

	strcpy(h.name, name);
	return h;
}

static void what_a_machine_holds_is_what_it_said_last(void **state)
{
	static const uint8_t one[CLIENT_ID_SIZE] = { 1 }, two[CLIENT_ID_SIZE] = { 2 };
	struct store *s = ((struct fixture *)*state)->store;
	struct holdings h = { .count = 2, .of = { held("a", 1), held("b", 2) } }, again;
	const struct holdings none = {};
	struct holding b = held("b", 3), gone = held("a", 0);

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_held_set(s, one, &h), 1);
	assert_int_equal(store_held_set(s, one, &h), 0);
	assert_int_equal(store_held_set(s, two, &h), 1);
	assert_int_equal(store_held_put(s, one, &b), 0);
	assert_int_equal(store_held_put(s, one, &gone), 0);
	assert_int_equal(store_held(s, one, &again), 0);
	assert_int_equal(again.count, 1);
	assert_int_equal(again.of[0].revision, 3);
	assert_int_equal(store_held_set(s, one, &none), 1);
	assert_int_equal(store_held(s, one, &again), 0);
	assert_int_equal(again.count, 0);
	assert_int_equal(store_held(s, two, &again), 0);
	assert_int_equal(again.count, 2);
	assert_int_equal(store_commit(s), 0);
}

static void the_last_refusal_is_kept(void **state)
{
	static const uint8_t one[CLIENT_ID_SIZE] = { 1 };
	struct store *s = ((struct fixture *)*state)->store;
	struct refusal r = { .revision = 4, .time = 5, .code = NACK_APPLY, .text = "it's bad" };
	struct refusal again;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_refusal(s, one, "a", &again), -ENOENT);
	assert_int_equal(store_refusal_set(s, one, "a", &r), 0);
	r.revision = 6;
	assert_int_equal(store_refusal_set(s, one, "a", &r), 0);
	assert_int_equal(store_refusal(s, one, "a", &again), 0);
	assert_int_equal(again.revision, 6);
	assert_string_equal(again.text, "it's bad");
	assert_int_equal(store_refusal_drop(s, one, "a"), 0);
	assert_int_equal(store_refusal(s, one, "a", &again), -ENOENT);
	assert_int_equal(store_commit(s), 0);
}

static int count(void *userdata, const struct receipt *r)
{
	(void)r;
	++*(int *)userdata;
	return 0;
}

static void receipts_are_kept_as_they_came(void **state)
{
	struct store *s = ((struct fixture *)*state)->store;
	struct receipt r = { .time = 7,
		.client = { 1 },
		.op = OP_NACK,
		.code = NACK_CHECK,
		.name = "a",
		.revision = 3,
		.bytes = "the bytes",
		.len = 9,
		.signature = { 5 } };
	struct receipt again;
	int n = 0;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_receipt_add(s, &r), 0);
	r.client[0] = 2;
	assert_int_equal(store_receipt_add(s, &r), 0);
	assert_int_equal(store_commit(s), 0);
	assert_int_equal(store_receipt_get(s, 2, &again), 0);
	r.id = 2;
	assert_memory_equal(&again, &r, sizeof(r));
	assert_int_equal(store_receipt_get(s, 3, &again), -ENOENT);
	assert_int_equal(store_receipt_each(s, r.client, "", 0, 0, count, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_receipt_each(s, NULL, "a", 0, 0, count, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(store_receipt_each(s, NULL, "b", 0, 0, count, &n), 0);
	assert_int_equal(n, 3);
}

#define it(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		it(the_newest_that_matches_is_the_one),
		it(nothing_of_the_history_is_lost),
		it(an_empty_configuration_is_none_of_a_removal),
		it(what_can_not_be_pushed_is_refused),
		it(what_a_machine_holds_is_what_it_said_last),
		it(the_last_refusal_is_kept),
		it(receipts_are_kept_as_they_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
