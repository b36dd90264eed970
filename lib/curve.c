/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <secp256k1_ecdh.h>
#include <sodium.h>
#include <string.h>

#include "lib/curve.h"
#include "lib/secret.h"

const secp256k1_context *curve_context(void)
{
	static secp256k1_context *context;
	uint8_t seed[32];

	if (!context) {
		context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
		random_bytes(seed, sizeof seed);
		/* Blinding against side channels; it works without, too. */
		(void)!secp256k1_context_randomize(context, seed);
		sodium_memzero(seed, sizeof seed);
	}
	return context;
}

int curve_parse(const uint8_t key[static PUBLIC_KEY_SIZE], secp256k1_pubkey *ret)
{
	if (key[0] != 0x04)
		return -EBADMSG;
	if (!secp256k1_ec_pubkey_parse(curve_context(), ret, key, PUBLIC_KEY_SIZE))
		return -EBADMSG;
	return 0;
}

int curve_public(const uint8_t secret[static SECRET_KEY_SIZE], uint8_t ret[static PUBLIC_KEY_SIZE])
{
	secp256k1_pubkey key;
	size_t len = PUBLIC_KEY_SIZE;

	if (!secp256k1_ec_pubkey_create(curve_context(), &key, secret))
		return -EBADMSG;
	secp256k1_ec_pubkey_serialize(curve_context(), ret, &len, &key, SECP256K1_EC_UNCOMPRESSED);
	return 0;
}

int curve_generate(
	uint8_t ret_secret[static SECRET_KEY_SIZE], uint8_t ret_public[static PUBLIC_KEY_SIZE])
{
	/* One try in 2^127 gives no key; a second in a row means a broken random source. */
	for (int attempt = 0; attempt < 2; attempt++) {
		random_bytes(ret_secret, SECRET_KEY_SIZE);
		if (curve_public(ret_secret, ret_public) == 0)
			return 0;
	}
	return -EIO;
}

/* Instead of libsecp256k1's SHA-256 of the compressed point: the point itself. */
static int whole_point(
	unsigned char *output, const unsigned char *x, const unsigned char *y, void *data)
{
	(void)data;
	output[0] = 0x04;
	memcpy(output + 1, x, 32);
	memcpy(output + 33, y, 32);
	return 1;
}

int curve_share(const uint8_t secret[static SECRET_KEY_SIZE],
	const uint8_t peer[static PUBLIC_KEY_SIZE], uint8_t ret[static PUBLIC_KEY_SIZE])
{
	secp256k1_pubkey key;
	int r = curve_parse(peer, &key);

	if (r < 0)
		return r;
	return secp256k1_ecdh(curve_context(), ret, &key, secret, whole_point, NULL) ? 0 : -EBADMSG;
}
