/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <errno.h>
#include <string.h>

static const struct caller nobody = { .how = CALLER_NOBODY, .actor = "nobody" };

/* About when it was used last is worth a write a minute, not one a request. */
static int note_use(struct server *s, const struct access_record *a)
{
	int r;

	if (!store_access_stale(s->store, a))
		return 0;
	r = turn_enter(s->turn);
	return r < 0 ? r : store_access_used(s->store, a->id);
}

static int by_token(struct server *s, const char *text, struct caller *ret)
{
	struct access_record a;
	int r = store_access_find(s->store, text, &a);

	if (r == -ENOENT || r == -EKEYEXPIRED || r == -EKEYREVOKED)
		return 0;
	if (r == 0)
		r = note_use(s, &a);
	if (r < 0)
		return r;
	*ret = (struct caller){
		.how = CALLER_TOKEN,
		.role = a.role,
		.expires = a.expires,
	};
	memcpy(ret->id, a.id, sizeof(ret->id));
	memcpy(ret->name, a.name, sizeof(ret->name));
	memcpy(ret->scope, a.scope, sizeof(ret->scope));
	snprintf(ret->actor, sizeof(ret->actor), "api-token:%s", a.id);
	return 0;
}

/* RFC 6750: "Bearer", whatever the case of its letters, one blank, the token. */
static const char *bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (!authorization || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return NULL;
	return authorization + strlen(scheme);
}

int access_find(struct server *s, const struct http_request *q, struct caller *ret)
{
	const char *token = bearer(q->authorization);

	*ret = nobody;
	return token ? by_token(s, token, ret) : 0;
}
