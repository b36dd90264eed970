/* SPDX-License-Identifier: MIT */
#include "agent/newest.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/file.h"
#include "lib/text.h"

#define HEAD      "muster-order 1\n"
#define PATH_SIZE 256
#define TEXT_SIZE 256

void newest_giver(const uint8_t server_key[static PUBLIC_KEY_SIZE],
	const uint8_t client[static CLIENT_ID_SIZE], uint8_t ret[static GIVER_SIZE])
{
	uint8_t both[PUBLIC_KEY_SIZE + CLIENT_ID_SIZE];

	memcpy(both, server_key, PUBLIC_KEY_SIZE);
	memcpy(both + PUBLIC_KEY_SIZE, client, CLIENT_ID_SIZE);
	(void)crypto_hash_sha256(ret, both, sizeof both); /* can't fail */
}

/* All of the digits, and nothing else. */
static bool parse_hash(const char *hex, uint8_t ret[static CONFIG_HASH_SIZE])
{
	size_t len = 0;

	return strlen(hex) == 2 * CONFIG_HASH_SIZE &&
	       sodium_hex2bin(ret, CONFIG_HASH_SIZE, hex, strlen(hex), NULL, &len, NULL) == 0 &&
	       len == CONFIG_HASH_SIZE;
}

/* "NUMBER HASH GIVER\n" behind the head. */
static int parse(char *text, size_t len, struct newest *ret)
{
	char *number = text + strlen(HEAD), *hash, *giver, *end;

	if (strlen(text) != len || strncmp(text, HEAD, strlen(HEAD)) != 0)
		return -EBADMSG;
	hash = strchr(number, ' ');
	giver = hash ? strchr(hash + 1, ' ') : NULL;
	end = giver ? strchr(giver, '\n') : NULL;
	if (!end || end[1])
		return -EBADMSG;
	*hash++ = *giver++ = *end = '\0';
	if (text_number(number, 1, UINT64_MAX, &ret->number) < 0 || !parse_hash(hash, ret->hash) ||
		!parse_hash(giver, ret->giver))
		return -EBADMSG;
	return 0;
}

static int load(const char *path, struct newest *ret)
{
	scoped(freep) char *text = NULL;
	size_t len;
	int r = file_read(path, TEXT_SIZE, &text, &len);

	return r == -EFBIG ? -EBADMSG : r < 0 ? r : parse(text, len, ret);
}

static int store(const char *path, const struct newest *n)
{
	char text[TEXT_SIZE], hash[2 * CONFIG_HASH_SIZE + 1], giver[2 * GIVER_SIZE + 1];
	int len;

	sodium_bin2hex(hash, sizeof hash, n->hash, sizeof n->hash);
	sodium_bin2hex(giver, sizeof giver, n->giver, sizeof n->giver);
	len = snprintf(
		text, sizeof text, HEAD "%llu %s %s\n", (unsigned long long)n->number, hash, giver);
	return file_write_atomic(path, text, (size_t)len, 0600);
}

int newest_take(
	const char *folder, const char *name, const struct newest *order, uint64_t *ret_last)
{
	char path[PATH_SIZE];
	struct newest last = {};
	int len = snprintf(path, sizeof path, "%s/" NEWEST_PREFIX "%s", folder, name);
	int r = len > 0 && len < PATH_SIZE ? load(path, &last) : -ENAMETOOLONG;

	*ret_last = 0;
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && memcmp(last.giver, order->giver, sizeof last.giver) == 0) {
		*ret_last = last.number;
		if (order->number < last.number ||
			(order->number == last.number &&
				memcmp(order->hash, last.hash, sizeof last.hash) != 0))
			return -ESTALE;
	}
	/* Also what is there already: whoever wrote it may have been killed before it was durable. */
	return store(path, order);
}
