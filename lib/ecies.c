/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "lib/curve.h"
#include "lib/ecies.h"
#include "lib/secret.h"

#define KEY_SIZE 32

/* Where the parts of a sealed message start. */
#define NONCE_AT  PUBLIC_KEY_SIZE
#define TAG_AT    (NONCE_AT + ECIES_NONCE_SIZE)
#define CIPHER_AT ECIES_OVERHEAD

struct ecies_sender {
	uint8_t to[PUBLIC_KEY_SIZE];
	uint8_t ephemeral[PUBLIC_KEY_SIZE];
	uint8_t key[KEY_SIZE];
	uint32_t count; /* packets under key */
};

struct ecies_receiver {
	const struct identity *self;
	uint8_t ephemeral[PUBLIC_KEY_SIZE]; /* all zero: none yet, which no key is */
	uint8_t key[KEY_SIZE];
};

/* RFC 5869 with no salt, no info and one block: key = T(1). */
static void hkdf_sha256(const uint8_t *input, size_t len, uint8_t ret[static KEY_SIZE])
{
	static const uint8_t no_salt[crypto_auth_hmacsha256_KEYBYTES];
	static const uint8_t first_block = 1;
	uint8_t pseudorandom[KEY_SIZE];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, no_salt, sizeof no_salt);
	crypto_auth_hmacsha256_update(&state, input, len);
	crypto_auth_hmacsha256_final(&state, pseudorandom);
	crypto_auth_hmacsha256_init(&state, pseudorandom, sizeof pseudorandom);
	crypto_auth_hmacsha256_update(&state, &first_block, sizeof first_block);
	crypto_auth_hmacsha256_final(&state, ret);
	sodium_memzero(pseudorandom, sizeof pseudorandom);
	sodium_memzero(&state, sizeof state);
}

static int derive(const uint8_t secret[static SECRET_KEY_SIZE],
	const uint8_t peer[static PUBLIC_KEY_SIZE], const uint8_t ephemeral[static PUBLIC_KEY_SIZE],
	uint8_t ret[static KEY_SIZE])
{
	uint8_t input[2 * PUBLIC_KEY_SIZE];
	int r;

	memcpy(input, ephemeral, PUBLIC_KEY_SIZE);
	r = curve_share(secret, peer, input + PUBLIC_KEY_SIZE);
	if (r == 0)
		hkdf_sha256(input, sizeof input, ret);
	sodium_memzero(input, sizeof input);
	return r;
}

int ecies_derive(const struct identity *self, const uint8_t peer[static PUBLIC_KEY_SIZE],
	const uint8_t ephemeral[static PUBLIC_KEY_SIZE], uint8_t ret[static KEY_SIZE])
{
	return derive(identity_secret(self), peer, ephemeral, ret);
}

/*
 * One cipher context a direction for the whole process: a session then holds only the 32 bytes of
 * its key. A context is keyed again when another session used it last, which costs less than a
 * microsecond.
 */
struct cipher {
	EVP_CIPHER_CTX *context;
	uint8_t key[KEY_SIZE]; /* that the context is keyed with */
	bool keyed;
};

static struct cipher sealing, opening;

static int cipher_open(struct cipher *c, bool encrypt)
{
	EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (!aes || !context || !EVP_CipherInit_ex2(context, aes, NULL, NULL, encrypt, NULL) ||
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, ECIES_NONCE_SIZE, NULL) <=
			0) {
		EVP_CIPHER_CTX_free(context);
		EVP_CIPHER_free(aes);
		ERR_clear_error();
		return -ENOMEM;
	}
	/* The context holds its own reference. */
	EVP_CIPHER_free(aes);
	c->context = context;
	return 0;
}

static int cipher_start(struct cipher *c, bool encrypt, const uint8_t key[static KEY_SIZE],
	const uint8_t nonce[static ECIES_NONCE_SIZE])
{
	bool same;

	if (!c->context) {
		int r = cipher_open(c, encrypt);

		if (r < 0)
			return r;
	}
	same = c->keyed && sodium_memcmp(c->key, key, KEY_SIZE) == 0;
	c->keyed = EVP_CipherInit_ex2(c->context, NULL, same ? NULL : key, nonce, encrypt, NULL);
	if (!c->keyed)
		return -EIO;
	memcpy(c->key, key, KEY_SIZE);
	return 0;
}

