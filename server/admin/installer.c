/* SPDX-License-Identifier: MIT */
#include "installer.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../log.h"
#include "../server.h"
#include "control.h"
#include "embed.h"
#include "lib/pin.h"

#define DIGITS     "0123456789"
#define HEX        DIGITS "abcdef"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BASE64     LETTERS DIGITS "+/="
#define SCRIPT_MAX (60u << 20)

extern const char installer_script[];
extern const size_t installer_script_len;

/* ---- filling the template */

static bool all_allowed(const struct installer_value *v)
{
	bool allowed[256] = {};

	for (const char *c = v->allowed; *c; c++)
		allowed[(unsigned char)*c] = true;
	for (size_t i = 0; i < v->len; i++)
		if (!allowed[(unsigned char)v->text[i]])
			return false;
	return true;
}

/* The one place where a value becomes part of the script: a single-quoted word of the shell, in
 * which no character but the quote itself has a meaning, and that one is never allowed. */
static int quote(const struct installer_value *v, struct buffer *out)
{
	int r = all_allowed(v) && !memchr(v->text, '\'', v->len) ? 0 : -EINVAL;

	if (r < 0)
		return log_err(
			r, "the installer's value %s has characters it must not have", v->name);
	r = buffer_append(out, "'", 1);
	if (r == 0)
		r = buffer_append(out, v->text, v->len);
	return r < 0 ? r : buffer_append(out, "'", 1);
}

/* The value that is named at the start of text, or NULL. */
static const struct installer_value *named(
	const char *text, size_t len, const struct installer_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(values[i].name);

		if (len >= n && memcmp(text, values[i].name, n) == 0)
			return &values[i];
	}
	return NULL;
}

static int fill_line(const char *line, size_t len, const struct installer_value *values,
	size_t count, struct buffer *out)
{
	int r = 0;

	while (r == 0 && len > 0) {
		const char *at = memchr(line, '@', len);
		size_t before = at ? (size_t)(at - line) : len;
		const struct installer_value *v = named(line + before, len - before, values, count);
		size_t used = v ? strlen(v->name) : before < len;

		r = buffer_append(out, line, before);
		if (r == 0)
			r = v ? quote(v, out) : buffer_append(out, line + before, used);
		line += before + used;
		len -= before + used;
	}
	return r;
}

int installer_fill(const char *template, size_t len, const struct installer_value *values,
	size_t count, struct buffer *out)
{
	int r = 0;

	while (r == 0 && len > 0) {
		const char *end = memchr(template, '\n', len);
		size_t line = end ? (size_t)(end - template) + 1 : len;

		if (line < 2 || memcmp(template, "#@", 2) != 0)
			r = fill_line(template, line, values, count, out);
		template += line;
		len -= line;
	}
	return r;
}

/* ---- the server's values */

/* One line an architecture, without a newline at the end. */
static int sums(const struct release *r, struct buffer *out)
{
	char arch[ARCH_SIZE], hex[65];
	int error = 0;

	for (size_t i = 0; error == 0 && i < r->count; i++) {
		if (!embed_arch(r->files[i], arch))
			continue;
		sodium_bin2hex(hex, sizeof(hex), r->files[i]->sha256, 32);
		error = buffer_printf(out, "%s%s %s", out->len ? "\n" : "", arch, hex);
	}
	return error;
}

static int programs(const struct server *s, struct buffer *out)
{
	const struct embed *e = control_embed(s);
	char arch[ARCH_SIZE];
	int r = e ? 0 : -EAGAIN;

	out->limit = SCRIPT_MAX;
	for (size_t i = 0; r == 0 && i < s->release.count; i++) {
		const char *text;
		size_t len;

		if (!embed_arch(s->release.files[i], arch))
			continue;
		text = embed_text(e, s->release.files[i], &len);
		if (!text)
			return -EAGAIN;
		r = buffer_printf(out, "%s%s ", out->len ? "\n" : "", arch);
		if (r == 0)
			r = buffer_append(out, text, len);
	}
	return r;
}

/* The small values' texts, all of a known greatest length. */
struct texts {
	char servers[ADDRESSES_TEXT_SIZE];
	char pin[PIN_TEXT_SIZE];
	char server_key[IDENTITY_TEXT_SIZE];
	char release_key[MINISIGN_PUBLIC_TEXT_SIZE];
	char serial[24];
	char token[TOKEN_TEXT_SIZE];
};

static void make_texts(const struct server *s, const uint8_t *token, struct texts *ret)
{
	*ret = (struct texts){};
	addresses_join(&s->config.names, ret->servers);
	pin_format(s->keys.tls.pin, ret->pin);
	identity_public_to_text(identity_public(s->keys.identity), ret->server_key);
	minisign_public_format(&s->keys.release_public, ret->release_key);
	snprintf(ret->serial, sizeof(ret->serial), "%llu",
		(unsigned long long)s->release.manifest.serial);
	if (token)
		token_format(token, ret->token);
}

static struct installer_value value(const char *name, const char *text, const char *allowed)
{
	return (struct installer_value){ name, text, strlen(text), allowed };
}

static struct installer_value many(const char *name, const struct buffer *b, const char *allowed)
{
	return (struct installer_value){ name, b->data ? (const char *)b->data : "", b->len,
		allowed };
}

static int render(const struct server *s, const struct texts *t, const struct buffer *enrol_sums,
	const struct buffer *embedded, struct buffer *out)
{
	const struct installer_value values[] = {
		value("@SERVER@", t->servers, LETTERS DIGITS ".-:[] "),
		value("@PINS@", t->pin, BASE64 ";"),
		value("@SERVER_KEY@", t->server_key, HEX),
		value("@RELEASE_KEY@", t->release_key, BASE64),
		value("@MIN_SERIAL@", t->serial, DIGITS),
		value("@VERSION@", s->release.manifest.version, LETTERS DIGITS ".-+~"),
		value("@TOKEN@", t->token, HEX),
		many("@ENROL_SUMS@", enrol_sums, LETTERS DIGITS "_- \n"),
		many("@EMBED@", embedded, BASE64 "_- \n"),
	};

	return installer_fill(installer_script, installer_script_len, values, COUNT(values), out);
}

int installer_render(const struct server *s, const uint8_t *token, bool embed, struct buffer *out)
{
	struct buffer enrol_sums = {}, embedded = {};
	struct texts texts;
	int r = s->release.manifest_text ? 0 : -ENODATA;

	if (r == 0)
		r = sums(&s->release, &enrol_sums);
	if (r == 0 && enrol_sums.len == 0)
		r = -ENODATA;
	if (r == 0 && embed)
		r = programs(s, &embedded);
	if (embed)
		out->limit = SCRIPT_MAX;
	if (r == 0) {
		make_texts(s, token, &texts);
		r = render(s, &texts, &enrol_sums, &embedded, out);
		sodium_memzero(&texts, sizeof(texts));
	}
	buffer_clear(&enrol_sums);
	buffer_clear(&embedded);
	return r;
}
