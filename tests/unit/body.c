/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/body.h"
#include "lib/op.h"

CODEC(token_query);
CODEC(token_answer);
CODEC(enrol_request);
CODEC(enrolled);
CODEC(hello);
CODEC(ack);
CODEC(nack);
CODEC(state_notice);
CODEC(reset_order);
CODEC(update_order);

#define SOME_FACTS                                                                                 \
	{                                                                                          \
		.hostname = "web-1", .os = "Debian GNU/Linux 12 (bookworm)",                       \
		.kernel = "6.1.0-30-amd64", .arch = "x86_64", .version = "0.1.0",                  \
		.machine = { 1, 2, 3 },                                                            \
	}

static const struct token_query a_query = { { 4, 1 }, { 0xa0, 2 }, 1795305600 };
static const struct token_answer an_answer = { 1, 0, UNLIMITED_USES,
	{ 3, { "canary", "role=web", "site=zrh" } } };
static const struct enrol_request a_request = { { 4, 1 }, { 0xa0, 2 }, 3, { 9 },
	.facts = SOME_FACTS };
static const struct enrolled an_enrolment = { { 7 }, 1795305600, 60, 2, { { 1 }, { 2 } },
	{ 1, { "role=web" } } };
static const struct hello a_hello = { { 3 }, 4, 5, .facts = SOME_FACTS };
static const struct ack an_ack = { .sequence = 1, .time = 2, .heartbeat = 3 };
static const struct nack a_nack = {
	.sequence = 1, .code = NACK_TOKEN_EXPIRED, .text = "token expired yesterday"
};
static const struct state_notice a_notice = { MACHINE_SUSPENDED, "until the audit is over" };
static const struct reset_order a_reset = { 1795305600 };
static const struct update_order an_update = { 1795305600123, { 0xab, 1 }, "0.2.0~rc1+3-a" };

/* All bodies, and where their version byte is. */
static const struct {
	const struct codec *codec;
	const void *value;
	size_t version_at;
	enum op op;
} bodies[] = {
	{ &token_query_codec, &a_query, 65, OP_TOKEN },
	{ &token_answer_codec, &an_answer, 0, OP_TOKEN },
	{ &enrol_request_codec, &a_request, 65, OP_ENROL },
	{ &enrolled_codec, &an_enrolment, 0, OP_ENROLLED },
	{ &hello_codec, &a_hello, 0, OP_HELLO },
	{ &ack_codec, &an_ack, 0, OP_ACK },
	{ &nack_codec, &a_nack, 0, OP_NACK },
	{ &state_notice_codec, &a_notice, 0, OP_STATE },
	{ &reset_order_codec, &a_reset, 0, OP_RESET },
	{ &update_order_codec, &an_update, 0, OP_UPDATE },
};

static ssize_t encode(size_t body, void *ret, size_t size)
{
	return bodies[body].codec->encode(bodies[body].value, ret, size);
}

static void truncated_or_lengthened_no_body_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		uint8_t bytes[BODY_ANSWER_MAX];
		ssize_t len = encode(i, bytes, sizeof bytes);

		assert_true(len > 0);
		for (size_t size = 0; size < (size_t)len; size++)
			assert_int_equal(decode_exactly(bodies[i].codec, bytes, size), -EBADMSG);
		bytes[len] = 0;
		assert_int_equal(decode_exactly(bodies[i].codec, bytes, (size_t)len + 1), -EBADMSG);
	}
}

static void what_decodes_encodes_to_the_same_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++)
		check_codec(bodies[i].codec, bodies[i].value);
}

static void another_version_is_named_as_such_whatever_follows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		uint8_t bytes[BODY_ANSWER_MAX];
		ssize_t len = encode(i, bytes, sizeof bytes);

		for (unsigned version = 0; version < 256; version++) {
			bytes[bodies[i].version_at] = (uint8_t)version;
			if (version == BODY_VERSION)
				continue;
			assert_int_equal(decode_exactly(bodies[i].codec, bytes, (size_t)len),
				-EPROTONOSUPPORT);
			assert_int_equal(
				decode_exactly(bodies[i].codec, bytes, bodies[i].version_at + 1),
				-EPROTONOSUPPORT);
		}
	}
}

