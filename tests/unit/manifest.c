/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "lib/manifest.h"

#define HASH  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD  "muster-manifest 1\nserial 3\nversion 0.1.0\nissued 1795305600\n"
#define AGENT "file linux/x86_64/muster-agent 3145728 " HASH "\n"

static int parse(const char *text, size_t len, struct manifest *ret)
{
	char *copy = (char *)exactly(text, len);
	struct manifest ignored;
	int r = manifest_parse(copy, len, ret ? ret : &ignored);

	free(copy);
	return r;
}

static int parse_text(const char *text)
{
	return parse(text, strlen(text), NULL);
}

static void a_manifest_is_read_field_by_field(void **state)
{
	static const char text[] = HEAD AGENT "file a 0 " HASH "\n";
	struct manifest m;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &m), 0);
	assert_int_equal(m.serial, 3);
	assert_string_equal(m.version, "0.1.0");
	assert_int_equal(m.issued, 1795305600);
	assert_int_equal(m.count, 2);
	assert_int_equal(manifest_find(&m, "linux/x86_64/muster-agent")->size, 3145728);
	assert_int_equal(manifest_find(&m, "a")->sha256[0], 0xe3);
	assert_null(manifest_find(&m, "linux/x86_64/muster-enrol"));
	assert_int_equal(parse_text(HEAD), 0);
}

static void what_is_read_is_printed_the_same(void **state)
{
	static const char text[] = HEAD AGENT "file a 0 " HASH "\n";
	struct manifest m;
	struct buffer b = {};

	(void)state;
	assert_int_equal(parse(text, strlen(text), &m), 0);
	assert_int_equal(manifest_print(&m, &b), 0);
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.data, text, b.len);
	buffer_clear(&b);
}

static void every_truncation_is_refused(void **state)
{
	static const char text[] = HEAD AGENT;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		if (len != strlen(HEAD))
			assert_int_equal(parse(text, len, NULL), -EBADMSG);
	assert_int_equal(parse(text, sizeof text, NULL), -EBADMSG);
	assert_int_equal(parse_text(HEAD AGENT "\n"), -EBADMSG);
}

