/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "server/guesses.h"

static struct source from(const char *text)
{
	struct sockaddr_storage a = {};

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	else
		fail_msg("%s", text);
	return source_of(&a);
}

static struct source numbered(uint32_t n)
{
	struct sockaddr_storage a = { .ss_family = AF_INET };

	((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(0x0a000000u + n);
	return source_of(&a);
}

static int setup(void **state)
{
	struct guesses *g;

	if (guesses_new(&g) < 0)
		return -1;
	guesses_limit(g, 10, 100);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	guesses_free(*state);
	return 0;
}

static void guess(struct guesses *g, const struct source *s, unsigned times, uint64_t now)
{
	for (unsigned i = 0; i < times; i++)
		guesses_wrong(g, s, now);
}

static void ten_wrong_guesses_then_a_pause(void **state)
{
	struct guesses *g = *state;
	struct source a = from("192.0.2.1");

	for (int i = 0; i < 10; i++) {
		assert_int_equal(guesses_wait(g, &a, 1000), 0);
		guesses_wrong(g, &a, 1000);
	}
	assert_int_equal(guesses_wait(g, &a, 1000), 6);
	assert_int_equal(guesses_wait(g, &a, 1000 + 5999), 1);
	assert_int_equal(guesses_wait(g, &a, 1000 + 6000), 0);
	guesses_wrong(g, &a, 1000 + 6000);
	assert_int_equal(guesses_wait(g, &a, 1000 + 6000), 6);
	assert_int_equal(guesses_wait(g, &a, 1000 + 70000), 0);
}

static void another_address_is_not_concerned(void **state)
{
	struct guesses *g = *state;
	struct source a = from("192.0.2.1"), b = from("192.0.2.2");

	guess(g, &a, 100, 1000);
	assert_true(guesses_wait(g, &a, 1000) > 0);
	assert_int_equal(guesses_wait(g, &b, 1000), 0);
}

static void a_network_of_64_bits_is_one_guesser(void **state)
{
	struct guesses *g = *state;
	struct source a = from("2001:db8::1"), b = from("2001:db8::ffff:1"),
		      c = from("2001:db8:0:1::1");

	guess(g, &a, 10, 1000);
	assert_true(guesses_wait(g, &b, 1000) > 0);
	assert_int_equal(guesses_wait(g, &c, 1000), 0);
}

static void ipv4_in_ipv6_is_the_same_address(void **state)
{
	struct guesses *g = *state;
	struct source a = from("192.0.2.1"), b = from("::ffff:192.0.2.1"),
		      c = from("::ffff:192.0.2.2");

	guess(g, &a, 10, 1000);
	assert_true(guesses_wait(g, &b, 1000) > 0);
	assert_int_equal(guesses_wait(g, &c, 1000), 0);
}

static void very_many_guessers_hold_up_guessers_only(void **state)
{
	struct guesses *g = *state;
	struct source honest = from("198.51.100.1");

	for (uint32_t n = 0; n < 200; n++) {
		struct source s = numbered(n);
		guesses_wrong(g, &s, 1000);
	}
	struct source first = numbered(0);
	assert_true(guesses_wait(g, &first, 1000) > 0);
	assert_int_equal(guesses_wait(g, &honest, 1000), 0);
	/* and within a second or two it is over */
	assert_int_equal(guesses_wait(g, &first, 1000 + 2000), 0);
}

static void a_million_guessers_take_no_more_memory_and_are_all_counted(void **state)
{
	struct guesses *g = *state;
	struct guesses_row rows[GUESSES_TOLD];
	uint32_t others, others_wrong, told = 0;
	struct source honest = from("198.51.100.1");

	for (uint32_t n = 0; n < 1000000; n++) {
		struct source s = numbered(n);
		guesses_wrong(g, &s, 1000 + n / 1000);
	}
	assert_int_equal(guesses_wait(g, &honest, 2000), 0);
	size_t count = guesses_summary(g, rows, &others, &others_wrong);
	assert_int_equal(count, GUESSES_TOLD);
	for (size_t i = 0; i < count; i++)
		told += rows[i].wrong;
	assert_int_equal(told + others_wrong, 1000000);
	assert_int_equal(others, 1000000 - GUESSES_TOLD);
}

static void the_summary_has_the_busiest_first_and_only_once(void **state)
{
	struct guesses *g = *state;
	struct guesses_row rows[GUESSES_TOLD];
	uint32_t others, others_wrong;

	for (uint32_t n = 1; n <= 20; n++) {
		struct source s = numbered(n);
		guess(g, &s, n, 1000);
	}
	assert_int_equal(guesses_summary(g, rows, &others, &others_wrong), GUESSES_TOLD);
	for (uint32_t i = 0; i < GUESSES_TOLD; i++) {
		struct source s = numbered(20 - i);
		assert_int_equal(rows[i].wrong, 20 - i);
		assert_true(source_equal(&rows[i].network, &s));
	}
	assert_int_equal(others, 4);
	assert_int_equal(others_wrong, 1 + 2 + 3 + 4);
	assert_int_equal(guesses_summary(g, rows, &others, &others_wrong), 0);
	assert_int_equal(others_wrong, 0);
}

static void a_crowd_has_its_limit_in_each_network(void **state)
{
	struct crowd *c;
	struct source a = from("192.0.2.1"), b = from("192.0.2.2");

	(void)state;
	assert_int_equal(crowd_new(&c), 0);
	assert_int_equal(crowd_enter(c, &a, 2), 0);
	assert_int_equal(crowd_enter(c, &a, 2), 0);
	assert_int_equal(crowd_enter(c, &a, 2), -EUSERS);
	assert_int_equal(crowd_enter(c, &b, 2), 0);
	crowd_leave(c, &a);
	assert_int_equal(crowd_enter(c, &a, 2), 0);
	crowd_leave(c, &a);
	crowd_leave(c, &a);
	crowd_leave(c, &a); /* once too often */
	assert_int_equal(crowd_enter(c, &a, 1), 0);
	crowd_free(c);
}

static void addresses_are_shown_as_people_write_them(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1", "::1" };
	char text[ADDRESS_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct source s = from(texts[i]);
		source_text(&s, text);
		assert_string_equal(text, texts[i]);
	}
	struct source mapped = from("::ffff:192.0.2.1");
	source_text(&mapped, text);
	assert_string_equal(text, "192.0.2.1");
}

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
UNIT(each(ten_wrong_guesses_then_a_pause), each(another_address_is_not_concerned),
	each(a_network_of_64_bits_is_one_guesser), each(ipv4_in_ipv6_is_the_same_address),
	each(very_many_guessers_hold_up_guessers_only),
	each(a_million_guessers_take_no_more_memory_and_are_all_counted),
	each(the_summary_has_the_busiest_first_and_only_once),
	it(a_crowd_has_its_limit_in_each_network), it(addresses_are_shown_as_people_write_them))