static void the_largest_bodies_fit_their_op_codes(void **state)
{
	uint8_t bytes[BODY_ANSWER_MAX];
	struct enrolled e = { .pin_count = PINS_MAX };
	struct token_answer a = {};
	struct enrol_request r = {};
	struct nack n = {};
	char label[LABEL_SIZE];

	(void)state;
	for (int i = 0; i < LABELS_MAX; i++) {
		memset(label, 'v', sizeof label);
		label[0] = (char)('a' + i % 26);
		label[1] = (char)('a' + i / 26);
		label[63] = '=';
		label[127] = '\0';
		assert_int_equal(labels_add(&e.labels, label), 0);
	}
	a.labels = e.labels;
	assert_in_range(enrolled_encode(&e, bytes, sizeof bytes), 1, op_find(OP_ENROLLED)->largest);
	assert_in_range(
		token_answer_encode(&a, bytes, sizeof bytes), 1, op_find(OP_TOKEN)->largest);
	memset(r.facts.hostname, 'x', sizeof r.facts.hostname - 1);
	memset(r.facts.os, 'x', sizeof r.facts.os - 1);
	memset(r.facts.kernel, 'x', sizeof r.facts.kernel - 1);
	memset(r.facts.arch, 'x', sizeof r.facts.arch - 1);
	memset(r.facts.version, 'x', sizeof r.facts.version - 1);
	assert_in_range(
		enrol_request_encode(&r, bytes, sizeof bytes), 1, op_find(OP_ENROL)->largest);
	memset(n.text, 'x', sizeof n.text - 1);
	assert_in_range(nack_encode(&n, bytes, sizeof bytes), 1, op_find(OP_NACK)->largest);
}

/* The labels are the last field: one byte of count, then each. */
static int decode_with_labels(const void *labels, size_t len)
{
	static const struct token_answer none = {};
	uint8_t bytes[BODY_ANSWER_MAX];
	ssize_t head = token_answer_encode(&none, bytes, sizeof bytes) - 1;

	memcpy(bytes + head, labels, len);
	return decode_exactly(&token_answer_codec, bytes, (size_t)head + len);
}

static void labels_must_be_well_formed_sorted_and_different(void **state)
{
	(void)state;
	assert_int_equal(decode_with_labels("\x00", 1), 0);
	assert_int_equal(decode_with_labels("\x02\x01"
					    "a\x01"
					    "b",
				 5),
		0);
	assert_int_equal(decode_with_labels("\x02\x01"
					    "b\x01"
					    "a",
				 5),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x02\x01"
					    "a\x01"
					    "a",
				 5),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x02\x01"
					    "a\x03"
					    "a=1",
				 7),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x03\x01"
					    "a\x02"
					    "a-\x03"
					    "a=1",
				 10),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x01\x01"
					    "A",
				 3),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x01\x00", 2), -EBADMSG);
	assert_int_equal(decode_with_labels("\x01\x02"
					    "a\n",
				 4),
		-EBADMSG);
	assert_int_equal(decode_with_labels("\x21", 1), -EBADMSG);
	assert_int_equal(decode_with_labels("\xff", 1), -EBADMSG);
}

static void more_labels_than_allowed_are_refused(void **state)
{
	uint8_t labels[200] = { LABELS_MAX };
	size_t len = 1;

	(void)state;
	for (int i = 0; i < LABELS_MAX + 1; i++) {
		labels[len++] = 2;
		labels[len++] = (uint8_t)('a' + i / 26);
		labels[len++] = (uint8_t)('a' + i % 26);
	}
	assert_int_equal(decode_with_labels(labels, len - 3), 0);
	labels[0]++;
	assert_int_equal(decode_with_labels(labels, len), -EBADMSG);
}

