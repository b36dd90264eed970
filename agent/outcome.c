/* SPDX-License-Identifier: MIT */
#include "agent/outcome.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/file.h"
#include "lib/text.h"

#define HEAD     "muster-update 1\n"
#define FILE_MAX 1024

int outcome_write(const char *path, const struct outcome *o)
{
	char giver[2 * GIVER_SIZE + 1], text[FILE_MAX];
	int len;

	sodium_bin2hex(giver, sizeof giver, o->giver, sizeof o->giver);
	len = snprintf(text, sizeof text, HEAD "%llu %u %s\n%s\n", (unsigned long long)o->number,
		o->code, giver, o->text);
	return len < 0 || (size_t)len >= sizeof text
		       ? -EMSGSIZE
		       : file_write_atomic(path, text, (size_t)len, 0644);
}

/* "NUMBER CODE GIVER\nTEXT\n" behind the head. */
static int parse(char *number, struct outcome *ret)
{
	char *code = strchr(number, ' '), *giver = code ? strchr(code + 1, ' ') : NULL;
	char *text = giver ? strchr(giver, '\n') : NULL,
	     *end = text ? strchr(text + 1, '\n') : NULL;
	uint64_t value;
	size_t len = 0;

	if (!end || end[1])
		return -EBADMSG;
	*code++ = *giver++ = *text++ = *end = '\0';
	if (text_number(number, 1, UINT64_MAX, &ret->number) < 0 ||
		text_number(code, 0, UINT16_MAX, &value) < 0 || strlen(giver) != 2 * GIVER_SIZE ||
		sodium_hex2bin(ret->giver, sizeof ret->giver, giver, strlen(giver), NULL, &len,
			NULL) < 0 ||
		strlen(text) >= sizeof ret->text || !text_printable(text, strlen(text)))
		return -EBADMSG;
	ret->code = (uint16_t)value;
	memcpy(ret->text, text, strlen(text) + 1);
	return 0;
}

int outcome_read(const char *path, struct outcome *ret)
{
	scoped(freep) char *text = NULL;
	struct outcome o = {};
	size_t len;
	int r = file_read(path, FILE_MAX, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	if (strlen(text) != len || strncmp(text, HEAD, strlen(HEAD)) != 0)
		return -EBADMSG;
	r = parse(text + strlen(HEAD), &o);
	if (r == 0)
		*ret = o;
	return r;
}

bool outcome_is_of(const struct outcome *o, uint64_t number, const uint8_t giver[static GIVER_SIZE])
{
	return o->number == number && memcmp(o->giver, giver, GIVER_SIZE) == 0;
}
