/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "lib/text.h"

/* The length of the well-formed UTF-8 sequence at text (RFC 3629, section 4) and its code point, or
 * 0: shortest forms only, no surrogates, nothing above U+10FFFF. */
static size_t decode(const uint8_t *text, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = text[0];
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t code = size == 1 ? first : first & (0x7fu >> size);

	if (size == 0 || first > 0xf4 || size > len)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (code < least[size] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	*ret = code;
	return size;
}

/* Controls, and what is not seen but changes what is: the format characters of Unicode 15.1 (general
 * category Cf, with the ranges that are reserved for more) and the two separators. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{ 0x00, 0x1f },
	{ 0x7f, 0x9f },
	{ 0xad, 0xad },
	{ 0x600, 0x605 },
	{ 0x61c, 0x61c },
	{ 0x6dd, 0x6dd },
	{ 0x70f, 0x70f },
	{ 0x890, 0x891 },
	{ 0x8e2, 0x8e2 },
	{ 0x180e, 0x180e },
	{ 0x200b, 0x200f },
	{ 0x2028, 0x202e },
	{ 0x2060, 0x206f },
	{ 0xfeff, 0xfeff },
	{ 0xfff0, 0xfffb },
	{ 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd },
	{ 0x13430, 0x1343f },
	{ 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a },
	{ 0xe0000, 0xe0fff },
};

static bool allowed(uint32_t code)
{
	for (size_t i = 0; i < COUNT(unseen) && code >= unseen[i].first; i++)
		if (code <= unseen[i].last)
			return false;
	return true;
}

/* The length of the printable character at text; 0: there is none. */
static size_t printable(const char *text, size_t len)
{
	uint32_t code;
	size_t size = decode((const uint8_t *)text, len, &code);

	return size > 0 && allowed(code) ? size : 0;
}

bool text_printable(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t size = printable(text + at, len - at);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

bool text_utf8(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		uint32_t code;
		size_t size = decode((const uint8_t *)text + at, len - at, &code);

		if (size == 0 || code == 0)
			return false;
		at += size;
	}
	return true;
}

char *text_escape(const char *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *ret = len < SIZE_MAX / 4 ? malloc(4 * len + 1) : NULL;
	char *to = ret;

	for (size_t at = 0; ret && at < len;) {
		size_t size = printable(text + at, len - at);

		if (size > 0) {
			to = mempcpy(to, text + at, size);
			at += size;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[(uint8_t)text[at] >> 4];
		*to++ = digits[(uint8_t)text[at] & 15];
		at++;
	}
	if (ret)
		*to = '\0';
	return ret;
}

char *text_vescape(const char *format, va_list values)
{
	scoped(freep) char *text = NULL;

	if (vasprintf(&text, format, values) < 0)
		text = NULL;
	return text ? text_escape(text, strlen(text)) : NULL;
}

/* The digits at the start of text as a number; -EINVAL: none there; -ERANGE: above max. */
static int digits_of(const char *text, uint64_t max, uint64_t *ret, const char **ret_end)
{
	uint64_t value = 0;
	bool above = false;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		above = above || digit > max || value > (max - digit) / 10;
		value = above ? 0 : value * 10 + digit;
	}
	*ret = value;
	*ret_end = text;
	return above ? -ERANGE : 0;
}

static uint64_t unit_seconds(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {
		{ "", 1 },
		{ "s", 1 },
		{ "m", 60 },
		{ "h", 3600 },
		{ "d", 86400 },
		{ "w", 7 * 86400 },
	};

	for (size_t i = 0; i < COUNT(units); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].seconds;
	return 0;
}

int text_duration(const char *text, uint64_t *ret_seconds)
{
	const uint64_t most = UINT64_C(100) * 365 * 86400 + UINT64_C(25) * 86400;
	const char *unit;
	uint64_t number, seconds;

	if (digits_of(text, most, &number, &unit) < 0)
		return -EINVAL;
	seconds = unit_seconds(unit);
	if (seconds == 0 || number > most / seconds)
		return -EINVAL;
	*ret_seconds = number * seconds;
	return 0;
}

int text_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMG";
	const char *unit, *which;
	uint64_t number;
	unsigned shift = 0;

	if (digits_of(text, UINT64_MAX >> 30, &number, &unit) < 0)
		return -EINVAL;
	if (*unit) {
		which = strchr(units, *unit);
		if (!which || unit[1])
			return -EINVAL;
		shift = 10 * (unsigned)(which - units + 1);
	}
	if (number << shift < min || number << shift > max)
		return -ERANGE;
	*ret = number << shift;
	return 0;
}

int text_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	int r = digits_of(text, max, &value, &end);

	if (r == -EINVAL || *end != '\0')
		return -EINVAL;
	if (r < 0 || value < min)
		return -ERANGE;
	*ret = value;
	return 0;
}

int text_base64(const char *text, void *ret, size_t size)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789+/=";
	size_t len = strspn(text, characters);

	/* libsodium takes some bytes above 127 for digits, hence the check before. */
	if (text[len] != '\0')
		return -EINVAL;
	if (sodium_base642bin(
		    ret, size, text, len, NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) < 0)
		return -EINVAL;
	return len == size ? 0 : -EINVAL;
}
