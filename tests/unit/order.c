/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/body.h"
#include "lib/order.h"

CODEC(config_order);
CODEC(hello);
CODEC(ack);
CODEC(nack);

static const struct config_order a_set = { "sshd.conf", 3, 1795305600001, ORDER_SET, { 1, 2 },
	(const uint8_t *)"content", 7 };
static const struct config_order an_empty_one = { "a", 1, 1, ORDER_RETURN, { 1, 2 },
	(const uint8_t *)"", 0 };
static const struct config_order a_removal = {
	.name = "x-_.9", .revision = UINT64_MAX, .number = UINT64_MAX, .kind = ORDER_REMOVE
};

static void an_order_is_taken_whole_or_not_at_all(void **state)
{
	(void)state;
	check_codec(&config_order_codec, &a_set);
	check_codec(&config_order_codec, &an_empty_one);
	check_codec(&config_order_codec, &a_removal);
}

static int decode_changed(const struct config_order *o, size_t at, uint8_t value)
{
	uint8_t bytes[256];
	ssize_t len = config_order_encode(o, bytes, sizeof bytes);

	bytes[at] = value;
	return decode_exactly(&config_order_codec, bytes, (size_t)len);
}

static void what_no_order_can_be_is_refused(void **state)
{
	struct config_order o = a_set;
	uint8_t bytes[256];

	(void)state;
	for (unsigned kind = 0; kind < 256; kind++)
		assert_int_equal(decode_changed(&an_empty_one, 1, (uint8_t)kind),
			kind == ORDER_SET || kind == ORDER_RETURN ? 0 : -EBADMSG);
	for (unsigned version = 0; version < 256; version++)
		if (version != 1)
			assert_int_equal(
				decode_changed(&a_set, 0, (uint8_t)version), -EPROTONOSUPPORT);
	assert_int_equal(decode_changed(&a_set, 1, ORDER_REMOVE), -EBADMSG);
	o.revision = 0;
	assert_int_equal(decode_exactly(&config_order_codec, bytes,
				 (size_t)config_order_encode(&o, bytes, sizeof bytes)),
		-EBADMSG);
	o = a_set;
	o.number = 0;
	assert_int_equal(decode_exactly(&config_order_codec, bytes,
				 (size_t)config_order_encode(&o, bytes, sizeof bytes)),
		-EBADMSG);
	o = a_removal;
	o.hash[31] = 1;
	assert_int_equal(decode_exactly(&config_order_codec, bytes,
				 (size_t)config_order_encode(&o, bytes, sizeof bytes)),
		-EBADMSG);
}

static void the_largest_content_fits_and_no_more(void **state)
{
	size_t size = MESSAGE_MAX + 256;
	uint8_t *body = malloc(size), *content = calloc(1, CONFIG_CONTENT_MAX + 1);
	struct config_order o = {
		.revision = 1, .number = 1, .kind = ORDER_SET, .content = content
	};
	struct config_order again;
	ssize_t len;

	(void)state;
	memset(o.name, 'x', CONFIG_NAME_SIZE - 1);
	o.len = CONFIG_CONTENT_MAX;
	len = config_order_encode(&o, body, size);
	assert_in_range(len, CONFIG_CONTENT_MAX, op_find(OP_CONFIG)->largest);
	assert_int_equal(config_order_decode(body, (size_t)len, &again), 0);
	assert_int_equal(again.len, CONFIG_CONTENT_MAX);
	o.len++;
	assert_int_equal(config_order_encode(&o, body, size), -EMSGSIZE);
	free(body);
	free(content);
}

static void names_are_plain(void **state)
{
	static const char *const good[] = { "a", "9", "sshd.conf", "a..b", "x_-.y",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	static const char *const bad[] = { "", ".", "..", ".a", "-a", "_a", "/", "a/b", "../a", "A",
		"a b", "a\n", "\xc3\xa4", "a\\b", "a%2fb", "a:b", "~", "*",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	struct config_order o = a_set;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(order_name_ok(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint8_t bytes[256];
		ssize_t len;

		assert_false(order_name_ok(bad[i]));
		if (strlen(bad[i]) >= sizeof o.name)
			continue;
		strcpy(o.name, bad[i]);
		len = config_order_encode(&o, bytes, sizeof bytes);
		if (len > 0)
			assert_int_equal(
				decode_exactly(&config_order_codec, bytes, (size_t)len), -EBADMSG);
	}
}

/* ---- what is held */

static struct holding held(const char *name, uint64_t revision)
{
	struct holding h = { .revision = revision };

	strcpy(h.name, name);
	return h;
}

static void what_is_held_is_sorted_and_bounded(void **state)
{
	struct holdings all = {};
	struct holding one;
	char name[CONFIG_NAME_SIZE];

	(void)state;
	for (int i = HOLDINGS_MAX - 1; i >= 0; i--) {
		snprintf(name, sizeof name, "n%02d", i);
		one = held(name, 1);
		assert_int_equal(holdings_put(&all, &one), 0);
	}
	one = held("zzz", 1);
	assert_int_equal(holdings_put(&all, &one), -E2BIG);
	one = held("n07", 9);
	assert_int_equal(holdings_put(&all, &one), 0);
	assert_int_equal(all.count, HOLDINGS_MAX);
	for (size_t i = 1; i < all.count; i++)
		assert_true(strcmp(all.of[i - 1].name, all.of[i].name) < 0);
	assert_int_equal(holdings_find(&all, "n07")->revision, 9);
	holdings_drop(&all, "n07");
	holdings_drop(&all, "n07");
	assert_null(holdings_find(&all, "n07"));
	assert_int_equal(all.count, HOLDINGS_MAX - 1);
}

/* Without the list the same HELLO is whole, so that one truncation is no truncation. */
static void hello_ends_with_what_is_held(void **state)
{
	struct hello h = { .time = 1 };
	struct holding one = held("web", 7), other = held("db", 8);
	uint8_t bytes[BODY_ANSWER_MAX];
	ssize_t without = hello_encode(&h, bytes, sizeof bytes), len;

	(void)state;
	assert_int_equal(holdings_put(&h.holdings, &one), 0);
	assert_int_equal(holdings_put(&h.holdings, &other), 0);
	len = hello_encode(&h, bytes, sizeof bytes);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), 0);
	for (ssize_t size = 0; size < len; size++)
		assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)size),
			size == without ? 0 : -EBADMSG);
	bytes[len] = 0;
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len + 1), -EBADMSG);
	bytes[without] = 0; /* a list of none is no list */
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)without + 1), -EBADMSG);
	bytes[without] = HOLDINGS_MAX + 1;
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
}

