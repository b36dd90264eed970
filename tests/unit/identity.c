/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "lib/file.h"
#include "lib/identity.h"

/* The order of the group, n. */
static const char order[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/* Secret key 1's public key is the generator. */
static const char generator[] = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
				"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

static const uint8_t digest[DIGEST_SIZE] = { 1, 2, 3 };

static struct identity *small(uint8_t n)
{
	uint8_t secret[32] = { [31] = n };
	struct identity *i = NULL;

	assert_int_equal(identity_from_secret(secret, &i), 0);
	return i;
}

static void secret_key_one_has_the_generator_as_public_key(void **state)
{
	scoped(identity_freep) struct identity *i = small(1);
	uint8_t expected[PUBLIC_KEY_SIZE];

	(void)state;
	assert_int_equal(from_hex(generator, expected, sizeof expected), sizeof expected);
	assert_memory_equal(identity_public(i), expected, sizeof expected);
	assert_int_equal(identity_secret(i)[31], 1);
}

static void a_secret_outside_the_group_is_refused(void **state)
{
	uint8_t secret[32];
	struct identity *i = NULL;

	(void)state;
	memset(secret, 0, sizeof secret);
	assert_int_equal(identity_from_secret(secret, &i), -EBADMSG);
	memset(secret, 0xff, sizeof secret);
	assert_int_equal(identity_from_secret(secret, &i), -EBADMSG);
	from_hex(order, secret, sizeof secret);
	assert_int_equal(identity_from_secret(secret, &i), -EBADMSG);
	assert_null(i);
	secret[31]--;
	assert_int_equal(identity_from_secret(secret, &i), 0);
	identity_free(i);
}

static void generated_identities_differ_and_sign(void **state)
{
	scoped(identity_freep) struct identity *a = NULL;
	scoped(identity_freep) struct identity *b = NULL;
	uint8_t signature[SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(identity_generate(&a), 0);
	assert_int_equal(identity_generate(&b), 0);
	assert_memory_not_equal(identity_public(a), identity_public(b), PUBLIC_KEY_SIZE);
	assert_int_equal(identity_sign(a, digest, signature), 0);
	assert_int_equal(identity_verify(identity_public(a), digest, signature), 0);
	assert_int_equal(identity_verify(identity_public(b), digest, signature), -EKEYREJECTED);
}

/* RFC 6979: the same key and digest give the same signature, and it is known. */
static void signatures_are_deterministic(void **state)
{
	scoped(identity_freep) struct identity *i = small(1);
	uint8_t hash[DIGEST_SIZE], signature[SIGNATURE_SIZE], expected[SIGNATURE_SIZE];

	(void)state;
	crypto_hash_sha256(hash, (const uint8_t *)"Satoshi Nakamoto", 16);
	from_hex("934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
		 "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
		expected, sizeof expected);
	assert_int_equal(identity_sign(i, hash, signature), 0);
	assert_memory_equal(signature, expected, sizeof expected);
}

static void every_flipped_bit_breaks_a_signature(void **state)
{
	scoped(identity_freep) struct identity *i = small(7);
	uint8_t signature[SIGNATURE_SIZE], changed[DIGEST_SIZE];

	(void)state;
	assert_int_equal(identity_sign(i, digest, signature), 0);
	for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			identity_verify(identity_public(i), digest, signature), -EKEYREJECTED);
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof changed; bit++) {
		memcpy(changed, digest, sizeof changed);
		changed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			identity_verify(identity_public(i), changed, signature), -EKEYREJECTED);
	}
	assert_int_equal(identity_verify(identity_public(i), digest, signature), 0);
}

/* n - s where s is the last half of the signature. */
static void negate(uint8_t s[static 32])
{
	uint8_t n[32];
	int borrow = 0;

	from_hex(order, n, sizeof n);
	for (int i = 31; i >= 0; i--) {
		int d = n[i] - s[i] - borrow;

		borrow = d < 0;
		s[i] = (uint8_t)d;
	}
}

