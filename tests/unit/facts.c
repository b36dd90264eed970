/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/utsname.h>

#include "lib/facts.h"
#include "lib/text.h"

static int facts_decode(const void *bytes, size_t len, struct facts *ret)
{
	struct reader r = reader_over(bytes, len);

	facts_read(&r, ret);
	return read_end(&r);
}

static ssize_t facts_encode(const struct facts *f, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	facts_write(&w, f);
	return write_end(&w);
}

CODEC(facts);

static void facts_of_this_machine_are_printable_and_go_through(void **state)
{
	struct facts f;
	struct utsname name;

	(void)state;
	facts_gather(&f);
	assert_int_equal(uname(&name), 0);
	assert_string_equal(f.kernel, name.release);
	assert_string_equal(f.arch, name.machine);
	assert_string_equal(f.version, MUSTER_VERSION);
	assert_true(text_printable(f.os, strlen(f.os)));
	check_codec(&facts_codec, &f);
}

static void empty_facts_go_through(void **state)
{
	struct facts f = {};

	(void)state;
	check_codec(&facts_codec, &f);
}

static void a_fact_too_long_is_refused(void **state)
{
	uint8_t bytes[400] = { 65 };

	(void)state;
	memset(bytes + 1, 'h', 65);
	assert_int_equal(decode_exactly(&facts_codec, bytes, 66 + 4 + MACHINE_HASH_SIZE), -EBADMSG);
	bytes[0] = 64;
	bytes[65] = 0;
	memset(bytes + 65, 0, sizeof bytes - 65);
	assert_int_equal(decode_exactly(&facts_codec, bytes, 65 + 4 + MACHINE_HASH_SIZE), 0);
}

static void the_system_s_name_is_read_from_os_release(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian\"\n",
			"Debian GNU/Linux 12 (bookworm)" },
		{ "ID=x\nPRETTY_NAME=Plain\n", "Plain" },
		{ "PRETTY_NAME='it''s'\n", "it" },
		{ "PRETTY_NAME=\"a \\\"b\\\" \\$c\"\n", "a \"b\" $c" },
		{ "PRETTY_NAME=\"open", "open" },
		{ "PRETTY_NAME=\"\x1b[31mred\x07\"\n", "[31mred" },
		{ "PRETTY_NAME=\"\xe2\x80\xae"
		  "evil\xff\"\n",
			"evil" },
		{ "PRETTY_NAME=\xc3\xbc\xc3\n", "\xc3\xbc" },
		{ "PRETTY_NAME=\n", "" },
		{ "PRETTY_NAME=\\", "\\" },
		{ "XPRETTY_NAME=no\n", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = (char *)exactly(cases[i].text, strlen(cases[i].text) + 1);
		char name[129];

		facts_os_name(text, name, sizeof name);
		assert_string_equal(name, cases[i].name);
		free(text);
	}
}

static void a_name_too_long_is_cut_between_characters(void **state)
{
	char text[] = "PRETTY_NAME=\"ab\xe2\x82\xac\xe2\x82\xac\"\n";
	char name[8];

	(void)state;
	facts_os_name(text, name, sizeof name);
	assert_string_equal(name, "ab\xe2\x82\xac");
}

/* The machine-id is confidential (machine-id(5)): only a keyed hash of it ever leaves. */
static void machines_are_told_apart_by_a_keyed_hash(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef";
	uint8_t hash[MACHINE_HASH_SIZE], plain[MACHINE_HASH_SIZE], other[MACHINE_HASH_SIZE];

	(void)state;
	facts_hash_machine(id, hash);
	crypto_generichash(plain, sizeof plain, (const uint8_t *)id, 32, NULL, 0);
	assert_memory_not_equal(hash, plain, sizeof hash);
	facts_hash_machine("1123456789abcdef0123456789abcdef", other);
	assert_memory_not_equal(hash, other, sizeof hash);
}

UNIT(it(facts_of_this_machine_are_printable_and_go_through), it(empty_facts_go_through),
	it(a_fact_too_long_is_refused), it(the_system_s_name_is_read_from_os_release),
	it(a_name_too_long_is_cut_between_characters), it(machines_are_told_apart_by_a_keyed_hash))
