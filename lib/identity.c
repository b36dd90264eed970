/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/curve.h"
#include "lib/file.h"
#include "lib/identity.h"
#include "lib/secret.h"

#define COMPRESSED_SIZE  33
#define SECRET_TEXT_SIZE (2 * SECRET_KEY_SIZE + 1) /* hex with the newline, or with the NUL */

struct identity {
	uint8_t secret[SECRET_KEY_SIZE];
	uint8_t public_key[PUBLIC_KEY_SIZE];
};

int identity_generate(struct identity **ret)
{
	scoped(identity_freep) struct identity *i = secret_alloc(sizeof *i);
	int r;

	if (!i)
		return -ENOMEM;
	r = curve_generate(i->secret, i->public_key);
	if (r < 0)
		return r;
	*ret = give(i);
	return 0;
}

int identity_from_secret(const uint8_t secret[static SECRET_KEY_SIZE], struct identity **ret)
{
	scoped(identity_freep) struct identity *i = secret_alloc(sizeof *i);
	int r;

	if (!i)
		return -ENOMEM;
	memcpy(i->secret, secret, SECRET_KEY_SIZE);
	r = curve_public(i->secret, i->public_key);
	if (r < 0)
		return r;
	*ret = give(i);
	return 0;
}

int identity_load(const char *path, struct identity **ret)
{
	scoped(secret_freep) char *text = NULL;
	uint8_t secret[SECRET_KEY_SIZE];
	size_t len;
	int r = file_read_secret(path, SECRET_TEXT_SIZE, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	if (len != SECRET_TEXT_SIZE || text[len - 1] != '\n')
		return -EBADMSG;
	r = -EBADMSG;
	if (sodium_hex2bin(secret, sizeof secret, text, len - 1, NULL, &len, NULL) == 0 &&
		len == sizeof secret)
		r = identity_from_secret(secret, ret);
	sodium_memzero(secret, sizeof secret);
	return r;
}

int identity_save(const struct identity *i, const char *path)
{
	char text[SECRET_TEXT_SIZE];
	int r;

	sodium_bin2hex(text, sizeof text, i->secret, sizeof i->secret);
	text[sizeof text - 1] = '\n';
	r = file_create(path, text, sizeof text, 0600);
	sodium_memzero(text, sizeof text);
	return r;
}

struct identity *identity_free(struct identity *i)
{
	return secret_free(i);
}

void identity_freep(struct identity **i)
{
	*i = identity_free(*i);
}

const uint8_t *identity_public(const struct identity *i)
{
	return i->public_key;
}

const uint8_t *identity_secret(const struct identity *i)
{
	return i->secret;
}

int identity_sign(const struct identity *i, const uint8_t digest[static DIGEST_SIZE],
	uint8_t ret[static SIGNATURE_SIZE])
{
	secp256k1_ecdsa_signature signature;

	/* RFC 6979 is the default nonce function. */
	if (!secp256k1_ecdsa_sign(curve_context(), &signature, digest, i->secret, NULL, NULL))
		return -EIO;
	secp256k1_ecdsa_signature_serialize_compact(curve_context(), ret, &signature);
	return 0;
}

int identity_verify(const uint8_t public_key[static PUBLIC_KEY_SIZE],
	const uint8_t digest[static DIGEST_SIZE], const uint8_t signature[static SIGNATURE_SIZE])
{
	secp256k1_ecdsa_signature parsed;
	secp256k1_pubkey key;
	int r = curve_parse(public_key, &key);

	if (r < 0)
		return r;
	/* Parsing refuses r or s not below the order; verifying refuses zeros and a high s. */
	if (!secp256k1_ecdsa_signature_parse_compact(curve_context(), &parsed, signature))
		return -EKEYREJECTED;
	return secp256k1_ecdsa_verify(curve_context(), &parsed, digest, &key) ? 0 : -EKEYREJECTED;
}

int identity_check_public(const uint8_t public_key[static PUBLIC_KEY_SIZE])
{
	secp256k1_pubkey key;

	return curve_parse(public_key, &key);
}

int identity_public_from_text(const char *text, uint8_t ret[static PUBLIC_KEY_SIZE])
{
	uint8_t compressed[COMPRESSED_SIZE];
	size_t len;
	secp256k1_pubkey key;

	if (strnlen(text, IDENTITY_TEXT_SIZE) != 2 * COMPRESSED_SIZE)
		return -EBADMSG;
	if (sodium_hex2bin(compressed, sizeof compressed, text, 2 * COMPRESSED_SIZE, NULL, &len,
		    NULL) < 0 ||
		len != sizeof compressed)
		return -EBADMSG;
	if (!secp256k1_ec_pubkey_parse(curve_context(), &key, compressed, sizeof compressed))
		return -EBADMSG;
	len = PUBLIC_KEY_SIZE;
	secp256k1_ec_pubkey_serialize(curve_context(), ret, &len, &key, SECP256K1_EC_UNCOMPRESSED);
	return 0;
}

/* The parity of Y is the compressed form's prefix, so no arithmetic is needed. */
void identity_public_to_text(
	const uint8_t key[static PUBLIC_KEY_SIZE], char ret[static IDENTITY_TEXT_SIZE])
{
	uint8_t compressed[COMPRESSED_SIZE];

	compressed[0] = (uint8_t)(0x02 | (key[PUBLIC_KEY_SIZE - 1] & 1));
	memcpy(compressed + 1, key + 1, sizeof compressed - 1);
	sodium_bin2hex(ret, IDENTITY_TEXT_SIZE, compressed, sizeof compressed);
}