static void a_high_s_is_refused(void **state)
{
	scoped(identity_freep) struct identity *i = small(7);
	uint8_t signature[SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(identity_sign(i, digest, signature), 0);
	negate(signature + 32);
	assert_int_equal(identity_verify(identity_public(i), digest, signature), -EKEYREJECTED);
	negate(signature + 32);
	assert_int_equal(identity_verify(identity_public(i), digest, signature), 0);
}

/* The values that broken verifiers accepted, each as r, as s and as both. */
static void degenerate_signatures_are_refused(void **state)
{
	static const char *const values[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000001",
		order,
		"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142",
		"fffffffffffffffffffffffffffffffefffffffffffffffffffffffefffffc2f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
		"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
	};
	scoped(identity_freep) struct identity *i = small(1);
	static const uint8_t zero_digest[DIGEST_SIZE];
	uint8_t good[SIGNATURE_SIZE], bad[SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(identity_sign(i, digest, good), 0);
	for (size_t r = 0; r <= COUNT(values); r++)
		for (size_t s = 0; s <= COUNT(values); s++) {
			if (r == COUNT(values) && s == COUNT(values))
				continue;
			memcpy(bad, good, sizeof bad);
			if (r < COUNT(values))
				from_hex(values[r], bad, 32);
			if (s < COUNT(values))
				from_hex(values[s], bad + 32, 32);
			assert_int_equal(
				identity_verify(identity_public(i), digest, bad), -EKEYREJECTED);
			if (r < 7 && s < 7)
				assert_int_equal(
					identity_verify(identity_public(i), zero_digest, bad),
					-EKEYREJECTED);
		}
}

static void only_a_point_in_form_04_is_a_key(void **state)
{
	scoped(identity_freep) struct identity *i = small(9);
	uint8_t key[PUBLIC_KEY_SIZE], signature[SIGNATURE_SIZE];

	(void)state;
	memcpy(key, identity_public(i), sizeof key);
	assert_int_equal(identity_sign(i, digest, signature), 0);
	assert_int_equal(identity_check_public(key), 0);
	for (unsigned form = 0; form < 256; form++) {
		key[0] = (uint8_t)form;
		if (form == 4)
			continue;
		assert_int_equal(identity_check_public(key), -EBADMSG);
		assert_int_equal(identity_verify(key, digest, signature), -EBADMSG);
	}
	key[0] = 4;
	for (size_t bit = 8; bit < 8 * sizeof key; bit++) {
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(identity_check_public(key), -EBADMSG);
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	memset(key + 1, 0, sizeof key - 1);
	assert_int_equal(identity_check_public(key), -EBADMSG);
	memset(key + 1, 0xff, sizeof key - 1);
	assert_int_equal(identity_check_public(key), -EBADMSG);
}

static void the_compressed_text_goes_both_ways(void **state)
{
	(void)state;
	for (uint8_t n = 1; n < 20; n++) {
		scoped(identity_freep) struct identity *i = small(n);
		char text[IDENTITY_TEXT_SIZE];
		uint8_t key[PUBLIC_KEY_SIZE];

		identity_public_to_text(identity_public(i), text);
		assert_int_equal(strlen(text), IDENTITY_TEXT_SIZE - 1);
		assert_int_equal(identity_public_from_text(text, key), 0);
		assert_memory_equal(key, identity_public(i), sizeof key);
	}
}

static void what_is_no_compressed_key_is_refused(void **state)
{
	scoped(identity_freep) struct identity *i = small(1);
	char text[IDENTITY_TEXT_SIZE], bad[IDENTITY_TEXT_SIZE + 4];
	uint8_t key[PUBLIC_KEY_SIZE];

	(void)state;
	identity_public_to_text(identity_public(i), text);
	for (size_t len = 0; len < strlen(text); len++) {
		char *cut = strndup(text, len);

		assert_int_equal(identity_public_from_text(cut, key), -EBADMSG);
		free(cut);
	}
	snprintf(bad, sizeof bad, "%s00", text);
	assert_int_equal(identity_public_from_text(bad, key), -EBADMSG);
	for (size_t at = 0; at < strlen(text); at++) {
		strcpy(bad, text);
		bad[at] = 'g';
		assert_int_equal(identity_public_from_text(bad, key), -EBADMSG);
	}
	strcpy(bad, text);
	bad[1] = '4';
	assert_int_equal(identity_public_from_text(bad, key), -EBADMSG);
	memset(bad + 2, 'f', 64);
	bad[1] = '2';
	assert_int_equal(identity_public_from_text(bad, key), -EBADMSG);
}

/* Key files, in a folder of the test's own. */
static int enter(void **state)
{
	static char folder[32];

	strcpy(folder, "/tmp/unit-identity-XXXXXX");
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	unlink("key");
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static int load(struct identity **ret)
{
	struct identity *i = NULL;
	int r = identity_load("key", &i);

	if (ret)
		*ret = i;
	else
		identity_free(i);
	return r;
}

static void a_saved_identity_is_loaded_again(void **state)
{
	scoped(identity_freep) struct identity *i = small(5);
	scoped(identity_freep) struct identity *again = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(identity_save(i, "key"), 0);
	assert_int_equal(identity_save(i, "key"), -EEXIST);
	assert_int_equal(stat("key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	assert_int_equal(load(&again), 0);
	assert_memory_equal(identity_public(i), identity_public(again), PUBLIC_KEY_SIZE);
	assert_memory_equal(identity_secret(i), identity_secret(again), 32);
}

static void a_key_file_others_can_read_is_refused(void **state)
{
	scoped(identity_freep) struct identity *i = small(5);

	(void)state;
	assert_int_equal(identity_save(i, "key"), 0);
	assert_int_equal(chmod("key", 0644), 0);
	assert_int_equal(load(NULL), -EPERM);
	assert_int_equal(unlink("key"), 0);
	assert_int_equal(load(NULL), -ENOENT);
}

static void a_damaged_key_file_is_refused(void **state)
{
	char text[66] = {}, bad[70];

	(void)state;
	for (size_t n = 0; n < 63; n++)
		text[n] = '0';
	text[63] = '5';
	text[64] = '\n';
	assert_int_equal(file_write_atomic("key", text, 65, 0600), 0);
	assert_int_equal(load(NULL), 0);
	for (size_t len = 0; len < 65; len++) {
		assert_int_equal(file_write_atomic("key", text, len, 0600), 0);
		assert_int_equal(load(NULL), -EBADMSG);
	}
	snprintf(bad, sizeof bad, "%s\n", text);
	assert_int_equal(file_write_atomic("key", bad, 66, 0600), 0);
	assert_int_equal(load(NULL), -EBADMSG);
	for (size_t at = 0; at < 65; at++) {
		memcpy(bad, text, 65);
		bad[at] = 'x';
		assert_int_equal(file_write_atomic("key", bad, 65, 0600), 0);
		assert_int_equal(load(NULL), -EBADMSG);
	}
	text[63] = '0';
	assert_int_equal(file_write_atomic("key", text, 65, 0600), 0);
	assert_int_equal(load(NULL), -EBADMSG);
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, enter, leave)

UNIT(it(secret_key_one_has_the_generator_as_public_key), it(a_secret_outside_the_group_is_refused),
	it(generated_identities_differ_and_sign), it(signatures_are_deterministic),
	it(every_flipped_bit_breaks_a_signature), it(a_high_s_is_refused),
	it(degenerate_signatures_are_refused), it(only_a_point_in_form_04_is_a_key),
	it(the_compressed_text_goes_both_ways), it(what_is_no_compressed_key_is_refused),
	in_folder(a_saved_identity_is_loaded_again),
	in_folder(a_key_file_others_can_read_is_refused), in_folder(a_damaged_key_file_is_refused))
