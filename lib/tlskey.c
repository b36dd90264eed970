/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "lib/tlskey.h"

#define PEM_MAX     16384
#define SERIAL_SIZE 16

static void biop(BIO **bio)
{
	BIO_free(*bio);
}

/* Random, positive and not zero (RFC 5280, section 4.1.2.2). */
static bool set_serial(X509 *x)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *number;
	bool ok;

	random_bytes(bytes, sizeof bytes);
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	number = BN_bin2bn(bytes, sizeof bytes, NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	return ok;
}

static bool set_name(X509 *x, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		       (const unsigned char *)common_name, -1, -1, 0) &&
	       X509_set_issuer_name(x, name);
}

static bool set_validity(X509 *x)
{
	return ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "19700101000000Z") &&
	       ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z");
}

static X509 *self_sign(EVP_PKEY *key, const char *common_name)
{
	const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_name(x, common_name) &&
		set_validity(x) && X509_set_pubkey(x, key) && X509_sign(x, key, digest) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* Fills ret from its key and certificate; on failure it is cleared. */
static int finish(struct tlskey *k, struct tlskey *ret)
{
	int r = pin_of_key(k->key, k->pin);

	if (r < 0)
		tlskey_clear(k);
	else
		*ret = *k;
	return r;
}

int tlskey_generate(enum tlskey_kind kind, const char *common_name, struct tlskey *ret)
{
	struct tlskey k = {};

	k.key = kind == TLSKEY_P256 ? EVP_EC_gen("P-256")
				    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (k.key)
		k.certificate = self_sign(k.key, common_name);
	if (!k.certificate) {
		tlskey_clear(&k);
		ERR_clear_error();
		return -EINVAL;
	}
	return finish(&k, ret);
}

/* Instead of OpenSSL's own, which would ask at the terminal: a key with a password is refused. */
static int no_password(char *ret, int size, int writing, void *userdata)
{
	(void)ret;
	(void)size;
	(void)writing;
	(void)userdata;
	return -1;
}

static bool kind_known(EVP_PKEY *key)
{
	char group[32];
	size_t len;

	if (EVP_PKEY_is_a(key, "ED25519"))
		return true;
	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, &len) &&
	       strcmp(group, "prime256v1") == 0;
}

static int from_pem(const char *pem, size_t len, struct tlskey *ret)
{
	scoped(biop) BIO *bio = BIO_new_mem_buf(pem, (int)len);
	struct tlskey k = {};

	if (!bio)
		return -ENOMEM;
	k.key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (k.key)
		k.certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	if (!k.certificate || !kind_known(k.key) || !X509_check_private_key(k.certificate, k.key)) {
		tlskey_clear(&k);
		ERR_clear_error();
		return -EBADMSG;
	}
	return finish(&k, ret);
}

int tlskey_load(const char *path, struct tlskey *ret)
{
	scoped(secret_freep) char *pem = NULL;
	size_t len;
	int r = file_read_secret(path, PEM_MAX, &pem, &len);

	if (r < 0)
		return r;
	return from_pem(pem, len, ret);
}

/* What was written to bio, as a NUL-terminated secret. A memory BIO wipes what it frees. */
static int take_secret(BIO *bio, char **ret)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	if (len <= 0)
		return -EIO;
	text = secret_alloc((size_t)len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, data, (size_t)len);
	*ret = text;
	return 0;
}

static int key_pem(const struct tlskey *k, char **ret)
{
	scoped(biop) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, k->key, NULL, NULL, 0, NULL, NULL)) {
		ERR_clear_error();
		return -ENOMEM;
	}
	return take_secret(bio, ret);
}

static int certificate_pem(const struct tlskey *k, char **ret)
{
	scoped(biop) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_X509(bio, k->certificate)) {
		ERR_clear_error();
		return -ENOMEM;
	}
	return take_secret(bio, ret);
}

int tlskey_pem(const struct tlskey *k, char **ret_key, char **ret_certificate)
{
	scoped(secret_freep) char *key = NULL;
	int r = key_pem(k, &key);

	if (r == 0)
		r = certificate_pem(k, ret_certificate);
	if (r < 0)
		return r;
	*ret_key = give(key);
	return 0;
}

int tlskey_save(const struct tlskey *k, const char *path)
{
	scoped(secret_freep) char *key = NULL;
	scoped(secret_freep) char *certificate = NULL;
	scoped(secret_freep) char *both = NULL;
	size_t size;
	int r = tlskey_pem(k, &key, &certificate);

	if (r < 0)
		return r;
	size = strlen(key) + strlen(certificate) + 1;
	both = secret_alloc(size);
	if (!both)
		return -ENOMEM;
	stpcpy(stpcpy(both, key), certificate);
	return file_create(path, both, size - 1, 0600);
}

void tlskey_clear(struct tlskey *k)
{
	EVP_PKEY_free(k->key);
	X509_free(k->certificate);
	memset(k, 0, sizeof *k);
}
