/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/token.h"

#define DIGITS (2 * TOKEN_SIZE)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* *ret is written only when all is well, so that no half token is ever used. */
static int parse(const char *text, uint8_t ret[static TOKEN_SIZE])
{
	size_t digits = 0;

	for (text += strspn(text, " \t\r\n"); digits < DIGITS; text++) {
		int value = hex_digit(*text);

		if (value < 0 && digits > 0 && *text != '\0' && strchr("- \t", *text))
			continue;
		if (value < 0)
			return -EINVAL;
		ret[digits / 2] = (uint8_t)(ret[digits / 2] << 4 | value);
		digits++;
	}
	text += strspn(text, " \t\r\n");
	return *text == '\0' ? 0 : -EINVAL;
}

int token_parse(const char *text, uint8_t ret[static TOKEN_SIZE])
{
	uint8_t token[TOKEN_SIZE] = {};
	int r = parse(text, token);

	if (r == 0)
		memcpy(ret, token, TOKEN_SIZE);
	sodium_memzero(token, sizeof token);
	return r;
}

void token_format(const uint8_t token[static TOKEN_SIZE], char ret[static TOKEN_TEXT_SIZE])
{
	sodium_bin2hex(ret, TOKEN_TEXT_SIZE, token, TOKEN_SIZE);
}
