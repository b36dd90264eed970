/* SPDX-License-Identifier: MIT */
#include "found.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "answer.h"
#include "lib/text.h"

/* ---- places, as "next" says them: what it is ordered by, in hex, a dot, the id */

#define PLACE_SIZE (2 * 65 + 1 + CLIENT_ID_TEXT_SIZE)

static void place_text(const struct client_place *p, char ret[static PLACE_SIZE])
{
	char key[2 * sizeof(p->key) + 1], id[CLIENT_ID_TEXT_SIZE];

	sodium_bin2hex(key, sizeof(key), (const uint8_t *)p->key, strlen(p->key));
	sodium_bin2hex(id, sizeof(id), p->id, sizeof(p->id));
	snprintf(ret, PLACE_SIZE, "%s.%s", key, id);
}

static int place_parse(const char *text, struct client_place *ret)
{
	size_t dot = strcspn(text, "."), len = 0, id_len = 0;

	*ret = (struct client_place){ .started = true };
	if (text[dot] != '.' ||
		sodium_hex2bin((uint8_t *)ret->key, sizeof(ret->key) - 1, text, dot, NULL, &len,
			NULL) != 0 ||
		sodium_hex2bin(ret->id, sizeof(ret->id), text + dot + 1, strlen(text + dot + 1),
			NULL, &id_len, NULL) != 0)
		return -EINVAL;
	return strlen(ret->key) == len && text_utf8(ret->key, len) && id_len == sizeof(ret->id)
		       ? 0
		       : -EINVAL;
}

bool read_place(struct api_call *c, const struct param *p, struct client_place *ret)
{
	*ret = (struct client_place){};
	if (!p->given || place_parse(p->value, ret) == 0)
		return true;
	answer_refuse(c, 400, "bad-parameter", "parameter 'after' must be what 'next' has said");
	return false;
}

/* ---- the page */

int found_add(struct found *f, const struct client_place *place)
{
	if (f->count == f->limit) {
		f->more = true;
		return 1;
	}
	f->places[f->count++] = *place;
	return 0;
}

/* *ret_shown: so many of the places are done with. */
static int add_all(struct api_call *c, const struct found *f,
	int (*add)(struct api_call *c, const struct client_record *client, struct page *page),
	struct page *page, size_t *ret_shown)
{
	static struct client_record client; /* large, and used nowhere beyond this call */

	for (*ret_shown = 0; *ret_shown < f->count;) {
		int r = store_client_by_id(c->server->store, f->places[(*ret_shown)++].id, &client);

		if (r == -ENOENT || (r == 0 && client.state == CLIENT_REMOVED))
			continue;
		if (r == 0)
			r = add(c, &client, page);
		if (r != 0)
			return r;
	}
	return 0;
}

void found_answer(struct api_call *c, const struct found *f, const char *name,
	int (*add)(struct api_call *c, const struct client_record *client, struct page *page))
{
	struct page page = {};
	char next[PLACE_SIZE] = "";
	size_t shown;
	int r = add_all(c, f, add, &page, &shown);

	if (shown < f->count || f->more)
		place_text(&f->places[shown - 1], next);
	if (r < 0 && page.error == 0)
		answer_store_error(c, r, "client");
	else
		page_answer(c, &page, NULL, name, next);
	page_endp(&page);
}