static void an_enrolment_without_or_with_too_many_pins_is_refused(void **state)
{
	uint8_t bytes[BODY_ANSWER_MAX];
	struct enrolled e = an_enrolment;
	const size_t count_at = 1 + 16 + 8 + 4;

	(void)state;
	e.pin_count = 0;
	assert_int_equal(enrolled_encode(&e, bytes, sizeof bytes), -EINVAL);
	e.pin_count = PINS_MAX + 1;
	assert_int_equal(enrolled_encode(&e, bytes, sizeof bytes), -EINVAL);
	for (unsigned count = 0; count < 256; count++) {
		memset(bytes, 0, sizeof bytes);
		bytes[0] = BODY_VERSION;
		bytes[count_at] = (uint8_t)count;
		assert_int_equal(decode_exactly(&enrolled_codec, bytes, count_at + 2 + 32 * count),
			count >= 1 && count <= PINS_MAX ? 0 : -EBADMSG);
	}
}

static void a_reason_longer_than_allowed_is_refused(void **state)
{
	uint8_t bytes[600] = { BODY_VERSION };

	(void)state;
	for (size_t len = 510; len < 520; len++) {
		bytes[15] = (uint8_t)(len >> 8);
		bytes[16] = (uint8_t)len;
		memset(bytes + 17, 'x', len);
		assert_int_equal(
			decode_exactly(&nack_codec, bytes, 17 + len), len <= 512 ? 0 : -EBADMSG);
	}
}

static void a_state_that_does_not_exist_is_neither_sent_nor_taken(void **state)
{
	uint8_t bytes[BODY_ANSWER_MAX];
	struct state_notice n = a_notice;
	ssize_t len = state_notice_encode(&n, bytes, sizeof bytes);

	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		bytes[1] = (uint8_t)value;
		assert_int_equal(decode_exactly(&state_notice_codec, bytes, (size_t)len),
			value <= MACHINE_REVOKED ? 0 : -EBADMSG);
	}
	n.state = MACHINE_REVOKED + 1;
	assert_int_equal(state_notice_encode(&n, bytes, sizeof bytes), -EINVAL);
}

static void a_machine_that_listens_says_where_and_others_say_nothing(void **state)
{
	const struct holding one = { "motd", 3, { 1 } };
	struct hello h = a_hello;
	uint8_t bytes[BODY_ANSWER_MAX];
	ssize_t plain = hello_encode(&h, bytes, sizeof bytes), len;

	(void)state;
	bytes[plain] = 0; /* a count of none, and nothing behind it */
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)plain + 1), -EBADMSG);
	h.listens = 8444;
	len = hello_encode(&h, bytes, sizeof bytes);
	assert_int_equal(len, plain + 3);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), 0);
	bytes[len] = 0;
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len + 1), -EBADMSG);
	bytes[len - 1] = bytes[len - 2] = 0; /* no such port */
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len - 1), -EBADMSG);
	assert_int_equal(holdings_put(&h.holdings, &one), 0);
	len = hello_encode(&h, bytes, sizeof bytes);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), 0);
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len - 1), -EBADMSG);
}

