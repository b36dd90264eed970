/* SPDX-License-Identifier: MIT */
#include "tag.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../etag.h"
#include "answer.h"

void tag_of(const void *text, size_t len, char ret[static TAG_SIZE])
{
	uint8_t hash[16];

	/* Can't fail: all lengths are within BLAKE2b's. */
	(void)crypto_generichash(hash, sizeof(hash), text, len, NULL, 0);
	ret[0] = '"';
	sodium_bin2hex(ret + 1, TAG_SIZE - 1, hash, sizeof(hash));
	memcpy(ret + TAG_SIZE - 2, "\"", 2);
}

int tag_of_json(json_t *object, char ret[static TAG_SIZE])
{
	scoped(freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		return -ENOMEM;
	tag_of(text, strlen(text), ret);
	return 0;
}

bool tag_permits(struct api_call *c, const char *etag)
{
	const char *wanted = c->request->if_match, *unwanted = c->request->if_none_match;

	if (wanted && (!etag || !etag_listed(wanted, etag, ETAG_STRONG))) {
		answer_refuse(c, 412, "precondition-failed",
			etag ? "it is another now than If-Match says: read it again"
			     : "there is none yet, and If-Match says there is");
		return false;
	}
	if (unwanted && etag && etag_listed(unwanted, etag, ETAG_WEAK)) {
		answer_refuse(c, 412, "precondition-failed",
			"it is there already, and If-None-Match says it isn't");
		return false;
	}
	return true;
}
