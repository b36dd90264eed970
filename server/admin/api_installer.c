/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "answer.h"
#include "control.h"
#include "embed.h"
#include "installer.h"
#include "lib/token.h"
#include "read.h"

struct order {
	uint8_t token[TOKEN_SIZE];
	char id[TOKEN_ID_SIZE]; /* the token's */
	bool has_token;
	bool embed;
};

/* A script with a token that nobody can use would only fail on the machine. */
static bool read_token(struct api_call *c, struct order *o)
{
	struct token_record record;
	const char *text;
	int r;

	if (!read_string(c, "token", 64, &text))
		return false;
	o->has_token = text != NULL;
	if (!text)
		return true;
	if (token_parse(text, o->token) < 0) {
		answer_refuse(c, 400, "bad-field", "field 'token' is not a token: 16 hex digits");
		return false;
	}
	r = store_token_find(c->server->store, o->token, &record);
	if (r == -ENOENT)
		answer_refuse(c, 404, "not-found", "the server has no such token");
	else if (r < 0)
		answer_store_error(c, r, "token");
	else if (record.state != TOKEN_LIVE) {
		answer_refuse(c, 409, "token-not-live", "token %s is %s", record.id,
			token_state_name(record.state));
		r = -EINVAL;
	} else
		memcpy(o->id, record.id, sizeof(o->id));
	return r == 0;
}

static void answer_script(struct api_call *c, const struct order *o)
{
	struct buffer script = {};
	int r = installer_render(c->server, o->has_token ? o->token : NULL, o->embed, &script);

	if (r == -ENODATA)
		answer_refuse(c, 503, "no-release",
			"the server has no release of muster-enrol to offer; see its log");
	else if (r < 0)
		answer_refuse(c, 500, "internal", "the script could not be made; see the log");
	else
		answer_text(c, "text/x-shellscript; charset=utf-8", &script);
	buffer_clear(&script);
}

static void deliver(struct api_call *c, const struct order *o)
{
	int r;

	if (!answer_may_write(c))
		return;
	r = store_audit(c->server->store, c->actor, "installer.make", o->id,
		o->embed ? "embed=yes" : "embed=no");
	if (r < 0)
		answer_store_error(c, r, "");
	else
		answer_script(c, o);
}

static bool embed_some(struct api_call *c)
{
	struct order *o = c->state;
	int r = embed_step(control_embed(c->server), &c->server->release);

	if (r > 0)
		return true;
	if (r < 0)
		answer_refuse(c, 500, "internal", "the program could not be compressed");
	else
		deliver(c, o);
	return false;
}

void api_installer(struct api_call *c)
{
	static const char *const fields[] = { "token", "embed", NULL };
	struct order *o = api_state(c, sizeof(*o));

	if (!o || !read_query(c, NULL, 0) || !read_fields(c, fields) ||
		!read_bool(c, "embed", &o->embed) || !read_token(c, o))
		return;
	if (o->embed)
		c->step = embed_some;
	else
		deliver(c, o);
}
