/* SPDX-License-Identifier: MIT */
#include "ids.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"
#include "lib/secret.h"

#define HEAD 2 /* the kind and the dash */

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

void id_make(char kind, char ret[static ID_SIZE])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t random[ID_SIZE - HEAD - 1];

	random_bytes(random, sizeof(random));
	ret[0] = kind;
	ret[1] = '-';
	for (size_t i = 0; i < sizeof(random); i++)
		ret[HEAD + i] = digits[random[i] % 32];
	ret[ID_SIZE - 1] = '\0';
}

int id_complete(char kind, const char *text, char ret[static ID_SIZE])
{
	size_t len;

	if (small(text[0]) == kind && text[1] == '-')
		text += HEAD;
	len = strlen(text);
	if (len == 0 || len > ID_SIZE - HEAD - 1)
		return -ENOENT;
	ret[0] = kind;
	ret[1] = '-';
	for (size_t i = 0; i < len; i++) {
		ret[HEAD + i] = small(text[i]);
		if (!is_digit(ret[HEAD + i]))
			return -ENOENT;
	}
	ret[HEAD + len] = '\0';
	return 0;
}

void id_secret_hash(const struct store *s, const char *domain,
	const uint8_t secret[static ID_SECRET_SIZE], uint8_t ret[static ID_HASH_SIZE])
{
	crypto_generichash_state h;

	/* None of them can fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash_init(&h, s->token_key, TOKEN_KEY_SIZE, ID_HASH_SIZE);
	(void)crypto_generichash_update(&h, (const uint8_t *)domain, strlen(domain));
	(void)crypto_generichash_update(&h, secret, ID_SECRET_SIZE);
	(void)crypto_generichash_final(&h, ret, ID_HASH_SIZE);
}
