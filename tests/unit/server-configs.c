/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

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

/* ---- numbers of orders */

static struct client_record enrolled(struct fixture *f)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct enrol_request e;
	struct client_record c;

	make_token(f->store, 9, 0, token, &t);
	e = make_request(token, 1);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(f->store), 0);
	return c;
}

/* The client as it is now, with these labels if they are not NULL. */
static void labelled(struct fixture *f, struct client_record *c, const char *text)
{
	char id[CLIENT_ID_TEXT_SIZE];
	struct labels labels;

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	assert_int_equal(store_begin(f->store), 0);
	if (text) {
		assert_int_equal(labels_split(text, &labels), 0);
		assert_int_equal(store_client_label(f->store, id, &labels, "uid:0(root)", c), 1);
	}
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_client_by_id(f->store, c->id, c), 0);
}

struct found {
	const struct client_record *client;
	uint64_t number, revision;
};

static int number_of(void *userdata, const struct config_record *c)
{
	struct found *found = userdata;

	found->number = store_order_number(found->client, c);
	found->revision = c->revision;
	return 0;
}

/* What is ordered about "a" has another number than before, a greater one, if and only if it is
 * something else. */
static struct found next_order(
	struct fixture *f, const struct client_record *c, struct found before)
{
	struct found now = { .client = c, .number = store_order_number(c, NULL) };

	assert_int_equal(store_config_wanted(f->store, c, "a", number_of, &now), 0);
	assert_true(now.number >= 1);
	if (now.revision != before.revision)
		assert_true(now.number > before.number);
	else
		assert_true(now.number >= before.number);
	return now;
}

static void what_is_ordered_later_has_a_greater_number(void **state)
{
	struct fixture *f = *state;
	struct client_record c = enrolled(f);
	struct found at;
	uint64_t number;

	labelled(f, &c, "role=db");
	at = next_order(f, &c, (struct found){});
	push(f->store, "a", "*", "1");
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 1);
	push(f->store, "a", "role=web", "2");
	number = at.number;
	at = next_order(f, &c, at);
	assert_int_equal(at.number, number); /* not for it */
	/* An older clock, and another process; revisions go up and down with the labels. */
	fixture_wall -= 7200;
	reopen(f);
	labelled(f, &c, "role=web");
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 2);
	labelled(f, &c, "role=db");
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 1);
	push(f->store, "a", "role=db", NULL);
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 3);
	labelled(f, &c, "role=web");
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 2);
	fixture_wall += 86400;
	push(f->store, "a", "*", "4");
	at = next_order(f, &c, at);
	assert_int_equal(at.revision, 4);
	assert_int_equal(at.number, fixture_wall * 1000);
}

/* Not even a clock that was years ahead, and is followed back. */
static void numbers_never_go_back(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	for (int i = 0; i < 20; i++) {
		struct config_record c = push(f->store, "a", "*", "x");

		assert_true(c.number > last);
		last = c.number;
		if (i % 5 == 0)
			fixture_wall += 400ull * 86400;
		if (i % 5 == 1)
			fixture_wall -= 400ull * 86400;
		if (i % 5 == 2)
			reopen(f);
	}
}

/* What the machine has seen is lost here: its labels had been changed, which drew a number. */
static void a_client_of_a_store_put_back_can_be_renumbered(void **state)
{
	struct fixture *f = *state;
	struct client_record c = enrolled(f);
	struct found seen, now;
	char restore[128];

	labelled(f, &c, "role=db");
	push(f->store, "a", "*", "1");
	push(f->store, "a", "role=web", "2");
	snprintf(restore, sizeof(restore), "UPDATE meta SET value = %llu WHERE name = 'number'",
		(unsigned long long)fixture_wall * 1000 + 2);
	fixture_wall += 3600;
	labelled(f, &c, "role=web");
	seen = next_order(f, &c, (struct found){});
	assert_int_equal(raw(f->path, "UPDATE client SET labels = '', order_number = 0"), 0);
	assert_int_equal(raw(f->path, restore), 0);
	labelled(f, &c, NULL);
	now = next_order(f, &c, (struct found){});
	assert_int_equal(now.revision, 1);
	assert_true(now.number < seen.number);
	fixture_wall += 60;
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_renumber(f->store, c.id), 0);
	assert_int_equal(store_commit(f->store), 0);
	labelled(f, &c, NULL);
	now = next_order(f, &c, seen);
	assert_int_equal(now.revision, 1);
	/* Of what nothing is meant for it too. */
	assert_true(store_order_number(&c, NULL) > seen.number);
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
		it(what_is_ordered_later_has_a_greater_number),
		it(numbers_never_go_back),
		it(a_client_of_a_store_put_back_can_be_renumbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
