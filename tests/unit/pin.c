/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/pin.h"
#include "lib/tlskey.h"

static void a_pin_goes_to_text_and_back(void **state)
{
	uint8_t pin[PIN_SIZE], again[PIN_SIZE];
	char text[PIN_TEXT_SIZE];

	(void)state;
	for (int i = 0; i < 100; i++) {
		random_bytes(pin, sizeof pin);
		pin_format(pin, text);
		assert_int_equal(strlen(text), PIN_TEXT_SIZE - 1);
		assert_int_equal(pin_parse(text, again), 0);
		assert_memory_equal(pin, again, sizeof pin);
	}
}

static void what_is_no_pin_is_refused(void **state)
{
	static const char *const bad[] = { "", "sha256//",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sha256//-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAA=",
		"SHA256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"0000000000000000000000000000000000000000000000000000000000000000" };
	uint8_t pin[PIN_SIZE] = { 7 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *copy = (char *)exactly(bad[i], strlen(bad[i]) + 1);

		assert_int_equal(pin_parse(copy, pin), -EINVAL);
		free(copy);
	}
	assert_int_equal(pin[0], 7);
}

static void every_truncated_or_lengthened_pin_is_refused(void **state)
{
	static const char text[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	uint8_t pin[PIN_SIZE];
	char longer[sizeof text + 1];

	(void)state;
	assert_int_equal(pin_parse(text, pin), 0);
	for (size_t len = 0; len < strlen(text); len++) {
		char *cut = strndup(text, len);

		assert_int_equal(pin_parse(cut, pin), -EINVAL);
		free(cut);
	}
	snprintf(longer, sizeof longer, "%s ", text);
	assert_int_equal(pin_parse(longer, pin), -EINVAL);
}

#define A "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define B "sha256//AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void a_list_with_a_wrong_pin_is_refused(void **state)
{
	static const char *const bad[] = { "", ";", ";" A, A ";;" B, A ";" B ";;", A "," B,
		A " ;" B, A ";sha256//AAAA", A B };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *copy = (char *)exactly(bad[i], strlen(bad[i]) + 1);
		struct pins pins = {};

		if (pins_add(&pins, copy) != -EINVAL)
			fail_msg("'%s' is taken", copy);
		free(copy);
	}
}

static void more_than_eight_pins_are_refused(void **state)
{
	struct pins pins = {};

	(void)state;
	for (size_t i = 0; i < PINS_MAX; i++)
		assert_int_equal(pins_add(&pins, A), 0);
	assert_int_equal(pins_add(&pins, A), -EINVAL);
	assert_int_equal(pins.count, PINS_MAX);
}

static void lists_are_added_to_each_other(void **state)
{
	struct pins pins = {};
	char text[PINS_TEXT_SIZE];

	(void)state;
	pins_format(&pins, text);
	assert_string_equal(text, "");
	assert_int_equal(pins_add(&pins, A ";" B ";"), 0);
	assert_int_equal(pins_add(&pins, A), 0);
	assert_int_equal(pins_add(&pins, ""), 0);
	pins_format(&pins, text);
	assert_string_equal(text, A ";" B ";" A);
	for (size_t i = pins.count; i < PINS_MAX; i++)
		assert_int_equal(pins_add(&pins, B), 0);
	pins_format(&pins, text);
	assert_int_equal(strlen(text), PINS_TEXT_SIZE - 1);
}

static void a_certificate_fits_its_own_pin_only(void **state)
{
	struct pins pins = {};
	struct tlskey k = {};

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "test", &k), 0);
	assert_false(pins_fit(&pins, k.certificate));
	assert_int_equal(pins_add(&pins, A ";" B), 0);
	assert_false(pins_fit(&pins, k.certificate));
	memcpy(pins.at[pins.count], k.pin, PIN_SIZE);
	assert_false(pins_fit(&pins, k.certificate));
	pins.count++;
	assert_true(pins_fit(&pins, k.certificate));
	pins.at[2][PIN_SIZE - 1] ^= 1;
	assert_false(pins_fit(&pins, k.certificate));
	tlskey_clear(&k);
}

static void key_and_certificate_have_the_same_pin(void **state)
{
	struct tlskey k = {};
	uint8_t of_key[PIN_SIZE], of_certificate[PIN_SIZE];

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "test", &k), 0);
	assert_int_equal(pin_of_key(k.key, of_key), 0);
	assert_int_equal(pin_of_certificate(k.certificate, of_certificate), 0);
	assert_memory_equal(of_key, of_certificate, PIN_SIZE);
	assert_memory_equal(of_key, k.pin, PIN_SIZE);
	tlskey_clear(&k);
}

UNIT(it(a_pin_goes_to_text_and_back), it(what_is_no_pin_is_refused),
	it(every_truncated_or_lengthened_pin_is_refused), it(key_and_certificate_have_the_same_pin),
	it(a_list_with_a_wrong_pin_is_refused), it(more_than_eight_pins_are_refused),
	it(lists_are_added_to_each_other), it(a_certificate_fits_its_own_pin_only))
