/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "lib/file.h"
#include "lib/minisign.h"

static const char data[] = "what is signed\n";

static int enter(void **state)
{
	static char folder[32];

	strcpy(folder, "/tmp/unit-minisign-XXXXXX");
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	static const char *const names[] = { "key", "public", "data", "data.minisig" };

	for (size_t i = 0; i < COUNT(names); i++)
		unlink(names[i]);
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static char *get(const char *path)
{
	char *text = NULL;
	size_t len;

	assert_int_equal(file_read(path, 10000, &text, &len), 0);
	return text;
}

static int verify(const struct minisign_public *p, const char *signature, size_t len)
{
	char *copy = (char *)exactly(signature, len);
	int r = minisign_verify(p, data, strlen(data), copy, len);

	free(copy);
	return r;
}

static struct minisign_key *new_key(struct minisign_public *ret)
{
	struct minisign_key *k = NULL;

	assert_int_equal(minisign_generate(&k), 0);
	minisign_public(k, ret);
	return k;
}

static void what_is_signed_verifies(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;

	(void)state;
	assert_int_equal(minisign_sign(k, data, strlen(data), "a comment", &text), 0);
	assert_int_equal(verify(&p, text, strlen(text)), 0);
	assert_int_equal(minisign_verify(&p, "other", 5, text, strlen(text)), -EKEYREJECTED);
	assert_int_equal(minisign_verify(&p, "", 0, text, strlen(text)), -EKEYREJECTED);
}

static void another_key_is_named_as_such(void **state)
{
	struct minisign_public p, other;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;

	(void)state;
	minisign_free(new_key(&other));
	assert_int_equal(minisign_sign(k, data, strlen(data), "", &text), 0);
	assert_int_equal(verify(&other, text, strlen(text)), -ENOKEY);
	/* A key that only bears the same id. */
	memcpy(other.id, p.id, sizeof p.id);
	assert_int_equal(verify(&other, text, strlen(text)), -EKEYREJECTED);
}

static void every_truncation_is_refused(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;
	char longer[1000];

	(void)state;
	assert_int_equal(minisign_sign(k, data, strlen(data), "a comment", &text), 0);
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(verify(&p, text, len), -EBADMSG);
	snprintf(longer, sizeof longer, "%s\n", text);
	assert_int_equal(verify(&p, longer, strlen(longer)), -EBADMSG);
	assert_int_equal(verify(&p, text, strlen(text) + 1), -EBADMSG);
}

static void with_any_bit_flipped_it_is_refused(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;
	size_t len, signed_from;

	(void)state;
	assert_int_equal(minisign_sign(k, data, strlen(data), "a comment", &text), 0);
	len = strlen(text);
	/* The first line's own text is, as it says, untrusted. */
	signed_from = strcspn(text, "\n");
	for (size_t bit = 0; bit < 8 * len; bit++) {
		bool untrusted = bit / 8 >= 19 && bit / 8 < signed_from;

		text[bit / 8] ^= (char)(1 << bit % 8);
		if (untrusted)
			(void)!verify(&p, text, len);
		else
			assert_true(verify(&p, text, len) < 0);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(verify(&p, text, len), 0);
}

static void a_comment_is_one_printable_line(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	char longer[1026], *text = NULL;

	(void)state;
	assert_int_equal(minisign_sign(k, data, strlen(data), "two\nlines", &text), -EINVAL);
	assert_int_equal(minisign_sign(k, data, strlen(data), "a\rb", &text), -EINVAL);
	assert_int_equal(minisign_sign(k, data, strlen(data), "\x1b[2J", &text), -EINVAL);
	memset(longer, 'x', sizeof longer);
	longer[1025] = '\0';
	assert_int_equal(minisign_sign(k, data, strlen(data), longer, &text), -EINVAL);
	assert_null(text);
	longer[1024] = '\0';
	assert_int_equal(minisign_sign(k, data, strlen(data), longer, &text), 0);
	assert_int_equal(verify(&p, text, strlen(text)), 0);
	free(text);
}

static void a_public_key_goes_to_text_and_back(void **state)
{
	struct minisign_public p, again;
	char text[MINISIGN_PUBLIC_TEXT_SIZE], bad[MINISIGN_PUBLIC_TEXT_SIZE + 1];

	(void)state;
	minisign_free(new_key(&p));
	minisign_free(new_key(&p));
	minisign_public_format(&p, text);
	assert_int_equal(strlen(text), 56);
	assert_memory_equal(text, "RW", 2);
	assert_int_equal(minisign_public_parse(text, &again), 0);
	assert_memory_equal(&p, &again, sizeof p);
	for (size_t len = 0; len < strlen(text); len++) {
		char *cut = strndup(text, len);

		assert_int_equal(minisign_public_parse(cut, &again), -EINVAL);
		free(cut);
	}
	snprintf(bad, sizeof bad, "%s\n", text);
	assert_int_equal(minisign_public_parse(bad, &again), -EINVAL);
	text[0] = 'S';
	assert_int_equal(minisign_public_parse(text, &again), -EINVAL);
}

static void a_saved_key_is_loaded_again(void **state)
{
	struct minisign_public p, again;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(minisign_freep) struct minisign_key *loaded = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(minisign_save(k, "key"), 0);
	assert_int_equal(minisign_save(k, "key"), -EEXIST);
	assert_int_equal(stat("key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(minisign_load("key", &loaded), 0);
	minisign_public(loaded, &again);
	assert_memory_equal(&p, &again, sizeof p);
	assert_int_equal(chmod("key", 0604), 0);
	assert_int_equal(minisign_load("key", &loaded), -EPERM);
}

static int load_text(const char *text, size_t len)
{
	struct minisign_key *k = NULL;
	int r;

	assert_int_equal(file_write_atomic("key", text, len, 0600), 0);
	r = minisign_load("key", &k);
	minisign_free(k);
	return r;
}

static void a_damaged_key_file_is_refused(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;
	size_t len, base64;

	(void)state;
	assert_int_equal(minisign_save(k, "key"), 0);
	text = get("key");
	len = strlen(text);
	for (size_t size = 0; size < len; size++)
		assert_int_equal(load_text(text, size), -EBADMSG);
	assert_int_equal(load_text(text, len + 1), -EBADMSG);
	/* The seed and its public key, 64 bytes from byte 62 on: a flip in either is noticed. */
	base64 = strcspn(text, "\n") + 1;
	for (size_t at = base64 + 62 * 4 / 3 + 1; at < base64 + 126 * 4 / 3; at++) {
		char before = text[at];

		text[at] = before == 'A' ? 'B' : 'A';
		assert_int_equal(load_text(text, len), -EBADMSG);
		text[at] = before;
	}
	assert_int_equal(load_text(text, len), 0);
}

static void a_key_with_a_password_is_named_as_such(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;

	(void)state;
	assert_int_equal(minisign_save(k, "key"), 0);
	text = get("key");
	/* "Ed" "Sc" "B2", as minisign writes it for a key under a password. */
	memcpy(text + strcspn(text, "\n") + 1, "RWRTY0Iy", 8);
	assert_int_equal(load_text(text, strlen(text)), -ENOTSUP);
}

/* What follows runs minisign(1) itself. */
static int run(const char *command)
{
	char line[300];

	snprintf(line, sizeof line, "%s >/dev/null 2>&1 </dev/null", command);
	return system(line);
}

static void minisign_itself_accepts_what_is_signed_here(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;
	scoped(freep) char *public_file = minisign_public_file(&p);
	char command[200], base64[MINISIGN_PUBLIC_TEXT_SIZE];

	(void)state;
	assert_int_equal(minisign_sign(k, data, strlen(data), "serial 1", &text), 0);
	put("data", data);
	put("data.minisig", text);
	put("public", public_file);
	assert_int_equal(run("minisign -V -H -p public -m data"), 0);
	minisign_public_format(&p, base64);
	snprintf(command, sizeof command, "minisign -V -H -P '%s' -m data", base64);
	assert_int_equal(run(command), 0);
	put("data", "something else\n");
	assert_int_not_equal(run(command), 0);
}

static void minisign_itself_signs_with_a_key_saved_here(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;

	(void)state;
	put("data", data);
	assert_int_equal(minisign_save(k, "key"), 0);
	assert_int_equal(run("minisign -S -s key -m data -t 'by hand'"), 0);
	text = get("data.minisig");
	assert_int_equal(verify(&p, text, strlen(text)), 0);
	assert_int_equal(run("minisign -R -s key -p public"), 0);
	assert_int_equal(run("minisign -V -p public -m data"), 0);
}

static void a_key_of_minisign_itself_is_used_here(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = NULL;
	scoped(freep) char *text = NULL;

	(void)state;
	put("data", data);
	assert_int_equal(run("minisign -G -W -s key -p public"), 0);
	assert_int_equal(minisign_load("key", &k), 0);
	minisign_public(k, &p);
	assert_int_equal(run("minisign -S -s key -m data"), 0);
	text = get("data.minisig");
	assert_int_equal(verify(&p, text, strlen(text)), 0);
	free(give(text));
	assert_int_equal(minisign_sign(k, data, strlen(data), "ours", &text), 0);
	put("data.minisig", text);
	assert_int_equal(run("minisign -V -p public -m data"), 0);
}

static void a_signature_in_the_legacy_form_is_refused(void **state)
{
	struct minisign_public p;
	scoped(minisign_freep) struct minisign_key *k = new_key(&p);
	scoped(freep) char *text = NULL;

	(void)state;
	put("data", data);
	assert_int_equal(minisign_save(k, "key"), 0);
	assert_int_equal(run("minisign -S -l -s key -m data"), 0);
	text = get("data.minisig");
	assert_int_equal(verify(&p, text, strlen(text)), -EBADMSG);
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, enter, leave)

UNIT(it(what_is_signed_verifies), it(another_key_is_named_as_such), it(every_truncation_is_refused),
	it(with_any_bit_flipped_it_is_refused), it(a_comment_is_one_printable_line),
	it(a_public_key_goes_to_text_and_back), in_folder(a_saved_key_is_loaded_again),
	in_folder(a_damaged_key_file_is_refused), in_folder(a_key_with_a_password_is_named_as_such),
	in_folder(minisign_itself_accepts_what_is_signed_here),
	in_folder(minisign_itself_signs_with_a_key_saved_here),
	in_folder(a_key_of_minisign_itself_is_used_here),
	in_folder(a_signature_in_the_legacy_form_is_refused))
