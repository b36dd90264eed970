/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/tlskey.h"

static int enter(void **state)
{
	static char folder[32];

	strcpy(folder, "/tmp/unit-tlskey-XXXXXX");
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	unlink("key");
	return chdir("/") == 0 ? rmdir(*state) : -1;
}

static int load(void)
{
	struct tlskey k = {};
	int r = tlskey_load("key", &k);

	if (r < 0)
		assert_null(k.key);
	tlskey_clear(&k);
	/* An error left in OpenSSL's queue would be taken for one of the next TLS record. */
	assert_int_equal(ERR_peek_error(), 0);
	return r;
}

static int load_text(const char *text, size_t len)
{
	assert_int_equal(file_write_atomic("key", text, len, 0600), 0);
	return load();
}

static void a_saved_key_is_loaded_again(void **state)
{
	(void)state;
	for (enum tlskey_kind kind = TLSKEY_P256; kind <= TLSKEY_ED25519; kind++) {
		struct tlskey k = {}, again = {};
		struct stat st;

		assert_int_equal(tlskey_generate(kind, "muster", &k), 0);
		assert_int_equal(tlskey_save(&k, "key"), 0);
		assert_int_equal(tlskey_save(&k, "key"), -EEXIST);
		assert_int_equal(stat("key", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(tlskey_load("key", &again), 0);
		assert_memory_equal(k.pin, again.pin, PIN_SIZE);
		assert_int_equal(EVP_PKEY_eq(k.key, again.key), 1);
		assert_int_equal(X509_cmp(k.certificate, again.certificate), 0);
		tlskey_clear(&k);
		tlskey_clear(&again);
		assert_null(k.key);
		assert_int_equal(unlink("key"), 0);
	}
}

static void the_certificate_is_version_3_self_signed_and_never_expires(void **state)
{
	struct tlskey k = {};
	struct tm tm;
	char name[100];

	(void)state;
	for (enum tlskey_kind kind = TLSKEY_P256; kind <= TLSKEY_ED25519; kind++) {
		assert_int_equal(tlskey_generate(kind, "muster", &k), 0);
		assert_int_equal(X509_get_version(k.certificate), X509_VERSION_3);
		assert_int_equal(X509_self_signed(k.certificate, 1), 1);
		assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(k.certificate), &tm), 1);
		assert_int_equal(tm.tm_year, 70);
		assert_int_equal(X509_get0_notBefore(k.certificate)->type, V_ASN1_UTCTIME);
		assert_string_equal(
			(const char *)X509_get0_notAfter(k.certificate)->data, "99991231235959Z");
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(k.certificate), NID_commonName, name, sizeof name);
		assert_string_equal(name, "muster");
		assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(k.certificate)), -1);
		tlskey_clear(&k);
	}
}

static void no_two_keys_or_serial_numbers_are_equal(void **state)
{
	struct tlskey a = {}, b = {};

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &a), 0);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &b), 0);
	assert_memory_not_equal(a.pin, b.pin, PIN_SIZE);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.certificate),
				     X509_get0_serialNumber(b.certificate)),
		0);
	tlskey_clear(&a);
	tlskey_clear(&b);
}

static void a_name_no_certificate_can_have_is_refused(void **state)
{
	struct tlskey k = {};
	char name[66];

	(void)state;
	memset(name, 'x', sizeof name);
	name[65] = '\0';
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, name, &k), -EINVAL);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "\xff", &k), -EINVAL);
	assert_null(k.key);
	assert_int_equal(ERR_peek_error(), 0);
}

static void key_and_certificate_must_belong_together(void **state)
{
	struct tlskey a = {}, b = {}, mixed;

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &a), 0);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &b), 0);
	mixed = (struct tlskey){ .key = a.key, .certificate = b.certificate };
	assert_int_equal(tlskey_save(&mixed, "key"), 0);
	assert_int_equal(load(), -EBADMSG);
	tlskey_clear(&a);
	tlskey_clear(&b);
}

static void every_truncation_is_refused(void **state)
{
	struct tlskey k = {};
	char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &k), 0);
	assert_int_equal(tlskey_save(&k, "key"), 0);
	assert_int_equal(file_read("key", 10000, &text, &len), 0);
	/* All but the last newline are needed. */
	for (size_t size = 0; size < len - 1; size++)
		assert_int_equal(load_text(text, size), -EBADMSG);
	assert_int_equal(load_text(text, len), 0);
	free(text);
	tlskey_clear(&k);
}

static void a_key_others_can_read_is_refused(void **state)
{
	struct tlskey k = {};

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &k), 0);
	assert_int_equal(tlskey_save(&k, "key"), 0);
	assert_int_equal(chmod("key", 0640), 0);
	assert_int_equal(load(), -EPERM);
	tlskey_clear(&k);
}

/* It must not ask at the terminal either, which would stop a service for ever. */
static void a_key_with_a_password_is_refused(void **state)
{
	struct tlskey k = {};
	BIO *bio = BIO_new(BIO_s_mem());
	char password[] = "secret", *data;
	long len;

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &k), 0);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
				 bio, k.key, EVP_aes_256_cbc(), password, 6, NULL, NULL),
		1);
	assert_int_equal(PEM_write_bio_X509(bio, k.certificate), 1);
	len = BIO_get_mem_data(bio, &data);
	assert_int_equal(load_text(data, (size_t)len), -EBADMSG);
	BIO_free(bio);
	tlskey_clear(&k);
}

static void a_key_of_another_kind_is_refused(void **state)
{
	static const char *const curves[] = { "secp256k1", "P-384" };

	(void)state;
	for (size_t i = 0; i < COUNT(curves); i++) {
		struct tlskey k = {}, other = {};

		assert_int_equal(tlskey_generate(TLSKEY_P256, "muster", &k), 0);
		other.key = EVP_EC_gen(curves[i]);
		other.certificate = X509_dup(k.certificate);
		assert_non_null(other.key);
		assert_int_equal(X509_set_pubkey(other.certificate, other.key), 1);
		assert_true(X509_sign(other.certificate, other.key, EVP_sha256()) > 0);
		assert_int_equal(tlskey_save(&other, "key"), 0);
		assert_int_equal(load(), -EBADMSG);
		assert_int_equal(unlink("key"), 0);
		tlskey_clear(&k);
		tlskey_clear(&other);
	}
}

static void its_two_texts_are_pem(void **state)
{
	struct tlskey k = {};
	char *key = NULL, *certificate = NULL;

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_P256, "muster", &k), 0);
	assert_int_equal(tlskey_pem(&k, &key, &certificate), 0);
	assert_memory_equal(key, "-----BEGIN PRIVATE KEY-----\n", 28);
	assert_memory_equal(certificate, "-----BEGIN CERTIFICATE-----\n", 28);
	secret_free(key);
	secret_free(certificate);
	tlskey_clear(&k);
}

#define in_folder(function) cmocka_unit_test_setup_teardown(function, enter, leave)

UNIT(in_folder(a_saved_key_is_loaded_again),
	it(the_certificate_is_version_3_self_signed_and_never_expires),
	it(no_two_keys_or_serial_numbers_are_equal), it(a_name_no_certificate_can_have_is_refused),
	in_folder(key_and_certificate_must_belong_together), in_folder(every_truncation_is_refused),
	in_folder(a_key_others_can_read_is_refused), in_folder(a_key_with_a_password_is_refused),
	in_folder(a_key_of_another_kind_is_refused), it(its_two_texts_are_pem))