/* Leaves no key schedule behind of a key whose owner is freed. */
static void cipher_forget(struct cipher *c, const uint8_t key[static KEY_SIZE])
{
	static const uint8_t zeros[KEY_SIZE];

	if (!c->keyed || sodium_memcmp(c->key, key, KEY_SIZE) != 0)
		return;
	if (!EVP_CipherInit_ex2(c->context, NULL, zeros, zeros, -1, NULL)) {
		EVP_CIPHER_CTX_free(give(c->context));
		ERR_clear_error();
	}
	c->keyed = false;
	sodium_memzero(c->key, sizeof c->key);
}

static int new_ephemeral(struct ecies_sender *s)
{
	uint8_t secret[SECRET_KEY_SIZE];
	int r = curve_generate(secret, s->ephemeral);

	if (r == 0)
		r = derive(secret, s->to, s->ephemeral, s->key);
	sodium_memzero(secret, sizeof secret);
	s->count = 0;
	return r;
}

int ecies_sender_new(const uint8_t to[static PUBLIC_KEY_SIZE], struct ecies_sender **ret)
{
	struct ecies_sender *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	memcpy(s->to, to, PUBLIC_KEY_SIZE);
	r = new_ephemeral(s);
	if (r < 0) {
		ecies_sender_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct ecies_sender *ecies_sender_free(struct ecies_sender *s)
{
	if (s) {
		cipher_forget(&sealing, s->key);
		sodium_memzero(s, sizeof *s);
	}
	free(s);
	return NULL;
}

int ecies_seal(struct ecies_sender *s, const void *plain, size_t len, uint8_t *ret)
{
	int written, r;

	if (len == 0 || len > INT_MAX)
		return -EINVAL;
	if (s->count >= ECIES_SENDER_MAX) {
		r = new_ephemeral(s);
		if (r < 0)
			return r;
	}
	memcpy(ret, s->ephemeral, PUBLIC_KEY_SIZE);
	random_bytes(ret + NONCE_AT, ECIES_NONCE_SIZE);
	r = cipher_start(&sealing, true, s->key, ret + NONCE_AT);
	if (r < 0)
		return r;
	if (!EVP_EncryptUpdate(sealing.context, ret + CIPHER_AT, &written, plain, (int)len) ||
		!EVP_EncryptFinal_ex(sealing.context, ret + CIPHER_AT + len, &written) ||
		EVP_CIPHER_CTX_ctrl(
			sealing.context, EVP_CTRL_AEAD_GET_TAG, ECIES_TAG_SIZE, ret + TAG_AT) <= 0)
		return -EIO;
	s->count++;
	return 0;
}

int ecies_receiver_new(const struct identity *self, struct ecies_receiver **ret)
{
	struct ecies_receiver *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->self = self;
	*ret = r;
	return 0;
}

struct ecies_receiver *ecies_receiver_free(struct ecies_receiver *r)
{
	if (r) {
		cipher_forget(&opening, r->key);
		sodium_memzero(r, sizeof *r);
	}
	free(r);
	return NULL;
}

/* The key of the sender's ephemeral key: remembered, or derived and then remembered. */
static int receiver_key(struct ecies_receiver *r, const uint8_t ephemeral[static PUBLIC_KEY_SIZE])
{
	int result;

	if (memcmp(r->ephemeral, ephemeral, PUBLIC_KEY_SIZE) == 0)
		return 0;
	memset(r->ephemeral, 0, PUBLIC_KEY_SIZE);
	result = ecies_derive(r->self, ephemeral, ephemeral, r->key);
	if (result == 0)
		memcpy(r->ephemeral, ephemeral, PUBLIC_KEY_SIZE);
	return result;
}

int ecies_open(struct ecies_receiver *r, const uint8_t *sealed, size_t len, uint8_t *ret)
{
	uint8_t tag[ECIES_TAG_SIZE];
	int written, result;
	size_t plain_len;

	if (len <= ECIES_OVERHEAD || len - ECIES_OVERHEAD > INT_MAX)
		return -EBADMSG;
	/* What is all zero is the mark of no key, and no key either. */
	if (sealed[0] != 0x04)
		return -EBADMSG;
	plain_len = len - ECIES_OVERHEAD;
	result = receiver_key(r, sealed);
	if (result < 0)
		return result;
	result = cipher_start(&opening, false, r->key, sealed + NONCE_AT);
	if (result < 0)
		return result;
	memcpy(tag, sealed + TAG_AT, sizeof tag);
	if (EVP_CIPHER_CTX_ctrl(opening.context, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) > 0 &&
		EVP_DecryptUpdate(
			opening.context, ret, &written, sealed + CIPHER_AT, (int)plain_len) &&
		EVP_DecryptFinal_ex(opening.context, ret + plain_len, &written) > 0)
		return 0;
	sodium_memzero(ret, plain_len);
	ERR_clear_error();
	return -EBADMSG;
}
