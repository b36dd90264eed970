/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/err.h>
#include <sodium.h>
#include <string.h>

#include "lib/pin.h"
#include "lib/text.h"

static const char prefix[] = "sha256//";

/* The hash of a DER encoding that OpenSSL allocated, and its end. */
static int pin_of_der(uint8_t *der, int len, uint8_t ret[static PIN_SIZE])
{
	if (len <= 0 || !der) {
		ERR_clear_error();
		return -EINVAL;
	}
	crypto_hash_sha256(ret, der, (unsigned long long)len);
	OPENSSL_free(der);
	return 0;
}

int pin_of_certificate(X509 *certificate, uint8_t ret[static PIN_SIZE])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

	return pin_of_der(der, len, ret);
}

int pin_of_key(EVP_PKEY *key, uint8_t ret[static PIN_SIZE])
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	return pin_of_der(der, len, ret);
}

int pin_parse(const char *text, uint8_t ret[static PIN_SIZE])
{
	uint8_t pin[PIN_SIZE];

	if (strncmp(text, prefix, strlen(prefix)) != 0 ||
		text_base64(text + strlen(prefix), pin, sizeof pin) < 0)
		return -EINVAL;
	memcpy(ret, pin, sizeof pin);
	return 0;
}

void pin_format(const uint8_t pin[static PIN_SIZE], char ret[static PIN_TEXT_SIZE])
{
	char *base64 = stpcpy(ret, prefix);

	sodium_bin2base64(base64, PIN_TEXT_SIZE - strlen(prefix), pin, PIN_SIZE,
		sodium_base64_VARIANT_ORIGINAL);
}

int pins_add(struct pins *p, const char *text)
{
	while (*text) {
		char one[PIN_TEXT_SIZE];
		size_t n = strcspn(text, ";");

		if (n >= sizeof one || p->count == PINS_MAX)
			return -EINVAL;
		memcpy(one, text, n);
		one[n] = '\0';
		if (pin_parse(one, p->at[p->count]) < 0)
			return -EINVAL;
		p->count++;
		text += n + (text[n] == ';');
	}
	return p->count > 0 ? 0 : -EINVAL;
}

void pins_format(const struct pins *p, char ret[static PINS_TEXT_SIZE])
{
	*ret = '\0';
	for (size_t i = 0; i < p->count; i++) {
		if (i > 0)
			ret = stpcpy(ret, ";");
		pin_format(p->at[i], ret);
		ret += strlen(ret);
	}
}

bool pins_fit(const struct pins *p, X509 *certificate)
{
	uint8_t pin[PIN_SIZE];
	bool found = false;

	if (pin_of_certificate(certificate, pin) < 0)
		return false;
	for (size_t i = 0; i < p->count; i++)
		found |= sodium_memcmp(pin, p->at[i], sizeof pin) == 0;
	return found;
}