/* Whatever still parses after a flip must print to exactly those bytes. */
static void no_two_texts_are_the_same_manifest(void **state)
{
	char text[] = HEAD AGENT;

	(void)state;
	for (size_t bit = 0; bit < 8 * strlen(HEAD AGENT); bit++) {
		struct manifest m;
		struct buffer b = {};

		text[bit / 8] ^= (char)(1 << bit % 8);
		if (parse(text, sizeof text - 1, &m) == 0) {
			assert_int_equal(manifest_print(&m, &b), 0);
			assert_int_equal(b.len, sizeof text - 1);
			assert_memory_equal(b.data, text, b.len);
		}
		buffer_clear(&b);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void another_format_version_is_named_as_such(void **state)
{
	(void)state;
	assert_int_equal(parse_text("muster-manifest 2\nanything"), -EPROTONOSUPPORT);
	assert_int_equal(parse_text("muster-manifest 0\n"), -EPROTONOSUPPORT);
	assert_int_equal(parse_text("muster-manifest 01\n"), -EBADMSG);
	assert_int_equal(parse_text("muster-manifest \n"), -EBADMSG);
	assert_int_equal(parse_text("other-manifest 1\n"), -EBADMSG);
}

static void malformed_manifests_are_refused(void **state)
{
	static const char *const bad[] = {
		"muster-manifest 1\nserial -3\nversion 0.1.0\nissued 0\n",
		"muster-manifest 1\nserial 03\nversion 0.1.0\nissued 0\n",
		"muster-manifest 1\nserial 18446744073709551616\nversion 0.1.0\nissued 0\n",
		"muster-manifest 1\nversion 0.1.0\nserial 3\nissued 0\n",
		"muster-manifest 1\nserial 3\nserial 3\nversion 0.1.0\nissued 0\n",
		"muster-manifest 1\nserial 3\nversion \nissued 0\n",
		"muster-manifest 1\nserial 3\nversion 0 1\nissued 0\n",
		"muster-manifest 1\nserial 3\nversion 0.1;x\nissued 0\n",
		"muster-manifest 1\nserial 3\nversion 012345678901234567890123456789012\nissued "
		"0\n",
		"muster-manifest 1\r\nserial 3\r\nversion 0.1.0\r\nissued 0\r\n",
		" " HEAD,
		HEAD "file a 1\n",
		HEAD "file a 1 e3b0\n",
		HEAD "file a  1 " HASH "\n",
		HEAD "file a x " HASH "\n",
		HEAD "file a 1 E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
		HEAD "file a 1 " HASH "0\n",
		HEAD "file a 1 " HASH " \n",
		HEAD AGENT AGENT,
		HEAD "comment\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(parse_text(bad[i]), -EBADMSG);
}

static void no_path_leads_out_of_its_folder(void **state)
{
	static const char *const bad[] = { "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", ".",
		"./a", "a/./b", "a\\b", "a:b", "~", "a%2fb", "\xc3\xbc", "a*",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	static const char *const good[] = { "...", "a..b", ".hidden", "a/b/c", "-",
		"012345678901234567890123456789012345678901234567890123456789012" };
	char text[400];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof text, HEAD "file %s 1 " HASH "\n", bad[i]);
		assert_int_equal(parse_text(text), -EBADMSG);
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(text, sizeof text, HEAD "file %s 1 " HASH "\n", good[i]);
		assert_int_equal(parse_text(text), 0);
	}
}

static void there_are_at_most_so_many_files(void **state)
{
	struct buffer b = {};

	(void)state;
	assert_int_equal(buffer_printf(&b, "%s", HEAD), 0);
	for (int i = 0; i < MANIFEST_FILES_MAX; i++)
		assert_int_equal(buffer_printf(&b, "file f%d 1 %s\n", i, HASH), 0);
	assert_int_equal(parse((const char *)b.data, b.len, NULL), 0);
	assert_int_equal(buffer_printf(&b, "file more 1 %s\n", HASH), 0);
	assert_int_equal(parse((const char *)b.data, b.len, NULL), -EBADMSG);
	buffer_clear(&b);
}

static void what_would_not_be_read_is_not_printed(void **state)
{
	struct manifest m = { .serial = 1, .version = "0.1.0", .count = 1 };
	struct buffer b = {};

	(void)state;
	assert_int_equal(buffer_append(&b, "before", 6), 0);
	strcpy(m.files[0].path, "../etc/passwd");
	assert_int_equal(manifest_print(&m, &b), -EINVAL);
	strcpy(m.files[0].path, "a\nserial");
	assert_int_equal(manifest_print(&m, &b), -EINVAL);
	strcpy(m.files[0].path, "a");
	strcpy(m.version, "");
	assert_int_equal(manifest_print(&m, &b), -EINVAL);
	strcpy(m.version, "1");
	m.count = MANIFEST_FILES_MAX + 1;
	assert_int_equal(manifest_print(&m, &b), -EINVAL);
	assert_int_equal(b.len, 6);
	m.count = 1;
	assert_int_equal(manifest_print(&m, &b), 0);
	buffer_clear(&b);
}

static void digest_of(const char *text, uint8_t ret[static RELEASE_DIGEST_SIZE])
{
	struct manifest m;

	assert_int_equal(parse(text, strlen(text), &m), 0);
	assert_int_equal(manifest_digest(&m, ret), 0);
}

/* grep -v '^muster-manifest\|^serial\|^issued' manifest | sha256sum */
static void a_release_is_named_by_version_and_files_alone(void **state)
{
	uint8_t digest[RELEASE_DIGEST_SIZE], other[RELEASE_DIGEST_SIZE];
	char hex[2 * RELEASE_DIGEST_SIZE + 1];

	(void)state;
	digest_of(HEAD AGENT "file a 0 " HASH "\n", digest);
	assert_string_equal(sodium_bin2hex(hex, sizeof hex, digest, sizeof digest),
		"65ce088a061c45d0a2075c2177f5a94212d959ce3f533bbe13265de4e769af00");
	digest_of("muster-manifest 1\nserial 4\nversion 0.1.0\nissued 9\n" AGENT "file a 0 " HASH
		  "\n",
		other);
	assert_memory_equal(other, digest, sizeof digest);
}

static void no_other_release_has_its_name(void **state)
{
	static const char *const others[] = { HEAD, HEAD AGENT "file a 1 " HASH "\n",
		HEAD AGENT "file b 0 " HASH "\n", HEAD "file a 0 " HASH "\n",
		"muster-manifest 1\nserial 3\nversion 0.1.1\nissued 1795305600\n" AGENT
		"file a 0 " HASH "\n" };
	uint8_t digest[RELEASE_DIGEST_SIZE], other[RELEASE_DIGEST_SIZE];

	(void)state;
	digest_of(HEAD AGENT "file a 0 " HASH "\n", digest);
	for (size_t i = 0; i < COUNT(others); i++) {
		digest_of(others[i], other);
		assert_memory_not_equal(other, digest, sizeof digest);
	}
}

static void what_is_no_manifest_has_no_name(void **state)
{
	struct manifest m = { .serial = 1, .version = "0.1.0\nfile", .count = 1 };
	uint8_t digest[RELEASE_DIGEST_SIZE];

	(void)state;
	strcpy(m.files[0].path, "a");
	assert_int_equal(manifest_digest(&m, digest), -EINVAL);
	strcpy(m.version, "0.1.0");
	strcpy(m.files[0].path, "a 0\nfile b");
	assert_int_equal(manifest_digest(&m, digest), -EINVAL);
	m.count = MANIFEST_FILES_MAX + 1;
	assert_int_equal(manifest_digest(&m, digest), -EINVAL);
}

UNIT(it(a_manifest_is_read_field_by_field), it(what_is_read_is_printed_the_same),
	it(every_truncation_is_refused), it(no_two_texts_are_the_same_manifest),
	it(another_format_version_is_named_as_such), it(malformed_manifests_are_refused),
	it(no_path_leads_out_of_its_folder), it(there_are_at_most_so_many_files),
	it(what_would_not_be_read_is_not_printed),
	it(a_release_is_named_by_version_and_files_alone), it(no_other_release_has_its_name),
	it(what_is_no_manifest_has_no_name))
