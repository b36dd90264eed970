/* SPDX-License-Identifier: MIT */
#include "enrol/release.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "enrol/fetch.h"
#include "enrol/fields.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/text.h"

#define RELEASE_MAX 1024
#define HASH_DIGITS 64

static int read_hash(const char *text, const char *name, uint8_t ret[static 32])
{
	char digits[HASH_DIGITS + 1];

	fields_text(text, name, digits, sizeof digits);
	return sodium_hex2bin(ret, 32, digits, strlen(digits), NULL, NULL, NULL) < 0 ||
			       strlen(digits) != HASH_DIGITS
		       ? -EBADMSG
		       : 0;
}

static int parse(const char *text, struct release_seen *ret)
{
	char serial[21];
	int r;

	fields_text(text, "serial", serial, sizeof serial);
	fields_text(text, "version", ret->version, sizeof ret->version);
	r = text_number(serial, 0, UINT64_MAX, &ret->serial) < 0 ? -EBADMSG : 0;
	if (r == 0)
		r = read_hash(text, "agent", ret->agent);
	return r == 0 ? read_hash(text, "enrol", ret->program) : r;
}

int release_read(const char *key, struct release_seen *ret)
{
	char text[RELEASE_MAX], of[MINISIGN_PUBLIC_TEXT_SIZE];
	ssize_t len = place_read(RELEASE_FILE, text, sizeof text);
	struct release_seen seen = { .known = true };
	int r;

	*ret = (struct release_seen){};
	if (len < 0)
		return len == -ENOENT ? 0 : len == -EFBIG || len == -EINVAL ? -EBADMSG : (int)len;
	fields_text(text, "key", of, sizeof of);
	r = *of ? parse(text, &seen) : -EBADMSG;
	if (r == 0 && strcmp(of, key) == 0)
		*ret = seen;
	return r;
}

static int print(const struct enrol *e, struct buffer *out)
{
	char agent[HASH_DIGITS + 1], program[HASH_DIGITS + 1];
	struct release_seen s;

	release_of(e, &s);
	sodium_bin2hex(agent, sizeof agent, s.agent, sizeof s.agent);
	sodium_bin2hex(program, sizeof program, s.program, sizeof s.program);
	return buffer_printf(out, "key=%s\nserial=%" PRIu64 "\nversion=%s\nagent=%s\nenrol=%s\n",
		e->options.release_key_text, s.serial, s.version, agent, program);
}

/* The folder that the file lies in is root's alone, as place_folder() checks. */
static int replace(const struct buffer *text)
{
	scoped(closep) int folder = place_folder(RELEASE_FOLDER);

	return folder < 0 ? folder : file_write_atomic(RELEASE_FILE, text->data, text->len, 0644);
}

int release_note(const struct enrol *e, bool make)
{
	struct buffer text = {};
	int r = print(e, &text);

	if (r == 0)
		r = make ? place_write(RELEASE_FILE, text.data, text.len, 0644) : replace(&text);
	buffer_clear(&text);
	return r;
}

void release_of(const struct enrol *e, struct release_seen *ret)
{
	const struct manifest_file *program = fetch_find(e, ENROL_NAME);

	*ret = (struct release_seen){ .known = true, .serial = e->manifest.serial };
	memcpy(ret->version, e->manifest.version, sizeof ret->version);
	if (e->agent)
		memcpy(ret->agent, e->agent->sha256, sizeof ret->agent);
	if (program)
		memcpy(ret->program, program->sha256, sizeof ret->program);
}

bool release_same_programs(const struct release_seen *a, const struct release_seen *b)
{
	return memcmp(a->agent, b->agent, sizeof a->agent) == 0 &&
	       memcmp(a->program, b->program, sizeof a->program) == 0;
}