static void what_is_held_must_be_sorted_and_different(void **state)
{
	struct hello h = { .holdings = { .count = 2, .of = { held("b", 1), held("a", 1) } } };
	uint8_t bytes[BODY_ANSWER_MAX];
	ssize_t len = hello_encode(&h, bytes, sizeof bytes);

	(void)state;
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
	h.holdings.of[0] = held("a", 2);
	len = hello_encode(&h, bytes, sizeof bytes);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
	h.holdings.of[1] = held("b", 0);
	len = hello_encode(&h, bytes, sizeof bytes);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
}

static void the_largest_hello_fits(void **state)
{
	struct hello h = { .holdings.count = HOLDINGS_MAX };
	uint8_t bytes[BODY_ANSWER_MAX];

	(void)state;
	for (size_t i = 0; i < HOLDINGS_MAX; i++) {
		h.holdings.of[i] = held("", 1);
		memset(h.holdings.of[i].name, 'x', CONFIG_NAME_SIZE - 1);
		h.holdings.of[i].name[10] = (char)('0' + i);
	}
	memset(h.facts.hostname, 'x', sizeof h.facts.hostname - 1);
	memset(h.facts.os, 'x', sizeof h.facts.os - 1);
	memset(h.facts.kernel, 'x', sizeof h.facts.kernel - 1);
	memset(h.facts.arch, 'x', sizeof h.facts.arch - 1);
	memset(h.facts.version, 'x', sizeof h.facts.version - 1);
	assert_in_range(hello_encode(&h, bytes, sizeof bytes), 1, op_find(OP_HELLO)->largest);
}

static void an_answer_ends_with_what_it_is_about(void **state)
{
	struct ack a = { .sequence = 1, .subject = { 5, 6, ORDER_SET, "web", { 7 } } };
	struct nack n = { .sequence = 1,
		.code = NACK_APPLY,
		.text = "no",
		.subject = { 5, 6, ORDER_REMOVE, "web", {} } };
	const struct ack plain_ack = { .sequence = 1 };
	const struct nack plain_nack = { .sequence = 1, .code = NACK_APPLY, .text = "no" };
	uint8_t bytes[2048];
	ssize_t without = ack_encode(&plain_ack, bytes, sizeof bytes);
	ssize_t len = ack_encode(&a, bytes, sizeof bytes);

	(void)state;
	for (ssize_t size = 0; size <= len; size++)
		assert_int_equal(decode_exactly(&ack_codec, bytes, (size_t)size),
			size == without || size == len ? 0 : -EBADMSG);
	without = nack_encode(&plain_nack, bytes, sizeof bytes);
	len = nack_encode(&n, bytes, sizeof bytes);
	for (ssize_t size = 0; size <= len; size++)
		assert_int_equal(decode_exactly(&nack_codec, bytes, (size_t)size),
			size == without || size == len ? 0 : -EBADMSG);
	memset(n.text, 'x', sizeof n.text - 1);
	memset(n.subject.name, 'x', sizeof n.subject.name - 1);
	assert_in_range(nack_encode(&n, bytes, sizeof bytes), 1, op_find(OP_NACK)->largest);
}

UNIT(it(an_order_is_taken_whole_or_not_at_all), it(what_no_order_can_be_is_refused),
	it(the_largest_content_fits_and_no_more), it(names_are_plain),
	it(what_is_held_is_sorted_and_bounded), it(hello_ends_with_what_is_held),
	it(what_is_held_must_be_sorted_and_different), it(the_largest_hello_fits),
	it(an_answer_ends_with_what_it_is_about))