static void a_reset_without_a_number_is_neither_sent_nor_taken(void **state)
{
	const struct reset_order none = {}, last = { UINT64_MAX };
	const uint8_t zero[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t bytes[16];

	(void)state;
	assert_int_equal(reset_order_encode(&none, bytes, sizeof bytes), -EINVAL);
	assert_int_equal(decode_exactly(&reset_order_codec, zero, sizeof zero), -EBADMSG);
	check_codec(&reset_order_codec, &last);
}

static void an_update_without_a_number_is_neither_sent_nor_taken(void **state)
{
	struct update_order o = an_update;
	uint8_t bytes[BODY_ANSWER_MAX];
	ssize_t len = update_order_encode(&o, bytes, sizeof bytes);

	(void)state;
	memset(bytes + 1, 0, 8);
	assert_int_equal(decode_exactly(&update_order_codec, bytes, (size_t)len), -EBADMSG);
	o.number = 0;
	assert_int_equal(update_order_encode(&o, bytes, sizeof bytes), -EINVAL);
	o.number = UINT64_MAX;
	check_codec(&update_order_codec, &o);
}

/* It goes into messages to people, so it has to be one that a manifest could have. */
static void an_update_to_no_version_is_neither_sent_nor_taken(void **state)
{
	static const char *const bad[] = { "", "1 2", "1;x", "1/2", "../1", "1\"", "1%s",
		"v\xc3\xbc", "1\n", "\x1b[2J" };
	static const size_t at = 1 + 8 + RELEASE_DIGEST_SIZE;
	uint8_t bytes[BODY_ANSWER_MAX];
	struct update_order o = an_update;

	(void)state;
	assert_true(update_order_encode(&an_update, bytes, sizeof bytes) > 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		size_t len = strlen(bad[i]);

		bytes[at] = (uint8_t)len;
		memcpy(bytes + at + 1, bad[i], len);
		assert_int_equal(
			decode_exactly(&update_order_codec, bytes, at + 1 + len), -EBADMSG);
		strcpy(o.version, bad[i]);
		assert_int_equal(update_order_encode(&o, bytes, sizeof bytes), -EINVAL);
	}
	for (size_t len = 1; len < 256; len++) {
		bytes[at] = (uint8_t)len;
		memset(bytes + at + 1, '1', len);
		assert_int_equal(decode_exactly(&update_order_codec, bytes, at + 1 + len),
			len <= 32 ? 0 : -EBADMSG);
	}
}

static void a_text_that_is_not_printable_is_neither_sent_nor_taken(void **state)
{
	uint8_t bytes[BODY_ANSWER_MAX];
	struct hello h = a_hello;
	ssize_t len = hello_encode(&h, bytes, sizeof bytes);

	(void)state;
	bytes[1 + 16 + 8 + 8 + 1] = '\x1b';
	assert_int_equal(decode_exactly(&hello_codec, bytes, (size_t)len), -EBADMSG);
	strcpy(h.facts.hostname, "\x1b[2J");
	assert_int_equal(hello_encode(&h, bytes, sizeof bytes), -EMSGSIZE);
}

static void codes_have_names_and_unknown_ones_too(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 65536; code++)
		assert_true(strlen(nack_name((uint16_t)code)) > 0);
	assert_string_equal(nack_name(NACK_TOKEN_UNKNOWN), "token unknown");
	assert_string_equal(nack_name(NACK_SUSPENDED), "suspended");
	assert_string_equal(nack_name(NACK_UPDATE), "update failed");
	assert_string_equal(nack_name(NACK_PUT_BACK), "update put back");
	assert_string_equal(nack_name(NACK_HALF_DONE), "update half done");
	assert_string_equal(nack_name(NACK_NO_UPDATES), "updates not taken");
	assert_string_equal(nack_name(NACK_NO_UPDATES + 1), "refused");
	assert_string_equal(nack_name(0), "refused");
	assert_string_equal(nack_name(9999), "refused");
}

UNIT(it(truncated_or_lengthened_no_body_is_taken), it(what_decodes_encodes_to_the_same_bytes),
	it(another_version_is_named_as_such_whatever_follows),
	it(the_largest_bodies_fit_their_op_codes),
	it(labels_must_be_well_formed_sorted_and_different),
	it(more_labels_than_allowed_are_refused),
	it(an_enrolment_without_or_with_too_many_pins_is_refused),
	it(a_reason_longer_than_allowed_is_refused),
	it(a_state_that_does_not_exist_is_neither_sent_nor_taken),
	it(a_machine_that_listens_says_where_and_others_say_nothing),
	it(a_reset_without_a_number_is_neither_sent_nor_taken),
	it(an_update_without_a_number_is_neither_sent_nor_taken),
	it(an_update_to_no_version_is_neither_sent_nor_taken),
	it(a_text_that_is_not_printable_is_neither_sent_nor_taken),
	it(codes_have_names_and_unknown_ones_too))
