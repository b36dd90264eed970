/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "lib/manifest.h"
#include "lib/text.h"

#define HASH_DIGITS 64

static const char version_characters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~-";
static const char path_characters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/* The text that is still to be read; a failed step makes it NULL and every later one do nothing. */
struct text {
	const char *at;
};

static void expect(struct text *t, const char *literal)
{
	size_t len = strlen(literal);

	if (t->at)
		t->at = strncmp(t->at, literal, len) == 0 ? t->at + len : NULL;
}

/* A run of other characters than blanks and newlines that is shorter than size. */
static void word(struct text *t, char *ret, size_t size)
{
	size_t len = t->at ? strcspn(t->at, " \n") : 0;

	*ret = '\0';
	if (len == 0 || len >= size) {
		t->at = NULL;
		return;
	}
	memcpy(ret, t->at, len);
	ret[len] = '\0';
	t->at += len;
}

/* A decimal number in its only form: no leading zeros. */
static uint64_t number(struct text *t)
{
	char digits[21];
	uint64_t value = 0;

	word(t, digits, sizeof digits);
	if (t->at && ((digits[0] == '0' && digits[1] != '\0') ||
			     text_number(digits, 0, UINT64_MAX, &value) < 0))
		t->at = NULL;
	return value;
}

/* Lower-case only: one text for one manifest. */
static void hash(struct text *t, uint8_t ret[static 32])
{
	char digits[HASH_DIGITS + 1];

	word(t, digits, sizeof digits);
	if (t->at && (strspn(digits, "0123456789abcdef") != HASH_DIGITS ||
			     sodium_hex2bin(ret, 32, digits, HASH_DIGITS, NULL, NULL, NULL) < 0))
		t->at = NULL;
}

static bool path_ok(const char *path)
{
	for (;;) {
		size_t len = strspn(path, path_characters);

		if (len == 0 || strncmp(path, ".", len) == 0 || strncmp(path, "..", len) == 0)
			return false;
		if (path[len] == '\0')
			return true;
		if (path[len] != '/')
			return false;
		path += len + 1;
	}
}

static void file_line(struct text *t, struct manifest *m)
{
	struct manifest_file f = {};

	expect(t, "file ");
	word(t, f.path, sizeof f.path);
	expect(t, " ");
	f.size = number(t);
	expect(t, " ");
	hash(t, f.sha256);
	expect(t, "\n");
	if (!t->at || m->count >= MANIFEST_FILES_MAX || !path_ok(f.path) ||
		manifest_find(m, f.path)) {
		t->at = NULL;
		return;
	}
	m->files[m->count++] = f;
}

static int parse(const char *text, struct manifest *m)
{
	struct text t = { text };

	expect(&t, "muster-manifest ");
	if (!t.at)
		return -EBADMSG;
	if (number(&t) != 1 || !t.at)
		return t.at ? -EPROTONOSUPPORT : -EBADMSG;
	expect(&t, "\nserial ");
	m->serial = number(&t);
	expect(&t, "\nversion ");
	word(&t, m->version, sizeof m->version);
	expect(&t, "\nissued ");
	m->issued = number(&t);
	expect(&t, "\n");
	while (t.at && *t.at != '\0')
		file_line(&t, m);
	return t.at && manifest_version_ok(m->version) ? 0 : -EBADMSG;
}

int manifest_parse(const char *text, size_t len, struct manifest *ret)
{
	scoped(freep) char *copy = NULL;
	struct manifest m = {};
	int r;

	if (len > MANIFEST_MAX || memchr(text, '\0', len))
		return -EBADMSG;
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	r = parse(copy, &m);
	if (r == 0)
		*ret = m;
	return r;
}

static int print_files(const struct manifest *m, struct buffer *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++) {
		const struct manifest_file *f = &m->files[i];
		char digits[HASH_DIGITS + 1];

		sodium_bin2hex(digits, sizeof digits, f->sha256, sizeof f->sha256);
		r = buffer_printf(out, "file %s %" PRIu64 " %s\n", f->path, f->size, digits);
	}
	return r;
}

static int print(const struct manifest *m, struct buffer *out)
{
	int r = buffer_printf(out,
		"muster-manifest 1\nserial %" PRIu64 "\nversion %s\nissued %" PRIu64 "\n",
		m->serial, m->version, m->issued);

	return r < 0 ? r : print_files(m, out);
}

/* What is printed is read again, so that nothing is ever signed that a machine would refuse. */
int manifest_print(const struct manifest *m, struct buffer *out)
{
	struct manifest again;
	size_t before = out->len;
	int r = m->count > MANIFEST_FILES_MAX ? -EINVAL : print(m, out);

	if (r == 0 &&
		manifest_parse((const char *)out->data + before, out->len - before, &again) < 0)
		r = -EINVAL;
	if (r < 0)
		out->len = before;
	return r;
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	return NULL;
}

bool manifest_version_ok(const char *version)
{
	size_t len = strspn(version, version_characters);

	return len > 0 && len < VERSION_SIZE && version[len] == '\0';
}

/* Printed whole first, so that what would be no manifest is no release either. */
int manifest_digest(const struct manifest *m, uint8_t ret[static RELEASE_DIGEST_SIZE])
{
	scoped(buffer_clear) struct buffer text = {};
	int r = manifest_print(m, &text);

	if (r == 0) {
		text.len = 0;
		r = buffer_printf(&text, "version %s\n", m->version);
	}
	if (r == 0)
		r = print_files(m, &text);
	if (r == 0)
		(void)crypto_hash_sha256(ret, text.data, text.len);
	return r;
}
